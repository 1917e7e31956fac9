# net.secret: values that only those see to whom they are sent.

use strict;
use warnings;

use JSON::PP qw(decode_json encode_json);
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = start_http_server();
my $url = $server->url;
my $port = $server->port;
my $statements = has_library('pg_stat_statements');
my $node = new_node('secrets', preload => $statements ? 'pg_net, pg_stat_statements' : 'pg_net',
	conf => "log_statement = all\nlog_min_messages = debug2\nlog_parameter_max_length = -1\nlog_min_duration_statement = 0");

use constant VALUE => 'sk_live_51H8xMagicValue';

sub as
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nset session authorization $role;\n$sql");
	return $status == 0 ? $out : ($err =~ /ERROR:  (.*)/)[0];
}

# A call whose header X-Request-Id, which the server writes down, has a value.
sub get
{
	my ($to, $value, $host) = @_;
	my $more = defined $host ? ", 'host', '$host'" : '';
	return "select net.http_get('$to', headers := jsonb_build_object('X-Request-Id', $value$more), timeout_milliseconds := 60000)";
}

# What X-Request-Id was of the last request with this target.
sub noted { return [ $server->arrivals_of($_[0]) ]->[-1]->[3] }

# Statements that the log does not get to see.
sub quietly
{
	my ($sql) = @_;
	return sql("set log_statement = none; set log_min_messages = fatal; set log_min_duration_statement = -1; set log_min_error_statement = panic;", $sql);
}

sql('create extension pg_stat_statements') if $statements;
sql('create role alice; create role bob; create role staff; create role carol in role staff; create role dave noinherit in role staff',
	'; create role reader in role pg_read_all_data; create role writer in role pg_write_all_data');
quietly("insert into net.secret (name, value, roles, host, port, allow_http) values ('stripe', '@{[VALUE]}', '{alice,staff}', '127.0.0.1', $port, true)");

subtest 'without it' => sub {
	my $secret = 'sk_live_in_the_clear';
	my $id = as('bob', get("$url/status/200?clear", "'$secret'"));
	wait_response($node, $id);
	like(slurp_file($node->logfile), qr/\Q$secret/, 'a value is in the log');
};

subtest 'a value that is sent' => sub {
	is(sql("select net.secret('stripe')"), '${net.secret:stripe}', 'the function gives a name');
	my $row = request($node, 'set session authorization alice;' . get("$url/status/200?a", "'Bearer ' || net.secret('stripe') || '.'"));
	is($row->{status_code}, 200, 'a request is sent') or diag($row->{error_msg});
	is(as('alice', "select net.http_request('TRACE', '$url/echo', headers := jsonb_build_object('X-A', net.secret('stripe')))"),
		'42501: secret "stripe" is not for TRACE', 'but not to be sent back');
	is(noted('/status/200?a'), 'Bearer ' . VALUE . '.', 'with the value');
	request($node, 'set session authorization carol;' . get("$url/status/200?b", "net.secret('stripe') || net.secret('stripe')"));
	is(noted('/status/200?b'), VALUE . VALUE, 'by a member, twice');
	request($node, 'set session authorization alice;' . get("$url/status/200?c", q('a ${net.secret: b')));
	is(noted('/status/200?c'), 'a ${net.secret: b', 'what is no reference stays as it is');
	quietly("update net.secret set value = value || '2'");
	request($node, 'set session authorization alice;' . get("$url/status/200?d", "net.secret('stripe')"));
	is(noted('/status/200?d'), VALUE . '2', 'a new value is used at once');
};

subtest 'who may use it' => sub {
	my $no = '42501: secret "stripe" does not exist or is not granted to this role';
	is(as($_, get($url, "net.secret('stripe')")), $no, "$_ may not") for qw(bob dave reader writer);
	is(as('alice', get($url, "net.secret('other')")), $no =~ s/stripe/other/r, 'nor anybody one that does not exist');
	is(as('alice', get("http://localhost:$port/", "net.secret('stripe')")), '42501: secret "stripe" is not for this host', 'nor for another host');
	is(as('alice', get("http://127.0.0.1\@localhost:$port/", "net.secret('stripe')")), '42501: secret "stripe" is not for this host',
		'that is spelled like it');

	my $before = () = $server->arrivals;
	for my $row ([ 'bob', $url, 'does not exist or is not granted' ], [ 'alice', "http://localhost:$port", 'is not for this host' ])
	{
		my $id = sql("insert into net.http_request_queue (method, url, headers, timeout_milliseconds, role) values ('GET', '$row->[1]',"
			  . ' jsonb_build_object($$X-Request-Id$$, net.secret($$stripe$$)), 1000, ' . "'$row->[0]') returning id");
		sql('select net.wake()');
		like(wait_response($node, $id)->{error_msg}, qr/^secret "stripe" $row->[2]/, 'a row inserted by hand, neither');
	}
	is(scalar(() = $server->arrivals), $before, 'and nothing arrives');

	like(as($_, 'table net.secret'), $_ eq 'reader' ? qr/^$/ : qr/^42501/, "$_ does not read the table") for qw(bob alice reader writer);
	is(as('writer', "update net.secret set roles = '{writer}' where true; delete from net.secret; select 1") =~ s/^42501.*/1/r, 1, 'pg_write_all_data');
	is(sql("select roles from net.secret"), '{alice,staff}', 'does not write it');
};

subtest 'where it may go' => sub {
	quietly("insert into net.secret (name, value, roles, host, port, allow_http) values "
		  . join ', ', map { "('$_->[0]', '@{[VALUE]}', '{alice}', '$_->[1]', $_->[2], $_->[3])" }
		  ([ 'usual', 'api.example', 'null', 'false' ], [ 'clear', 'api.example', 'null', 'true' ], [ 'other', 'api.example', '8443', 'false' ],
			[ 'below', '*.example', 'null', 'false' ], [ 'any', '*', 'null', 'false' ], [ 'address', '127.0.0.1', 'null', 'false' ]));
	my ($HOST, $PORT, $HTTP) = map { "is not for $_" } 'this host', 'this port', 'http';
	my @uses = (
		[ 'usual', 'https://api.example/' ],
		[ 'usual', 'https://api.example:443/' ],
		[ 'usual', 'https://API.Example./' ],
		[ 'usual', 'https://api.example:8443/', undef, $PORT ],
		[ 'usual', 'https://api.example:80/', undef, $PORT ],
		[ 'usual', 'http://api.example/', undef, $HTTP ],
		[ 'usual', 'http://api.example:443/', undef, $PORT ],
		[ 'usual', 'https://api.example.test/', undef, $HOST ],
		[ 'usual', 'https://a.api.example/', undef, $HOST ],
		[ 'clear', 'http://api.example/' ],
		[ 'clear', 'https://api.example/' ],
		[ 'clear', 'http://api.example:443/', undef, $PORT ],
		[ 'clear', 'http://api.example:8080/', undef, $PORT ],
		[ 'other', 'https://api.example:8443/' ],
		[ 'other', 'https://api.example/', undef, $PORT ],
		[ 'other', 'http://api.example:8443/', undef, $HTTP ],
		[ 'below', 'https://api.example/' ],
		[ 'below', 'https://example/', undef, $HOST ],
		[ 'any', 'https://anywhere.test/' ],
		[ 'any', 'http://anywhere.test/', undef, $HTTP ],
		[ 'address', 'https://2130706433/' ],
		# the server goes by Host
		[ 'usual', 'https://api.example/', 'api.example' ],
		[ 'usual', 'https://api.example/', 'API.example:443' ],
		[ 'usual', 'https://api.example/', 'api.example:8443', $PORT ],
		[ 'usual', 'https://api.example/', 'evil.tenant.example', $HOST ],
		[ 'usual', 'https://api.example/', 'api.example.', $HOST ],
		[ 'usual', 'https://api.example/', '%61pi.example', $HOST ],
		[ 'other', 'https://api.example:8443/', 'api.example' ],
		[ 'other', 'https://api.example:8443/', 'api.example:8443' ],
		[ 'other', 'https://api.example:8443/', 'api.example:443', $PORT ],
		[ 'below', 'https://api.example/', 'other.example' ],
		[ 'below', 'https://api.example/', 'example', $HOST ],
		[ 'any', 'https://anywhere.test/', 'elsewhere.test' ],
		[ 'address', 'https://127.0.0.1/', '2130706433', $HOST ],
		[ 'address', 'https://127.0.0.1/', 'localhost', $HOST ]);
	for my $use (@uses)
	{
		my ($secret, $to, $host, $why) = @$use;
		my $what = "$secret to $to" . (defined $host ? " with Host $host" : '');
		my $said = as('alice', 'begin; ' . get($to, "net.secret('$secret')", $host) . '; rollback');
		if (defined $why) { is($said, qq(42501: secret "$secret" $why), "$what: $why") }
		else { like($said, qr/^\d+$/, $what) }
	}

	# the worker asks, too
	my $before = () = $server->arrivals;
	for my $row ([ 'usual', "http://api.example:$port/", {}, $PORT ], [ 'usual', 'http://api.example/', {}, $HTTP ],
		[ 'stripe', "$url/", { Host => 'evil.tenant.example' }, $HOST ], [ 'stripe', "$url/", { Host => "127.0.0.1:1" }, $PORT ])
	{
		my ($secret, $to, $headers, $why) = @$row;
		my $json = encode_json({ %$headers, 'X-Request-Id' => '${net.secret:' . $secret . '}' });
		my $id = sql('insert into net.http_request_queue (method, url, headers, timeout_milliseconds, role)'
			  . " values ('GET', '$to', '$json', 1000, 'alice') returning id");
		sql('select net.wake()');
		is(wait_response($node, $id)->{error_msg}, qq(secret "$secret" $why), "a row inserted by hand: $secret to $to $why");
	}
	is(scalar(() = $server->arrivals), $before, 'and nothing arrives');
	my $row = request($node, 'set session authorization alice;' . get("$url/status/200?host", "net.secret('stripe')", '127.0.0.1'));
	is($row->{status_code}, 200, 'with its own host in Host it is sent') or diag($row->{error_msg});
	is(noted('/status/200?host'), VALUE . '2', 'with the value');
};

subtest 'names of roles' => sub {
	my $no = qr/^42501: secret "early" does not exist or is not granted to this role$/;
	my $use = sub { return as($_[0], 'begin; ' . get('https://api.example/', "net.secret('early')") . '; rollback') };
	quietly("insert into net.secret (name, value, roles, host) values ('early', '@{[VALUE]}', '{nobody_yet}', 'api.example')");
	like($use->('alice'), $no, 'a name without a role is nobody');
	like($use->('postgres'), $no, 'not for a superuser, either');
	sql('create role nobody_yet; create role heir in role nobody_yet; create role stranger noinherit in role nobody_yet');
	like($use->($_), qr/^\d+$/, "when there is one, $_ may use it") for qw(nobody_yet heir postgres);
	like($use->('stranger'), $no, 'and a member without its rights may not');
	sql('alter role nobody_yet rename to somebody');
	like($use->($_), $no, "when it is renamed, $_ may not") for qw(somebody heir postgres);
	sql(q(create role nobody_yet; drop role somebody));
	like($use->('nobody_yet'), qr/^\d+$/, 'a new role of the name may');
	sql('drop role nobody_yet');
	is(sql('select name, role from net.secret, unnest(roles) as role where role not in (select rolname from pg_roles)'), 'early|nobody_yet',
		'a query finds such names');
	quietly(q(delete from net.secret where name <> 'stripe'));
};

subtest 'redirects' => sub {
	my $row = request($node, 'set session authorization alice;'
		  . get("$url/redirect-to?status=307&url=http://localhost:$port/status/200?other", "net.secret('stripe')"));
	is(noted('/redirect-to?status=307&url=http://localhost:' . $port . '/status/200?other'), VALUE . '2', 'the first host gets it');
	unlike(join(' ', map { "@$_" } $server->arrivals_of('/status/200?other')), qr/@{[VALUE]}/, 'another does not');
	request($node, 'set session authorization alice;' . get("$url/redirect-to?status=307&url=/status/200?same", "net.secret('stripe')"));
	is(noted('/status/200?same'), VALUE . '2', 'the same does');
};

subtest 'requests that wait' => sub {
	my $gate = PostgreSQL::Test::Utils::tempdir('gate') . '/gate';
	sql('alter system set pg_net.max_in_flight = 1');
	sql('select net.worker_restart()');
	sql('select net.wait_until_running()');
	my $first = sql("select net.http_get('$url/wait?file=$gate', timeout_milliseconds := 170000)");
	$server->wait_arrivals("/wait?file=$gate");
	my $second = as('alice', get("$url/status/200?second", "net.secret('stripe')"));
	my $third = as('carol', get("$url/status/200?third", "net.secret('stripe')"));
	quietly("update net.secret set value = 'rotated', roles = '{alice}'");
	append_to_file($gate, '');
	is(wait_response($node, $second)->{status_code}, 200, 'one is sent');
	is(noted('/status/200?second'), 'rotated', 'with the value of then');
	like(wait_response($node, $third)->{error_msg}, qr/does not exist or is not granted/, 'one is not, since the role lost the right');
	sql('alter system reset pg_net.max_in_flight');
	sql('select net.worker_restart()');
	quietly("update net.secret set value = '@{[VALUE]}', roles = '{alice,staff}'");
};

subtest 'Vault' => sub {
	quietly('insert into net.secret (name, roles, host, port, allow_http) values '
		  . "('vaulted', '{alice}', '127.0.0.1', $port, true), ('missing', '{alice}', '*', $port, true)");
	my $none = request($node, 'set session authorization alice;' . get("$url/status/200?v", "net.secret('vaulted')"));
	is($none->{error_msg}, 'secret "vaulted" has no value', 'is not there');

	# whoever can make schemas makes one, with a function that runs as who reads
	sql('grant create on database postgres to bob');
	as('bob', 'create schema vault; create function vault.take() returns text language plpgsql volatile as $$ begin'
		  . q( if current_user <> 'bob' then execute 'alter role bob superuser'; end if; return 'x'; end $$;)
		  . q(create view vault.decrypted_secrets as select 'vaulted'::text as name, vault.take() as decrypted_secret;));
	sql('begin; select * from vault.decrypted_secrets; rollback');
	sql('select * from vault.decrypted_secrets');
	is(sql("select rolsuper from pg_roles where rolname = 'bob'"), 't', 'a view of that name is a trap');
	sql('alter role bob nosuperuser');
	$none = request($node, 'set session authorization alice;' . get("$url/status/200?v", "net.secret('vaulted')"));
	is($none->{error_msg}, 'secret "vaulted" has no value', 'into which nobody walks');
	is(sql("select rolsuper from pg_roles where rolname = 'bob'"), 'f', 'so it gives nothing away');
	sql('drop schema vault cascade; revoke create on database postgres from bob');

	quietly("create schema vault; create view vault.decrypted_secrets as select 'vaulted'::text as name, 'of-the-vault'::text as decrypted_secret");
	my $row = request($node, 'set session authorization alice;' . get("$url/status/200?v", "net.secret('vaulted')"));
	is($row->{status_code}, 200, 'where it is') or diag($row->{error_msg});
	is(noted('/status/200?v'), 'of-the-vault', 'the value comes from there');
	is(request($node, 'set session authorization alice;' . get("$url/status/200?v", "net.secret('missing')"))->{error_msg},
		'secret "missing" has no value', 'and what it does not know has none');
};

subtest 'a value that is wrong' => sub {
	like(as('postgres', q(insert into net.secret values ('bad', E'a\r\nX: y', '{alice}', '*'))), qr/^23514/, 'a line break is refused');
	like(as('postgres', qq(insert into net.secret values ('$_', 'x', '{alice}', '*'))), qr/^23514/, "and the name '$_'") for 'a}b', '', 'a b';
	like(as('postgres', qq(insert into net.secret (name, value, roles, host, port) values ('bad', 'x', '$_->[0]', '$_->[1]', $_->[2]))),
		qr/^23514/, "so are roles $_->[0], host $_->[1], port $_->[2]")
	  for [ '{alice,NULL}', '*', 1 ], [ '{alice}', '*.', 1 ], [ '{alice}', '*', 0 ], [ '{alice}', '*', 65536 ];
	sql('alter table net.secret drop constraint secret_value_check');
	quietly(qq(insert into net.secret values ('bad', E'MagicValue\\r\\nX: y', '{alice}', '*', $port, true)));
	is(request($node, 'set session authorization alice;' . get("$url/status/200?bad", "net.secret('bad')"))->{error_msg},
		'secret "bad" is not a single line', 'and when it is sent');
	quietly(q(delete from net.secret where name = 'bad'; alter table net.secret add constraint secret_value_check)
		  . q( check (value !~ '[\r\n]' or value ~ '^-----BEGIN ')));
	quietly(qq(insert into net.secret values ('pem', E'-----BEGIN PRIVATE KEY-----\\nMagicValue\\n', '{alice}', '*', $port, true)));
	is(request($node, 'set session authorization alice;' . get("$url/status/200?pem", "net.secret('pem')"))->{error_msg},
		'secret "pem" is not a single line', 'PEM can be kept, and not be put into a header');
	is(scalar($server->arrivals_of(qr{/status/200\?(bad|pem)})), 0, 'nothing of it arrives');
};

subtest 'who sees it' => sub {
	# errors of every kind while it is sent
	for my $path ('/disconnect', '/status/500', '/not-http', '/reset', '/hang')
	{
		my $call = get("$url$path", "net.secret('stripe')") =~ s/60000/500/r;
		request($node, "set session authorization alice; $call");
	}
	quietly("insert into net.secret values ('closed', '@{[VALUE]}', '{alice}', '127.0.0.1', 1, true)");
	request($node, 'set session authorization alice;' . get($_, "net.secret('closed')")) for "http://127.0.0.1:1/";
	my $log = slurp_file($node->logfile);
	unlike($log, qr/@{[VALUE]}|MagicValue|of-the-vault|rotated/, 'nothing of it is in the log');
	is(sql("select count(*) from pg_stat_activity where query like '%Magic' || 'Value%'"), 0, 'nor in pg_stat_activity');
	is(sql("select count(*) from pg_stat_statements where query like '%Magic' || 'Value%'"), 0, 'nor in pg_stat_statements') if $statements;
	is(sql("select count(*) from net.$_ as r where r::text like '%Magic' || 'Value%' or r::text like '%of-the' || '-vault%'"), 0, "nor in $_")
	  for qw(_http_response http_request_queue);
	my $file = PostgreSQL::Test::Utils::tempdir('dump') . '/dump';
	$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $file ], 'pg_dump');
	unlike(slurp_file($file), qr/MagicValue/, 'does not write it');
};

$node->stop;
done_testing();
