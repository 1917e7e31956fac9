# net.access_rule: who may send what to where, at the call, when a request is
# sent, and after a redirect.

use strict;
use warnings;

use JSON::PP qw(decode_json);
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = start_http_server();
my $port = $server->port;
my $url = $server->url;
my $node = new_node('access', init => { extra => ['--locale=C.UTF-8'] });

# What a role's statements print, or their error with its SQLSTATE and detail.
sub as
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nset session authorization $role;\n$sql");
	return $out if $status == 0;
	my ($message) = $err =~ /ERROR:  (.*)/;
	my ($detail) = $err =~ /DETAIL:  (.*)/;
	return join ' ', $message, $detail // '';
}

# Rules, each as (allow, and columns by name).
sub rules
{
	my @rules = @_;
	my $position = 0;
	my @inserts = map {
		my ($allow, %rule) = @$_;
		my %columns = (position => ++$position, allow => $allow, map { $_ => "'$rule{$_}'" } keys %rule);
		'insert into net.access_rule (' . join(', ', sort keys %columns) . ') values (' . join(', ', @columns{ sort keys %columns }) . ');'
	} @rules;
	sql('begin; truncate net.access_rule;', @inserts, 'commit;');
	return;
}

sub get { my ($to, $args) = @_; return "select net.http_get('$to', timeout_milliseconds := 60000" . ($args // '') . ')' }

sub is_allowed
{
	my ($name, $sql, $role) = @_;
	return like(as($role // 'alice', "begin; $sql; rollback"), qr/^\d+$/, $name);
}

sub is_refused
{
	my ($name, $sql, $role, $why) = @_;
	return like(as($role // 'alice', $sql), $why // qr/^42501: (\w+ requests to \S+ are not allowed for this role|cannot check the host of the request against)/, $name);
}

sql('create role alice; create role bob; create role staff; create role carol in role staff; create role dave noinherit in role staff; create role root superuser');

subtest 'none' => sub {
	is_allowed('everything is allowed', get("$url/echo"));
};

subtest 'the first that matches decides' => sub {
	rules([ 'false', host => 'evil.test' ], [ 'true', host => '*.test', methods => '{GET}' ], [ 'true', role => 'staff' ],
		[ 'false', role => 'bob' ], [ 'true', scheme => 'https', host => 'api.example', ports => '[443,444]' ]);
	my %allowed = (
		'a rule for all' => get('http://good.test/'),
		'in capitals, with a dot' => get('http://GOOD.Test./'),
		'below' => get('http://a.b.test:99/'),
		'a scheme and a default port' => get('https://api.example/'),
		'a port' => get('https://api.example:444/'),
		'a user that looks like a host' => get('http://evil.test@good.test/'));
	my %refused = (
		'a rule that denies' => get('http://evil.test/'),
		'with a dot' => get('http://evil.test./'),
		'in capitals' => get('HTTP://EVIL.TEST/'),
		'with an escape' => get('http://%65vil.test/'),
		'with a user that looks like a host' => get('http://good.test@evil.test/'),
		'in wide letters' => get('http://ｅvil.test/'),
		'with a wide dot' => get('http://evil。test/'),
		'the domain itself' => get('http://test/'),
		'another domain with that end' => get('http://nottest/'),
		'another method' => "select net.http_post('http://good.test/')",
		'another scheme' => get('http://api.example:443/'),
		'another port' => get('https://api.example:445/'),
		'no rule' => get('http://other.example/'),
		'a Host that is denied' => get('http://good.test/', q(, headers := '{"host": "evil.test"}')),
		'a Host that no rule allows' => get('http://good.test/', q(, headers := '{"Host": "other.example:80"}')),
		'an address' => get('http://127.0.0.1/'));
	is_allowed($_, $allowed{$_}) for sort keys %allowed;
	is_refused($_, $refused{$_}) for sort keys %refused;
	is_refused('which rule it was', get('http://evil.test/x?y=secret', q(, headers := '{"X": "secret"}')), 'alice',
		qr{^42501: GET requests to http://evil\.test:80 are not allowed for this role Rule 1 of net\.access_rule denies it\.$});
	is_refused('that there was none', get('http://other.example/'), 'alice', qr/No rule of net\.access_rule allows it\.$/);

	is_allowed('a member of a role', get('http://other.example/'), 'carol');
	is_allowed('one that does not inherit', get('http://other.example/'), 'dave');
	is_refused('a member, for what is denied before', get('http://evil.test/'), 'carol');
	is_refused('a superuser is no member', get('http://other.example/'), 'root');
	is_refused('and is bound, too', get('http://evil.test/'), 'root');
	is_refused('a rule for a role alone', get('https://api.example/'), 'bob');
};

subtest 'numbers' => sub {
	rules([ 'false', host => '127.0.0.1' ], [ 'false', host => '[::1]' ], ['true']);
	is_allowed('another address', get('http://127.0.0.2/'));
	is_refused("the number $_", get("http://$_/")) for qw(127.0.0.1 2130706433 0x7f.1 0177.0.0.1 127.1 [::1] [0:0::1] 127.0.0.1.);
};

subtest 'patterns' => sub {
	for my $pattern (qw(127.0.0.1 127.1 0x7f.0.0.1 2130706433))
	{
		rules([ 'false', host => $pattern ], ['true']);
		is_refused("127.0.0.1 by $pattern", get('http://127.0.0.1/'));
		is_allowed("and no other by $pattern", get('http://127.0.0.2/'));
	}
	for my $pattern (qw([::1] [0:0::1] [::0.0.0.1]))
	{
		rules([ 'false', host => $pattern ], ['true']);
		is_refused("::1 by $pattern", get('http://[::1]/'));
		is_allowed("and no other by $pattern", get('http://[::2]/'));
	}
	rules([ 'false', host => '*.Evil.Test' ], [ 'false', host => 'EVIL_1.test' ], ['true']);
	is_refused('capitals', get('http://a.evil.test/'));
	is_refused('an underscore', get('http://evil_1.test/'));
	is_allowed('the host itself', get('http://evil.test/'));
	is_allowed('another end', get('http://notevil.test/'));
};

subtest 'rows inserted by hand' => sub {
	rules([ 'true', host => '127.0.0.1', methods => '{GET}' ]);
	my $insert = sub {
		my ($method, $to, $headers) = @_;
		my $id = sql('insert into net.http_request_queue (method, url, headers, timeout_milliseconds, role)'
			  . " values ('$method', '$to', '$headers', 20000, 'alice') returning id");
		sql('select net.wake()');
		return wait_response($node, $id);
	};
	is($insert->('GET', "$url/echo/hand", '{}')->{status_code}, 200, 'are sent where that is allowed');
	is($insert->('get', "$url/echo/hand", '{}')->{status_code}, 200, 'in small letters, too');
	like($insert->('POST', "$url/echo/hand", '{}')->{error_msg}, qr/^POST requests to .* No rule of net\.access_rule allows it\.$/, 'and only there');
	like($insert->('GET', "http://localhost:$port/echo/hand", '{}')->{error_msg}, qr/^GET requests to http:\/\/localhost:\d+ are not allowed/, 'another host');
	like($insert->('GET', "$url/echo/hand", '{"Host": "localhost"}')->{error_msg}, qr/not allowed for this role/, 'another Host');
	is(scalar($server->arrivals_of('/echo/hand')), 2, 'two arrived');
};

subtest 'redirects' => sub {
	my $to_localhost = "$url/redirect-to?status=307&url=http://localhost:$port/echo";
	rules();
	is(request($node, get("$to_localhost/free"))->{status_code}, 200, 'lead anywhere');
	is(scalar($server->arrivals_of('/echo/free')), 1, 'without rules');
	# there may be an open connection to localhost, now
	for my $rule ([ [ 'false', host => 'localhost' ], ['true'] ], [ [ 'true', host => '127.0.0.1' ] ])
	{
		rules(@$rule);
		my $row = request($node, get("$to_localhost/bound"));
		is($row->{error_msg}, 'could not follow a redirect: net.access_rule does not allow its target for this role', 'but not past the rules');
	}
	is(scalar($server->arrivals_of('/echo/bound')), 0, 'and nothing arrives');
	rules([ 'true', role => 'alice' ], [ 'true', host => '127.0.0.1' ]);
	is(request($node, 'set session authorization alice; ' . get("$to_localhost/alice"))->{status_code}, 200, 'a role may follow');
	is(request($node, get("$to_localhost/postgres"))->{status_code}, undef, 'where another may not');
};

subtest 'rules that change' => sub {
	rules();
	rules([ 'true', host => '127.0.0.1' ]);
	is(as('alice', join "\n", 'begin isolation level repeatable read;', 'select 1;',
			"\\! psql -qAtX -d '" . $node->connstr('postgres') . "' -U postgres -c 'truncate net.access_rule; insert into net.access_rule (position, allow) values (1, false)'",
			get("$url/echo")),
		"42501: GET requests to $url are not allowed for this role Rule 1 of net.access_rule denies it.", 'bind a transaction that began before')
	  or diag(sql('table net.access_rule'));

	rules();
	is(as('postgres', "begin; insert into net.access_rule (position, allow) values (1, false); rollback; begin; " . get("$url/echo") . '; rollback') =~ s/\d+//r,
		'', 'rolled back, they are as before');
	is_refused('in the same transaction they bind at once', "begin; insert into net.access_rule (position, allow) values (1, false); " . get("$url/echo"), 'postgres');

	# rows the worker has read, and waits with
	my $gate = PostgreSQL::Test::Utils::tempdir('gate') . '/gate';
	sql('alter system set pg_net.max_in_flight = 1');
	sql('select net.worker_restart()');
	sql('select net.wait_until_running()');
	my $first = sql(get("$url/wait?file=$gate"));
	$server->wait_arrivals("/wait?file=$gate");
	my $second = sql(get("$url/echo/second"));
	my $third = sql(get("$url/echo/third"));
	rules([ 'true', host => '127.0.0.1', role => 'alice' ]);
	append_to_file($gate, '');
	is(wait_response($node, $first)->{status_code}, 200, 'what is in flight goes on');
	like(wait_response($node, $_)->{error_msg}, qr/No rule of net.access_rule allows it/, 'what waits does not') for $second, $third;
	is(scalar($server->arrivals_of(qr{/echo/(second|third)})), 0, 'and does not arrive');
};

subtest 'the table' => sub {
	rules();
	my %bad = (
		'a scheme' => "scheme) values (1, true, 'ftp'",
		'a host with a port' => "host) values (1, true, 'a:80'",
		'a host with a path' => "host) values (1, true, 'a/b'",
		'a URL' => "host) values (1, true, 'http://a'",
		'no host' => "host) values (1, true, ''",
		'a star inside' => "host) values (1, true, 'a.*.b'",
		'another alphabet' => "host) values (1, true, 'ä.example'",
		'a dot at the end' => "host) values (1, true, 'a.'",
		'two dots' => "host) values (1, true, 'a..b'",
		'a star without a dot' => "host) values (1, true, '*a'",
		'a star with nothing below' => "host) values (1, true, '*.'",
		'an IPv6 address without brackets' => "host) values (1, true, '::1'",
		'brackets around anything' => "host) values (1, true, '[a]'",
		'half of them' => "host) values (1, true, '[::1'",
		'ports beyond' => "ports) values (1, true, '[0,80]'",
		'ports without end' => "ports) values (1, true, '[80,]'",
		'no method' => "methods) values (1, true, '{NULL}'");
	like(as('postgres', "insert into net.access_rule (position, allow, $bad{$_})"), qr/^23514: /, "$_ is refused") for sort keys %bad;
	like(as('alice', 'table net.access_rule'), qr/^42501: /, 'not everybody reads it');
	sql('grant pg_read_all_data to bob; grant pg_write_all_data to alice');
	rules([ 'true', role => 'alice' ]);
	is(as('bob', 'select count(*) from net.access_rule'), 1, 'pg_read_all_data does');
	is(as('alice', 'delete from net.access_rule; select 1'), 1, 'pg_write_all_data');
	like(as('alice', 'insert into net.access_rule (position, allow) values (0, true)'), qr/^42501: /, 'does not write it');
	is(sql('select count(*) from net.access_rule'), 1, 'as it turns out');
	sql('revoke pg_read_all_data from bob; revoke pg_write_all_data from alice');
	sql('alter table net.access_rule rename to hidden');
	like(as('alice', get("$url/echo")), qr/^42P01: /, 'without the table nothing is allowed');
	sql('alter table net.hidden rename to access_rule');
};

subtest 'pg_dump' => sub {
	rules([ 'true', role => 'staff', host => '*.test', ports => '[1,80]', methods => '{GET,POST}', scheme => 'http' ]);
	my $file = PostgreSQL::Test::Utils::tempdir('dump') . '/dump';
	$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $file ], 'dumps them');
	sql('create database restored');
	$node->command_ok([ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $file ], 'and they are restored');
	is(sql_in('restored', 'table net.access_rule'), sql('table net.access_rule'), 'as they were');
};

subtest 'names' => sub {
	rules([ 'false', role => 'bob' ], [ 'true', role => 'staff' ], [ 'true', host => '127.0.0.1' ]);
	is(as('postgres', 'drop role bob, staff'), '', 'roles of rules can be dropped');
	is_allowed('a name without a role matches nobody', get("$url/echo"));
	is_refused('whoever was a member', get('http://other.example/'), 'carol');
	is(sql('select role from net.access_rule order by position'), "bob\nstaff\n", 'it stays');

	sql('create role bob; create role staff; grant staff to carol');
	is_refused('a new role of that name gets the rule', get("$url/echo"), 'bob');
	is_allowed('and its members', get('http://other.example/'), 'carol');
	sql('alter role bob rename to bobby; create role "17385"; create role "Bob"');
	is_allowed('a role that is renamed leaves it behind', get("$url/echo"), 'bobby');
	is_allowed('capitals are other names', get("$url/echo"), '"Bob"');

	my $oid = sql(q(select oid from pg_roles where rolname = 'alice'));
	rules([ 'false', role => $oid ], ['true']);
	is_allowed('a number is a name', get("$url/echo"));
	rules([ 'false', role => 'nobody_yet' ], ['true']);
	is_allowed('a rule can be there first', get("$url/echo"));
	sql('alter role alice rename to nobody_yet');
	is_refused('and the role come later', get("$url/echo"), 'nobody_yet');
	sql('alter role nobody_yet rename to alice');
	is(sql('select role from net.access_rule where role not in (select rolname from pg_roles)'), 'nobody_yet', 'a query finds such names');
};

subtest 'pg_net.require_access_rule' => sub {
	my $refused = qr/^GET requests to \S+ are not allowed for this role: No rule of net\.access_rule allows it\.$/;
	my $by_hand = sub {
		my $id = sql('insert into net.http_request_queue (method, url, timeout_milliseconds, role)'
			  . " values ('GET', '$url/echo/required', 20000, 'alice') returning id");
		sql('select net.wake()');
		return wait_response($node, $id);
	};
	rules();
	is_allowed('off, no rules allow everything', get("$url/echo"));
	is(as('alice', 'set pg_net.require_access_rule = off'), '42501: permission denied to set parameter "pg_net.require_access_rule" ', 'a role cannot set it');
	sql('alter role alice set pg_net.require_access_rule = on');
	my $own = sub { return $node->psql('postgres', get("$url/echo"), extra_params => [ '-U', 'alice' ]) };
	sql('alter role alice login');
	is($own->(), 3, 'on for a role, its sessions are refused');
	sql('alter role alice reset pg_net.require_access_rule');
	is($own->(), 0, 'and without it they are not');

	# a request that waits when the worker reads the setting
	my $gate = PostgreSQL::Test::Utils::tempdir('gate') . '/gate';
	sql('alter system set pg_net.max_in_flight = 1');
	sql('select net.worker_restart()');
	sql('select net.wait_until_running()');
	my $first = sql(get("$url/wait?file=$gate"));
	$server->wait_arrivals("/wait?file=$gate");
	my $second = sql(get("$url/echo/required"));
	sql('alter system set pg_net.require_access_rule = on');
	sql('alter system reset pg_net.max_in_flight');
	$node->reload;
	like(wait_response($node, $second)->{error_msg}, $refused, 'what waits is refused');
	append_to_file($gate, '');
	is(wait_response($node, $first)->{status_code}, 200, 'what is in flight goes on');

	is_refused('a call', get("$url/echo"), 'alice', qr/^42501: GET requests to \S+ are not allowed for this role No rule of net\.access_rule allows it\.$/);
	is_refused('a superuser', get("$url/echo"), 'root');
	like($by_hand->()->{error_msg}, $refused, 'a row inserted by hand');
	is(scalar($server->arrivals_of('/echo/required')), 0, 'nothing arrived');
	rules([ 'true', role => 'nobody_yet' ]);
	is_refused('a rule for a name without a role', get("$url/echo"));
	rules([ 'true', host => '127.0.0.1' ]);
	is_allowed('a rule that allows', get("$url/echo"));
	is($by_hand->()->{status_code}, 200, 'is the way');
	is(request($node, get("$url/redirect-to?status=307&url=http://localhost:$port/echo"))->{error_msg},
		'could not follow a redirect: net.access_rule does not allow its target for this role', 'for redirects, too');

	sql('alter system reset pg_net.require_access_rule');
	$node->reload;
	rules();
};

$node->stop;
done_testing();
