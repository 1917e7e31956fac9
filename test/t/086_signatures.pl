# Signatures of requests to endpoints, verified by the libraries that receivers
# use: those of Standard Webhooks, GitHub and Stripe, in test/npm.  And by what the
# documentation has for receivers.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IO::Socket::INET;
use IPC::Run ();
use JSON::PP qw(decode_json encode_json);
use MIME::Base64 qw(encode_base64);
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

# how many requests a rotation meets
use constant LOAD => 1500;

my $npm = dirname(__FILE__) . '/../npm';
my %signature_header = (standard => 'webhook-signature', github => 'x-hub-signature-256', stripe => 'stripe-signature');

my $node = new_node('signatures');

subtest 'the function in docs/delivery.md' => sub {
	my ($function) = slurp_file("$npm/../../docs/delivery.md") =~ /^```python\n(.*?)^```$/ms or die 'is not there';
	my $key = 'whsec_' . encode_base64('k' x 32, '');
	my $server = start_http_server();
	sql("insert into net.secret (name, value, roles, host) values ('k', '$key', '{}', 'nowhere.example')");
	sql("insert into net.endpoint (name, url, signing, signing_secrets) values ('k', '@{[ $server->url ]}/echo', 'standard', '{k}')");
	my $id = sql(q(select net.http_post('net://k', '{"a": "ü"}')));
	my $echo = wait_response($node, $id)->{content};
	for my $case ([ $key, 'True' ], [ 'whsec_' . encode_base64('l' x 32, ''), 'False' ])
	{
		my $program = "import json, sys\n$function\necho = json.loads(sys.stdin.read())\nheaders = {name.lower(): value for name, value in echo['headers'].items()}\n"
		  . "print(verify('$case->[0]', headers, echo['body'].encode()), verify('$case->[0]', headers, echo['body'].encode() + b' '))\n";
		utf8::encode(my $input = $echo);
		IPC::Run::run([ 'python3', '-c', $program ], '<', \$input, '>', \my $verified, '2>', \my $error);
		is($verified, "$case->[1] False\n", "verifies, if the key is right: $case->[1]") or diag($error);
	}
};

# The rest of this file is by those libraries.
my $missing = !has_tool('node') ? 'node is not installed' : !-d "$npm/node_modules/standardwebhooks" ? 'the libraries of test/npm are not installed: dev/install-deps test, with npm' : undef;
if ($missing)
{
	subtest 'the libraries' => sub { plan(skip_all => $missing) };
	done_testing();
	exit;
}

subtest 'the receiver in docs/delivery.md' => sub {
	my ($program) = slurp_file("$npm/../../docs/delivery.md") =~ /^```js\n(.*?)^```$/ms or die 'is not there';
	my $dir = PostgreSQL::Test::Utils::tempdir('documented');
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	symlink abs_path("$npm/node_modules"), "$dir/node_modules";
	append_to_file("$dir/receiver.mjs", $program =~ s/\b8080\b/$port/r);
	local $ENV{WEBHOOK_SECRET} = 'whsec_' . encode_base64('k' x 32, '');
	my $documented = IPC::Run::start([ 'node', "$dir/receiver.mjs" ], '<', \undef, '>', "$dir/output", '2>&1');
	wait_for('it to listen', sub { $documented->pumpable or die slurp_file("$dir/output"); IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") });
	sql("update net.endpoint set url = 'http://127.0.0.1:$port/' where name = 'k'");
	my $row = wait_response($node, sql(q(select net.http_post('net://k', '{"a": "ü"}', timeout_milliseconds := 60000))));
	is($row->{status_code}, 204, 'verifies what is signed');
	like(slurp_file("$dir/output"), qr/^msg_[0-9a-f]{12}_$row->{id} \{ a: 'ü' \}$/m, 'and has it');
	is(wait_response($node, sql("select net.http_post('http://127.0.0.1:$port/', '{}', timeout_milliseconds := 60000)"))->{status_code}, 401, 'but nothing else');
	$documented->kill_kill;
};

# standard input ends with this process, and the receiver with that
my $port_file = PostgreSQL::Test::Utils::tempdir('receiver') . '/port';
my $receiver_log = "$port_file.log";
my $receiver = IPC::Run::start([ 'node', "$npm/receiver.mjs", $port_file ], '<pipe', \*TO_RECEIVER, '>', $receiver_log, '2>&1');
wait_for('the receiver', sub { $receiver->pumpable or die slurp_file($receiver_log); -s $port_file });
my $base = 'http://127.0.0.1:' . slurp_file($port_file);

my $old = 'whsec_' . encode_base64('o' x 24, '');
my $new = 'whsec_' . encode_base64('n' x 32, '');
my %secrets = (standard => $old, github => "It's a Secret to Everybody", stripe => 'whsec_of_stripe');

sub quoted { my ($text) = @_; return "'" . $text =~ s/'/''/gr . "'" }

# Ask the receiver.
sub receiver_is_told { my ($now) = @_; return answer("select net.http_request('POST', '$base/secrets', body := '@{[ encode_json($now) =~ s/'/''/gr ]}'::jsonb)") }
sub seen { my ($regex) = @_; return grep { $_->{target} =~ $regex } @{ decode_json(answer("select net.http_get('$base/seen')")->{content}) } }
sub answer { my ($sql) = @_; return request($node, $sql) }

# Send a body with an expression of SQL, to an endpoint; the response.
sub response_to
{
	my ($endpoint, $body, $path) = @_;
	return answer("select net.http_request('POST', 'net://$endpoint/@{[ $path // 'one' ]}', body := $body, timeout_milliseconds := 60000)");
}

sql('insert into net.secret (name, value, roles, host) values '
	  . join ', ', map { "('$_->[0]', " . quoted($_->[1]) . ", '{}', 'nowhere.example')" } (map { [ $_, $secrets{$_} ] } sort keys %secrets),
	[ 'new', $new ], [ 'unknown', 'whsec_' . encode_base64('u' x 24, '') ]);
sql("insert into net.endpoint (name, url, signing, signing_secrets) values " . join ', ', map { "('$_', '$base/verify/$_', '$_', '{$_}')" } sort keys %secrets);
receiver_is_told(\%secrets);

for my $scheme (sort keys %secrets)
{
	subtest $scheme => sub {
		my %bodies = (
			'an object' => q('{"id": 1, "name": "Zoë"}'::jsonb),
			'with blanks of its own' => q('{"id" :  1}'),
			'1 MB' => q(to_jsonb(repeat('ä', 500000))));
		is(response_to($scheme, $bodies{$_})->{status_code}, 200, "verified: $_") for sort keys %bodies;
		my ($seen) = seen(qr{/$scheme/one});
		sql("update net.endpoint set signing_secrets = '{unknown}' where name = '$scheme'");
		my $row = response_to($scheme, q('{}'::jsonb));
		is($row->{status_code}, 401, 'not by another secret') or diag($row->{content});
		sql("update net.endpoint set signing_secrets = '{unknown,$scheme}' where name = '$scheme'");
		is(response_to($scheme, q('{}'::jsonb))->{status_code}, $scheme eq 'github' ? 401 : 200, 'by the second of two, where a scheme has two');
		sql("update net.endpoint set signing_secrets = '{$scheme,unknown}' where name = '$scheme'");
		is(response_to($scheme, q('{}'::jsonb))->{status_code}, 200, 'by the first of two');
		sql("update net.endpoint set signing_secrets = '{$scheme}' where name = '$scheme'");
		$row = answer("select net.http_request('POST', 'net://$scheme/one', headers := '{\"$signature_header{$scheme}\": \"v1,forged\"}', body := '{}'::jsonb)");
		is($row->{status_code}, 200, 'whatever signature the caller sends');
	};
}

subtest 'each attempt is signed anew' => sub {
	sql("update net.endpoint set retry = '{1500ms,1500ms}', back_off = false");
	my %ids = map { $_ => sql("select net.http_post('net://$_/again?fails=2', '{\"a\": 1}', timeout_milliseconds := 60000)") } sort keys %secrets;
	for my $scheme (sort keys %secrets)
	{
		my $row = wait_response($node, $ids{$scheme});
		is($row->{status_code} . ' ' . $row->{attempts}, '200 3', "$scheme: the third attempt is answered");
		my @seen = seen(qr{/$scheme/again});
		is_deeply([ map { $_->{error} } @seen ], [ undef, undef, undef ], 'all are verified');
		my %signatures = map { $_->{signature} => 1 } @seen;
		is(scalar keys %signatures, $scheme eq 'github' ? 1 : 3, 'each has a signature of its time, where a scheme has a time');
		next unless $scheme eq 'standard';
		my %message_ids = map { $_->{id} => 1 } @seen;
		like(join(' ', keys %message_ids), qr/^msg_[0-9a-f]{12}_$row->{id}$/, 'and all have one message id, which has that of the request');
	}
	sql('update net.endpoint set retry = null');
};

subtest 'a secret is rotated under load' => sub {
	sql("update net.endpoint set max_in_flight = 10 where name = 'standard'");
	sql("select net.http_request('POST', 'net://standard/load', body := jsonb_build_object('n', n), timeout_milliseconds := 60000) from generate_series(1, @{[LOAD]}) as n");
	my $answered = sub { sql("select count(*) from net._http_response where url = 'net://standard/load'") };

	# those in flight have the keys of before, so more are waited for than may be in flight
	my $some_more = sub { my $before = $answered->(); wait_for('some more', sub { $answered->() >= $before + 100 }) };
	$some_more->();
	sql("update net.endpoint set signing_secrets = '{new,standard}' where name = 'standard'");
	$some_more->();
	receiver_is_told({ standard => $new });
	$some_more->();
	cmp_ok($answered->(), '<', LOAD, 'requests wait when the old one goes');
	sql("update net.endpoint set signing_secrets = '{new}' where name = 'standard'");
	wait_queue_empty();
	is(sql("select string_agg(distinct status_code::text, ',') from net._http_response where url = 'net://standard/load'"), '200', 'every request is verified');
	my %numbers = map { scalar(() = $_->{signature} =~ /v1,/g) => 1 } seen(qr{/load});
	is_deeply([ sort keys %numbers ], [ 1, 2 ], 'some by two signatures');
};

subtest 'a secret is removed' => sub {
	sql("delete from net.secret where name = 'new'");
	my $row = response_to('standard', q('{}'::jsonb), 'removed');
	is($row->{error_msg}, 'secret "new" does not exist', 'the response says so');
	is(sql("select gave_up is not null from net.http_request_queue where id = $row->{id}"), 't', 'and the request is given up');
	is(scalar seen(qr{/removed}), 0, 'nothing is sent');
	sql("insert into net.secret (name, value, roles, host) values ('new', '$new', '{}', 'nowhere.example')");
	sql("select net.resend($row->{id})");
	is(wait_response($node, $row->{id})->{status_code}, 200, 'when the secret is back, it can be sent');
};

close TO_RECEIVER;
$receiver->finish;
done_testing();
