# net.endpoint: requests to net://name, by roles that do not know where that is
# nor what it takes to be let in there.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256_base64 hmac_sha256_hex);
use JSON::PP qw(decode_json);
use MIME::Base64 qw(encode_base64);
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LONG_MS => 60_000;

# what nobody is to see
use constant KEY => 'k3y0fTheHook';
use constant VALUE => 'sk_live_MagicValue';
use constant PLACE => 'hidden-place';

my $server = start_http_server();
my $port = $server->port;
my $node = new_node('endpoints',
	conf => "log_statement = all\nlog_min_messages = debug5\nlog_min_duration_statement = 0\nlog_parameter_max_length = -1\nlog_parameter_max_length_on_error = -1\npg_net.failed_ttl = '7 days'");
my $echo = "http://localhost:$port/echo/@{[PLACE]}";
my $keys = 0;

sub quietly
{
	my ($sql) = @_;
	return sql("set log_statement = none; set log_min_messages = fatal; set log_min_duration_statement = -1; set log_min_error_statement = panic; set client_min_messages = error;", $sql);
}

# Statements of a role; what they print, or SQLSTATE and error.
sub as
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nset session authorization $role;\n$sql");
	return $status == 0 ? $out : ($err =~ /ERROR:  (.*)/)[0];
}

sub endpoint
{
	my ($name, $url, %more) = @_;
	quietly("insert into net.endpoint (" . join(', ', 'name', 'url', sort keys %more)
		  . ") values (" . join(', ', "'$name'", $url =~ /^'/ ? $url : "'$url'", map { $more{$_} } sort keys %more) . ')');
	return;
}

# A call by a role; options are arguments of http_request.
sub call
{
	my ($role, $url, %args) = @_;
	my $method = delete $args{method} // 'GET';
	$args{timeout_milliseconds} //= LONG_MS;
	return as($role, "select net.http_request('$method', '$url'" . join('', map { ", $_ := $args{$_}" } sort keys %args) . ')');
}

sub answer
{
	my $id = call(@_);
	die $id unless $id =~ /^\d+$/;
	return wait_response($node, $id);
}

# What /echo answered.
sub seen { return decode_json(answer(@_)->{content}) }

sub queue_row { return sql("select $_[1] from net.http_request_queue where id = $_[0]") }

sub insert
{
	my ($role, $url, $more) = @_;
	my $id = sql("insert into net.http_request_queue (method, url, timeout_milliseconds, role, headers) values ('GET', '$url', @{[LONG_MS]}, '$role', '"
		  . ($more // '{}') . "') returning id");
	sql('select net.wake()');
	return $id;
}

sql('create role alice; create role bob; create role staff; create role carol in role staff; create role dave noinherit in role staff');
quietly("insert into net.secret (name, value, roles, host, port, allow_http) values"
	  . " ('api', '@{[VALUE]}', '{}', 'localhost', $port, true), ('path', '@{[KEY]}', '{}', 'localhost', $port, true),"
	  . " ('elsewhere', '@{[VALUE]}', '{}', '127.0.0.1', $port, true), ('safe', '@{[VALUE]}', '{}', 'localhost', $port, false),"
	  . " ('mark', 'a?b', '{}', 'localhost', $port, true), ('blank', 'a b', '{}', 'localhost', $port, true),"
	  . " ('own', 'of-alice', '{alice}', 'localhost', $port, true)");
endpoint('echo', $echo, roles => "'{alice,staff}'");
endpoint('open', $echo, roles => "'{public}'");
endpoint('mine', $echo);

subtest 'a base' => sub {
	for my $good ('https://a.example', 'http://a.example/', 'HTTPS://A.example:8443/x/y/?k=v&w', 'http://[::1]:80/x', 'https://a.example/%2f',
		'https://a.example/in/${net.secret:x}', 'https://a.example/?k=${net.secret:x}')
	{
		is(sql("select net._is_base_url('$good')"), 't', $good);
	}
	for my $bad ('', 'net://a', 'ftp://a.example/', 'a.example/x', 'http:/a.example', 'http:///a.example', 'https://', 'https://u@a.example/',
		'https://u:p@a.example/', 'https://a.example/#f', 'https://a.example/a b', 'https://a.example/%zz', 'https://a.example/a\b',
		'https://${net.secret:x}/', 'https://a.${net.secret:x}', 'https://a.example:${net.secret:x}/', '${net.secret:x}://a.example/',
		'https://a.example/${net.secret:x', 'https://b' . "\x{fc}" . 'cher.example/', ' https://a.example/', 'https://a.example:99999/')
	{
		utf8::encode(my $text = $bad);
		is(sql("select net._is_base_url('$text')"), 'f', "not $text");
	}
	my %checks = (
		name => [ "'Shop'", "'-a'", "'a/b'", "''", "'a.'" ],
		roles => [ "'{null}'" ],
		methods => [ "'{null}'" ],
		headers => [ "'[]'", q('"x"') ],
		timeout_milliseconds => [ 0, -1 ],
		retry => [ "'{null}'", "'{-1s}'", "'{366 days}'", "'{{1s},{2s}}'", "array_fill('1s'::interval, '{51}')" ],
		max_age => [ "'0'", "'-1s'" ],
		keep_bytes => [-1],
		signing => [ "'none'", "'standard'" ],
		signing_secrets => [ "'{}'", "'{null}'", "'{a}'", "array_fill('a'::text, '{11}')" ]);
	for my $column (sort keys %checks)
	{
		for my $value (@{ $checks{$column} })
		{
			my %row = (name => "'checked'", url => "'http://a.example/'", $column => $value);
			my $columns = join ', ', sort keys %row;
			my $values = join ', ', map { $row{$_} } sort keys %row;
			like(failure("insert into net.endpoint ($columns) values ($values)"), qr/endpoint_(${column}|signed)_check|wrong number of array|one-dimensional/,
				"$column $value");
		}
	}
};

subtest 'where it goes' => sub {
	my @ways = (
		[ 'net://echo', '' ],
		[ 'net://echo/', '' ],
		[ 'NET://echo/sub/dir?x=1&y', '/sub/dir?x=1&y' ],
		[ 'net://echo?x=1', '?x=1' ],
		[ 'net://echo/?x=1', '?x=1' ],
		[ 'net://echo//a', '//a' ],
		[ 'net://echo/...', '/...' ],
		[ 'net://echo/a.b/.c', '/a.b/.c' ],
		[ 'net://echo/a b', '/a%20b' ],
		[ 'net://echo/a#f', '/a' ],
		[ 'net://echo/a?../..', '/a?../..' ]);
	is(seen('alice', $_->[0])->{target}, '/echo/' . PLACE . $_->[1], $_->[0]) for @ways;
	is(seen('alice', 'net://echo/a?b', params => q('{"c": "d e", "f": [1, 2]}'))->{target}, '/echo/' . PLACE . '/a?b&c=d%20e&f=1&f=2', 'params');

	endpoint('query', "$echo/?k=v", roles => "'{alice}'");
	is(seen('alice', 'net://query')->{target}, '/echo/' . PLACE . '/?k=v', 'a base with a query');
	is(seen('alice', 'net://query/a?b')->{target}, '/echo/' . PLACE . '/a?k=v&b', 'with one slash between');
	endpoint('secret-path', "'http://localhost:$port/echo/' || net.secret('path') || '?k=' || net.secret('mark')", roles => "'{alice}'");
	is(seen('alice', 'net://secret-path/a?b')->{target}, '/echo/' . KEY . '/a?k=a?b&b', 'secrets in it');
	my $row = answer('alice', 'net://echo/redirected');
	is($row->{url}, 'net://echo/redirected', 'the response has the URL of the request');
	is_deeply([ @$row{qw(final_url remote_address remote_port)} ], [ undef, undef, undef ], 'and not where that is');

	for my $bad ('net://u@echo', 'net://u:p@echo/', 'net://echo:80/', 'net://', 'net:///a', "net://echo/a\x01",
		map { "net://echo/$_" } '.', '..', 'a/../b', '%2e%2e', '%2E./a', '..%2f', '..\\..', 'a%5c..%5cb', '%2e', 'a/..?x', '.%2e#f', '..;/a', 'a/.;b', '%2e.%3b', '..%00')
	{
		like(call('alice', $bad), qr/^22023: invalid URL "/, "refused: $bad");
	}
	for my $bad ('net://echo/..', 'net://echo:80', 'net://echo/%2e%2e/x')
	{
		my $id = insert('alice', $bad);
		like(wait_response($node, $id)->{error_msg}, qr/^invalid URL "/, "by hand: $bad");
		is(queue_row($id, 'gave_up is not null'), 't', 'and is given up');
	}
	for my $name ('mark', 'blank')
	{
		endpoint("bad-$name", "'http://localhost:$port/echo/' || net.secret('$name')", roles => "'{alice}'");
		like(answer('alice', "net://bad-$name")->{error_msg}, qr/^a secret in the URL of endpoint "bad-$name" has a character that a URL cannot have there$/,
			"a secret that does not fit: $name");
	}
	endpoint('moved', "http://localhost:$port/redirect-to?url=/echo", roles => "'{alice}'");
	is(answer('alice', 'net://moved', max_redirects => 5)->{status_code}, 302, 'redirects are not followed');
};

subtest 'every function' => sub {
	for my $call ("http_get('net://echo/f')", "http_post('net://echo/f', '{}')", "http_put('net://echo/f')", "http_patch('net://echo/f')",
		"http_delete('net://echo/f')", "http_head('net://echo/f')")
	{
		my ($method) = map { uc } $call =~ /http_(\w+)/;
		my $id = as('alice', "select net.$call");
		my $row = wait_response($node, $id);
		is($row->{status_code}, 200, $call);
		is(decode_json($row->{content})->{method}, $method, 'with its method') unless $method eq 'HEAD';
	}
	is(sql("select net._encode_url_with_params_array('net://echo/a', '{b=c}')"), 'net://echo/a?b=c', 'parameters');
	sql('create table told (id int); create role teller; alter table told owner to teller; grant usage on schema public to teller');
	endpoint('told', $echo, roles => "'{teller}'");
	sql("create trigger tell after insert on told for each row execute function net.webhook('net://told/hook')");
	sql('grant insert on told to bob');
	as('bob', 'insert into told values (7)');
	my $id = wait_for('a response', sub { sql("select id from net._http_response where url = 'net://told/hook'") });
	is(decode_json(decode_json(wait_response($node, $id)->{content})->{body})->{record}{id}, 7, 'a trigger, with the rights of the owner of the table');
	sql(q(create function send() returns trigger language plpgsql as $$ begin perform net.http_post('net://echo/old', to_jsonb(new)); return new; end $$),
		'; create table old (id int); create trigger t after insert on old for each row execute function send(); grant insert on old to alice');
	as('alice', 'insert into old values (1)');
	wait_sql("select count(*) from net._http_response where url = 'net://echo/old' and status_code = 200", 1);
};

subtest 'who may' => sub {
	my $no = '42501: endpoint "echo" does not exist or is not granted to this role';
	like(call($_, 'net://echo'), qr/^\d+$/, "$_ may") for qw(alice carol staff);
	is(call($_, 'net://echo'), $no, "$_ may not") for qw(bob dave);
	like(call('bob', 'net://open'), qr/^\d+$/, 'everybody may use one for public');
	is(call($_, 'net://mine'), $no =~ s/echo/mine/r, 'one without roles is the owner\'s') for qw(alice bob);
	like(sql("select net.http_get('net://mine')"), qr/^\d+$/, 'who may');
	is(call('alice', 'net://nothing/x'), $no =~ s/echo/nothing/r, 'none of that name');
	is(call('alice', 'net://Echo'), $no =~ s/echo/Echo/r, 'names count as they are written');
	my $id = insert('bob', 'net://echo');
	is(wait_response($node, $id)->{error_msg}, $no =~ s/42501: //r, 'nor by hand');
	is(queue_row($id, 'gave_up is not null'), 't', 'which is given up');

	endpoint('methods', $echo, roles => "'{alice}'", methods => "'{GET,post}'");
	like(call('alice', 'net://methods', method => $_), qr/^\d+$/, $_) for qw(GET POST);
	is(call('alice', 'net://methods', method => 'PUT'), '42501: PUT requests to endpoint "methods" are not allowed', 'PUT is not allowed');
	is(call('alice', 'net://echo', method => $_), "42501: $_ requests to endpoint \"echo\" are not allowed", "$_, which shows everything, is not either") for qw(TRACE trace);
	endpoint('trace', $echo, roles => "'{alice}'", methods => "'{TRACE}'", headers => "jsonb_build_object('X-A', net.secret('api'))");
	is(answer('alice', 'net://trace', method => 'TRACE')->{error_msg}, 'secret "api" is not for TRACE', '... and if it is, carries no secret');

	sql("insert into net.access_rule (position, allow) values (1, false)");
	is(answer('alice', 'net://echo')->{status_code}, 200, 'no rule is asked');
	sql('delete from net.access_rule');

	like(as($_, 'table net.endpoint'), qr/^42501/, "$_ does not see the table") for qw(alice bob);
	sql('create role reader in role pg_read_all_data; create role writer in role pg_write_all_data');
	is(as('reader', 'table net.endpoint'), '', 'a reader of all data sees nothing');
	like(as('writer', "insert into net.endpoint (name, url) values ('x', 'http://a')"), qr/^42501/, 'who may write everywhere, not here');
};

subtest 'headers and secrets' => sub {
	endpoint('api', $echo, roles => "'{alice}'", headers => "jsonb_build_object('authorization', 'Bearer ' || net.secret('api'), 'X-Fixed', 'a')");
	my $headers = seen('alice', 'net://api', headers => q('{"Authorization": "mine", "x-fixed": "b", "X-Other": "c", "Host": "other.example"}'))->{headers};
	is($headers->{authorization}, 'Bearer ' . VALUE, 'the secret is sent, and cannot be overridden');
	is($headers->{Authorization}, undef, 'nor doubled');
	is($headers->{'X-Fixed'}, 'a', 'nor any other header of the endpoint');
	is($headers->{'X-Other'}, 'c', 'others are sent');
	is($headers->{Host}, "localhost:$port", 'the host is that of the endpoint');
	is(seen('alice', 'net://echo', headers => q(jsonb_build_object('X-Own', net.secret('own'))))->{headers}{'X-Own'}, 'of-alice', 'secrets of the role');
	is(call('alice', 'net://echo', headers => q(jsonb_build_object('X-Own', net.secret('api')))),
		'42501: secret "api" does not exist or is not granted to this role', 'others are not for it');
	like(wait_response($node, insert('alice', 'net://echo', '{"X-Own": "${net.secret:api}"}'))->{error_msg},
		qr/^secret "api" does not exist or is not granted/, 'by hand neither');
	for my $case ([ elsewhere => 'is not for this host' ], [ safe => 'is not for http' ], [ none => 'does not exist or is not granted to this role' ])
	{
		endpoint("with-$case->[0]", $echo, roles => "'{alice}'", headers => "jsonb_build_object('X-A', net.secret('$case->[0]'))");
		my $row = answer('alice', "net://with-$case->[0]");
		is($row->{error_msg}, qq(secret "$case->[0]" $case->[1]), "a secret that $case->[1]");
		is(queue_row($row->{id}, 'gave_up is not null'), 't', 'is given up');
	}
	quietly("insert into net.secret (name, value, roles, host, port, allow_http) values ('none', 'late', '{}', 'localhost', $port, true)");
	is(seen('alice', 'net://with-none')->{headers}{'X-A'}, 'late', 'once the secret is there, it is sent');
	quietly("update net.secret set value = 'later' where name = 'none'");
	is(seen('alice', 'net://with-none')->{headers}{'X-A'}, 'later', 'with its value of that time');
};

subtest 'schedule' => sub {
	endpoint('flaky', "http://localhost:$port/flaky/@{[PLACE]}", roles => "'{alice}'", retry => "'{10ms,10ms,1h}'", back_off => 'false');
	my $row = answer('alice', 'net://flaky/' . ++$keys . '?fails=2');
	is_deeply([ @$row{qw(status_code attempts)} ], [ 200, 3 ], 'that of the endpoint');
	is_deeply([ map { $_->{status} } @{ $row->{failures} } ], [ 503, 503 ], 'with its log');
	$row = answer('alice', 'net://flaky/' . ++$keys . '?fails=1', retry => "'{}'");
	is_deeply([ @$row{qw(status_code error_msg attempts)} ], [ 503, undef, 1 ], 'an empty one of the request: one attempt');
	$row = answer('alice', 'net://flaky/' . ++$keys . '?fails=3', retry => "'{1ms}'");
	is($row->{error_msg}, 'gave up after 2 attempts: 503', 'that of the request');
	my $id = call('alice', 'net://flaky/' . ++$keys . '?fails=9');
	wait_for('the last delay', sub { queue_row($id, "due > now() + '30 min'") eq 't' });
	like(as('alice', "select message from net._http_collect_response($id)"), qr/^attempt 4 of 4 at .*: 503$/, 'what is said of it');
	sql("update net.endpoint set retry = '{1ms}' where name = 'flaky'");
	like(as('alice', "select message from net._http_collect_response($id)"), qr/^attempt 4 of 2 at /, 'by the schedule of now');
	sql("update net.http_request_queue set due = null where id = $id; select net.wake()");
	is(wait_response($node, $id)->{error_msg}, 'gave up after 4 attempts: 503', 'which counts');

	for my $all ('false', 'true')
	{
		endpoint("all-$all", "http://localhost:$port", roles => "'{alice}'", retry => "'{1ms}'", retry_all => $all, back_off => 'false');
		my %expected = $all eq 'true' ?
		  (200 => undef, 204 => undef, map { $_ => "gave up after 2 attempts: $_" } 301, 404, 501, 503) :
		  (503 => 'gave up after 2 attempts: 503', map { $_ => undef } 200, 204, 301, 404, 410, 501);
		$expected{410} = 'gave up after 1 attempt: 410' if $all eq 'true';
		for my $status (sort keys %expected)
		{
			is(answer('alice', "net://all-$all/status/$status")->{error_msg}, $expected{$status}, "$status, retry_all $all");
		}
	}
	my $abort = 'bytes?base64=' . 'SFRUUC8xLjEgNTAzIFgNCkNvbnRlbnQtTGVuZ3RoOiAwDQp3ZWJob29rLWRlbGl2ZXJ5OiBhYm9ydC1tZXNzYWdlDQoNCg%3D%3D';
	is(answer('alice', "net://all-true/$abort")->{error_msg}, 'gave up after 1 attempt: 503', 'a receiver that wants no more of it');
	is(answer('alice', "net://all-false/$abort")->{error_msg}, undef, 'is done with, without retry_all');

	endpoint('short', "http://localhost:$port", roles => "'{alice}'", timeout_milliseconds => 50);
	like(answer('alice', 'net://short/hang')->{error_msg}, qr/^Timeout of 50 ms reached/, 'its timeout');

	endpoint('quiet', "http://localhost:$port", roles => "'{alice}'", keep => 'false');
	$id = call('alice', 'net://quiet/status/200');
	wait_for('the request to be done', sub { queue_row($id, 'count(*)') == 0 });
	is(sql("select count(*) from net._http_response where id = $id"), 0, 'a success leaves nothing');
	is(answer('alice', 'net://quiet/status/404')->{status_code}, 404, 'anything else does');
	is(answer('alice', 'net://quiet/status/200', keep => 'true')->{status_code}, 200, 'and what the request wants kept');
	$id = call('alice', 'net://echo', keep => 'false');
	wait_for('the request to be done', sub { queue_row($id, 'count(*)') == 0 });
	is(sql("select count(*) from net._http_response where id = $id"), 0, 'or not');
};

subtest 'keep_bytes' => sub {
	endpoint("keep-$_", "http://localhost:$port", roles => "'{alice}'", keep_bytes => $_) for 0, 4, 1000;
	my $kept = sub { my $row = answer('alice', @_); return $row->{error_msg} // $row->{content} // $row->{content_bytes} };
	is($kept->('net://keep-4/status/404'), "404\n", 'what fits is kept');
	is($kept->('net://keep-4/huge?bytes=10'), 'x' x 4, 'what does not is cut');
	is($kept->('net://keep-0/huge?bytes=10'), '', 'to nothing');
	is(answer('alice', 'net://keep-0/huge?bytes=10')->{status_code}, 200, 'and the response is complete');
	is($kept->('net://keep-4/huge?bytes=100000000'), 'x' x 4, 'much more is not read');
	is($kept->('net://keep-4/endless'), $kept->('net://keep-4/endless'), 'nor what has no end');
	is(answer('alice', 'net://keep-4/endless')->{status_code}, 200, 'which is complete as well');
	is(length $kept->('net://keep-1000/compressed?bytes=5000', decompress => 'true'), 1000, 'a compressed one');
	is(answer('alice', 'net://keep-1000/gzip-bomb', decompress => 'true')->{error_msg}, undef, 'and a bomb');
	my $two = 'body?type=text/plain&base64=YWJjw7w%3D';
	is($kept->("net://keep-4/$two"), 'abc', 'not within a character');
	is($kept->('net://keep-4/binary'), '\x00010203', 'bytes are cut anywhere');
	is($kept->('net://keep-4/huge?bytes=10', max_response_bytes => 3), 'response body is larger than 3 bytes', 'a lower limit holds');
	is(answer('alice', 'net://keep-4/huge?bytes=2000', max_response_bytes => 1000)->{status_code}, 200, 'a higher one is not reached');
};

subtest 'signing' => sub {
	my $key = encode_base64('k' x 32, '');
	quietly("insert into net.secret (name, value, roles, host) values ('sign', 'whsec_$key', '{}', 'nowhere.test'), ('older', 'whsec_@{[encode_base64('o' x 32, '')]}', '{}', 'nowhere.test'),"
		  . " ('text', 'plain', '{}', 'nowhere.test')");
	endpoint('standard', $echo, roles => "'{alice}'", signing => "'standard'", signing_secrets => "'{sign,older}'", headers => q('{"Webhook-Id": "mine"}'));
	endpoint('github', $echo, roles => "'{alice}'", signing => "'github'", signing_secrets => "'{text}'");
	endpoint('stripe', $echo, roles => "'{alice}'", signing => "'stripe'", signing_secrets => "'{text}'");

	my $row = answer('alice', 'net://standard/a', method => 'POST', body => q('{"a": 1}'::jsonb), headers => q('{"webhook-signature": "forged"}'));
	my $seen = decode_json($row->{content});
	my ($id, $seconds, $signature) = @{ $seen->{headers} }{ 'webhook-id', 'webhook-timestamp', 'webhook-signature' };
	like($id, qr/^msg_[0-9a-f]{12}_$row->{id}$/, 'the message id');
	ok(abs($seconds - time) < 60, 'the time');
	is($signature, join(' ', map { 'v1,' . hmac_sha256_base64("$id.$seconds.$seen->{body}", $_ x 32) . '=' } 'k', 'o'), 'standard, by both secrets');
	is($seen->{headers}{'Webhook-Id'}, undef, 'in place of the endpoint\'s own header');
	$seen = seen('alice', 'net://github', method => 'PUT', body => "net.http_body('xyz'::text)");
	is($seen->{headers}{'X-Hub-Signature-256'}, 'sha256=' . hmac_sha256_hex('xyz', 'plain'), 'github');
	$seen = seen('alice', 'net://stripe');
	my ($t) = $seen->{headers}{'Stripe-Signature'} =~ /^t=(\d+)/;
	is($seen->{headers}{'Stripe-Signature'}, "t=$t,v1=" . hmac_sha256_hex("$t.", 'plain'), 'stripe, without a body');

	endpoint('unsigned', $echo, roles => "'{alice}'", signing => "'standard'", signing_secrets => "'{text}'");
	is(answer('alice', 'net://unsigned')->{error_msg}, 'secret "text" is not a signing key', 'what is no key');
	quietly("update net.endpoint set signing_secrets = '{missing}' where name = 'unsigned'");
	is(answer('alice', 'net://unsigned')->{error_msg}, 'secret "missing" does not exist', 'what is not there');

	# a key is rotated while requests are sent
	endpoint('rotated', "$echo/rotated", roles => "'{alice}'", signing => "'github'", signing_secrets => "'{text}'");
	my $first = sql("set session authorization alice; select min(net.http_post('net://rotated', to_jsonb(i), timeout_milliseconds := 60000)) from generate_series(1, 3000) as i");
	wait_for('some', sub { sql("select count(*) from net._http_response where url = 'net://rotated'") > 0 });
	quietly("update net.secret set value = 'rotated' where name = 'text'");
	wait_for('all', sub { sql("select count(*) from net._http_response where url = 'net://rotated' and status_code = 200") == 3000 });
	my %verified = (plain => 0, rotated => 0);
	for my $content (split /\n/, sql("select content::jsonb::text from net._http_response where url = 'net://rotated'"))
	{
		my $request = decode_json($content);
		$verified{$_} += $request->{headers}{'X-Hub-Signature-256'} eq 'sha256=' . hmac_sha256_hex($request->{body}, $_) for keys %verified;
	}
	is($verified{plain} + $verified{rotated}, 3000, "each verifies with one of them: $verified{plain} and $verified{rotated}");
};

subtest 'Idempotency-Key' => sub {
	endpoint('pay', $echo, roles => "'{alice}'", retry => "'{1s}'");
	endpoint('pay-own', $echo, roles => "'{alice}'", retry => "'{1s}'", headers => q('{"idempotency-key": "fixed"}'));
	my $key = sub { my $row = answer('alice', @_); return (decode_json($row->{content})->{headers}{'Idempotency-Key'} // 'none') =~ s/^msg_[0-9a-f]{12}_$row->{id}$/message id/r };
	is($key->('net://pay', method => $_), 'message id', "$_ with the schedule of an endpoint") for 'POST', 'PATCH', 'NEW';
	is($key->('net://pay', method => $_), 'none', "not $_") for 'GET', 'PUT', 'DELETE', 'OPTIONS';
	is($key->('net://pay', method => 'POST', headers => q('{"Idempotency-Key": "own"}')), 'own', 'unless the request has one');
	is($key->('net://pay-own', method => 'POST'), 'none', 'or the endpoint');
	is($key->('net://pay', method => 'POST', retry => "'{}'"), 'none', 'not without a schedule');
	is($key->("$server->{url}/echo", method => 'POST', retry => "'{1s}'"), 'message id', 'of a request with a schedule, and a URL of its own');
	is($key->("$server->{url}/echo", method => 'POST'), 'none', 'not otherwise');
};

subtest 'what waits in memory' => sub {
	sql('alter system set pg_net.max_in_flight_per_host = 1');
	$node->reload;
	endpoint('one', "http://localhost:$port", roles => "'{staff}'");
	my $slow = call('carol', 'net://one/delay/8');
	wait_for('it to arrive', sub { scalar $server->arrivals_of('/delay/8') });
	# these are loaded with the one that goes next, and wait for it
	my @ids = split /\n/, sql("set session authorization carol; select net.http_get('net://one/delay/6?next', timeout_milliseconds := 60000); select net.http_get('net://one/echo/late', timeout_milliseconds := 60000)");
	wait_for('the next to arrive', sub { scalar $server->arrivals_of('/delay/6?next') });
	sql('revoke staff from carol');
	is(wait_response($node, $ids[0])->{status_code}, 200, 'what was in flight ends');
	like(wait_response($node, $ids[1])->{error_msg}, qr/^endpoint "one" does not exist or is not granted/, 'a right that is gone counts at each attempt');
	sql('grant staff to carol; alter system reset pg_net.max_in_flight_per_host');
	$node->reload;
};

subtest 'max_age' => sub {
	endpoint('fresh', "http://localhost:$port", roles => "'{alice}'", max_age => "'1 hour'", retry => "'{1s}'");
	my $hand = sub {
		my %row = (method => "'GET'", url => "'net://fresh/status/200'", timeout_milliseconds => LONG_MS, role => "'alice'", @_);
		my $id = sql('insert into net.http_request_queue (' . join(', ', sort keys %row) . ') values ('
			  . join(', ', map { $row{$_} } sort keys %row) . ') returning id; select net.wake()');
		return wait_response($node, $id =~ s/\n//r)->{error_msg};
	};
	my $old = 'the request is older than endpoint "fresh" allows';
	my $log = sub { my (%e) = @_; "'[{" . join(', ', map { qq("$_": "$e{$_}") } sort keys %e) . "}]'" };
	is($hand->(queued => "now() - interval '59 min'"), undef, 'younger');
	is($hand->(queued => "now() - interval '61 min'"), $old, 'older');
	is($hand->(queued => "now() - interval '2 days'", due => "now() - interval '1 min'"), undef, 'from when it was due');
	is($hand->(queued => "now() - interval '2 days'", due => 'now()', failures => q('[{"due": null, "status": 503}]')), $old, 'not from a later attempt');
	is($hand->(queued => "now() - interval '2 days'", due => 'now()',
			failures => q(jsonb_build_array(jsonb_build_object('due', to_char(now() at time zone 'UTC' - interval '30 min', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'status', 503)))),
		undef, 'from when it was due first');
	is($hand->(queued => "now() - interval '2 days'", due => 'now()',
			failures => q(jsonb_build_array('{"due": null}'::jsonb, jsonb_build_object('resent', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'due', null)))),
		undef, 'from when it was sent again by hand');
};

subtest 'changes' => sub {
	endpoint('changing', "http://localhost:$port/status/201?1", roles => "'{alice}'");
	my $file = PostgreSQL::Test::Utils::tempdir . '/go';
	endpoint('waits', "http://localhost:$port/wait", roles => "'{alice}'");
	my $waiting = call('alice', "net://waits?file=$file");
	wait_for('it to arrive', sub { scalar $server->arrivals_of("/wait?file=$file") });
	quietly("update net.endpoint set name = 'renamed', url = 'http://localhost:1/' where name = 'waits'");
	append_to_file($file, '');
	is(wait_response($node, $waiting)->{status_code}, 200, 'what is in flight ends as it began');
	is(wait_response($node, $waiting)->{url}, "net://waits?file=$file", 'and has its URL');

	my $later = call('alice', 'net://changing', due => "now() + interval '1 day'");
	my $dropped = call('alice', 'net://changing', due => "now() + interval '1 day'");
	quietly("update net.endpoint set url = 'http://localhost:$port/status/202?2' where name = 'changing'");
	sql("update net.http_request_queue set due = null where id = $later; select net.wake()");
	is(wait_response($node, $later)->{status_code}, 202, 'what waits goes where the endpoint leads now');
	sql("delete from net.endpoint where name = 'changing'; update net.http_request_queue set due = null where id = $dropped; select net.wake()");
	is(wait_response($node, $dropped)->{error_msg}, 'endpoint "changing" does not exist or is not granted to this role', 'or nowhere, when it is gone');
	is(queue_row($dropped, 'gave_up is not null'), 't', 'then it is given up');

	endpoint('busy', "http://localhost:$port/status/200?busy", roles => "'{alice}'");
	sql("set session authorization alice; select count(net.http_get('net://busy', timeout_milliseconds := 60000)) from generate_series(1, 2000)");
	sql("update net.endpoint set roles = '{}' where name = 'busy'");
	my $after = scalar $server->arrivals_of('/status/200?busy');
	wait_for('all of them', sub { sql("select count(*) from net._http_response where url = 'net://busy'") == 2000 });
	my ($refused, $sent) = split /\|/, sql("select count(*) filter (where error_msg like 'endpoint%') || '|' || count(*) filter (where status_code = 200) from net._http_response where url = 'net://busy'");
	is($refused + $sent, 2000, "a right that is taken away: $refused refused, $sent sent, $after before");
	like(call('alice', 'net://busy'), qr/^42501/, 'calls are refused at once');
};

subtest 'sent again by hand' => sub {
	endpoint('again', "http://localhost:$port/status/200?again", roles => "'{alice}'");
	my @ids = map { call('alice', 'net://again', due => "now() + interval '1 day'") } 1 .. 3;
	my $now = sub { sql("update net.http_request_queue set due = null where id = $_[0]; select net.wake()"); return wait_response($node, $_[0]) };
	quietly("update net.endpoint set name = 'renamed-again' where name = 'again'");
	is($now->($ids[0])->{error_msg}, 'endpoint "again" does not exist or is not granted to this role', 'renamed: given up');
	quietly("update net.endpoint set name = 'again' where name = 'renamed-again'");
	is(as('alice', "select net.resend($ids[0])"), 't', 'it can be sent again');
	wait_for('the response', sub { sql("select status_code from net._http_response where id = $ids[0]") eq '200' });
	is(queue_row($ids[0], 'count(*)'), 0, 'when the name is back');
	quietly("update net.endpoint set headers = jsonb_build_object('X', net.secret('gone')) where name = 'again'");
	is($now->($ids[1])->{error_msg}, 'secret "gone" does not exist or is not granted to this role', 'a secret that is gone: given up');
	quietly("insert into net.secret (name, value, roles, host, port, allow_http) values ('gone', 'x', '{}', '127.0.0.1', $port, true)");
	is($now->($ids[2])->{error_msg}, 'secret "gone" is not for this host', 'one for another host, too');
	quietly("update net.secret set host = 'localhost' where name = 'gone'");
	as('alice', "select net.resend($_)") for @ids[ 1, 2 ];
	wait_for('the responses', sub { sql("select count(*) from net._http_response where id in ($ids[1], $ids[2]) and status_code = 200") == 2 });

	# a role that is dropped
	sql('create role leaver; grant staff to leaver');
	my %left = map { $_ => call('leaver', "net://$_", due => "now() + interval '1 day'") } 'open', 'echo';
	sql('drop role leaver');
	is($now->($left{open})->{status_code}, 200, 'of a dropped role, what any may send goes out');
	is($now->($left{echo})->{error_msg}, 'endpoint "echo" does not exist or is not granted to this role', 'and nothing else');
};

subtest 'lanes' => sub {
	endpoint('hanging', "http://localhost:$port/hang?full", roles => "'{alice}'");
	endpoint('beside', "http://localhost:$port/status/200", roles => "'{alice}'");
	sql("set session authorization alice; select count(net.http_get('net://hanging', timeout_milliseconds := 60000)) from generate_series(1, 500)");
	# of the 100 that a host may have, some are for other roles
	wait_for('the lane to be full', sub { scalar(() = $server->arrivals_of('/hang?full')) >= 90 });
	my $row = answer('alice', 'net://beside');
	is($row->{status_code}, 200, 'two endpoints of one host are two lanes');
	cmp_ok(scalar(() = $server->arrivals_of('/hang?full')), '<=', 100, 'each with its limit');
	sql("delete from net.http_request_queue where url = 'net://hanging'");
	sql('select net.worker_restart()');
};

subtest 'large bodies' => sub {
	my $row = answer('alice', 'net://beside', method => 'POST', body => "net.http_body(repeat('x', 3000000))");
	is_deeply([ @$row{qw(status_code request_bytes)} ], [ 200, 3_000_000 ], 'arrive');
};

subtest 'errors' => sub {
	my %errors = (
		"http://localhost:1/@{[PLACE]}" => qr/^Couldn't connect to server$/,
		'http://' . join('.', ("@{[PLACE]}-" . 'a' x 44) x 4) . ".invalid/" => qr{^Couldn't resolve host name: Could not resolve host: net://e\d+$}i,
		"http://@{[PLACE]}.invalid/" => qr{^Couldn't resolve host name: Could not resolve host: net://e\d+$}i,
		"https://localhost:$port/@{[PLACE]}" => qr/SSL|TLS/,
		"http://127.0.0.1:$port/bytes?base64=SFRUUC8xLjEgMjAwIE9LDQpDb250ZW50LUxlbmd0aDogMTANCg0KYWJj&" => qr/\(receiving from net:/,
		"http://localhost:$port/hang?" => qr/^Timeout/,
		"http://localhost:$port/malformed-header?" => qr/./,
		"http://0x7f000001:1/" => qr/^Couldn't connect/);
	my $number = 0;
	for my $url (sort keys %errors)
	{
		my $name = 'e' . ++$number;
		endpoint($name, $url, roles => "'{alice}'");
		my $row = answer('alice', "net://$name", timeout_milliseconds => 2000);
		like($row->{error_msg} // '', $errors{$url}, "$url: " . ($row->{error_msg} // $row->{status_code}));
		unlike($row->{error_msg} // '', qr/localhost|127\.0\.0\.1|@{[PLACE]}/, 'without the host');
	}
	sql("alter system set pg_net.denied_networks = '127.0.0.0/8, ::1/128'");
	$node->reload;
	wait_for('the setting', sub { (answer('alice', 'net://echo')->{error_msg} // '') =~ /denied_networks/ });
	my $row = answer('alice', 'net://echo');
	is($row->{error_msg}, 'could not connect: pg_net.denied_networks denies an address of the host',
		'denied networks hold');
	is(queue_row($row->{id}, 'gave_up is not null'), 't', 'which is given up');
	sql("alter system reset pg_net.denied_networks");
	$node->reload;
	wait_for('the setting', sub { !defined answer('alice', 'net://echo')->{error_msg} });
};

subtest 'nobody sees it' => sub {
	# but for what a server says itself
	my $tables = sql("select string_agg(to_jsonb(q)::text, E'\\n') from net.http_request_queue q")
	  . sql("select string_agg((to_jsonb(r) - 'content' - 'headers' - 'failures')::text, E'\\n') from net._http_response r where url like 'net:%'");
	my $log = slurp_file($node->logfile);
	for my $secret (KEY, VALUE, PLACE, "localhost:$port")
	{
		unlike($tables, qr/\Q$secret/, "$secret is in no table");
		my ($line) = $log =~ /^(.*\Q$secret\E.*)$/m;
		is($line, undef, 'nor in the log');
	}
};

done_testing();
