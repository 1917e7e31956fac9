# Signatures of requests: by published examples, and by verifiers that are not
# ours.  src/policy/signing.c is compiled into a library of its own.

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(hmac_sha256_hex hmac_sha256_base64);
use File::Basename qw(dirname);
use MIME::Base64 qw(encode_base64 decode_base64);
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $lib = dirname(abs_path(__FILE__)) . '/../lib';
my $dir = PostgreSQL::Test::Utils::tempdir('signing');
my ($compiler) = run_command([ 'pg_config', '--cc' ]);
my ($headers) = run_command([ 'pg_config', '--includedir-server' ]);
my $build = "$compiler -shared -fPIC -O1 -Wl,-Bsymbolic -I$headers -I$lib/../../src -o $dir/signing.so"
  . " $lib/signing.c $lib/../../src/policy/signing.c -lcrypto 2>$dir/messages";

plan(skip_all => 'there is no compiler') unless $compiler && has_tool((split ' ', $compiler)[0]);
is(system($build), 0, 'compiles') or BAIL_OUT(slurp_file("$dir/messages"));

my $node = new_node('signing', no_extension => 1);
sql(<<"END");
create function sign(scheme text, names text[], vals text[], id text, seconds bigint, body bytea)
returns text[] language c as '$dir/signing';
END

# Quote a string.
sub quoted { my ($text) = @_; return "'" . $text =~ s/'/''/gr . "'" }

# A call of it; secrets are values, called s1, s2 and so on.
sub call
{
	my ($scheme, $secrets, $id, $seconds, $body) = @_;
	my @names = map { "'s$_'" } 1 .. @$secrets;
	my @values = map { quoted($_) } @$secrets;
	my $bytes = defined $body ? "decode('" . unpack('H*', $body) . "', 'hex')" : 'null';
	local $" = ', ';
	return "select array_to_string(sign('$scheme', array[@names]::text[], array[@values]::text[], '$id', $seconds, $bytes), '|')";
}

# The header fields of a message, as a hash.
sub signed { return { split /\|/, sql(call(@_)) } }

sub refused { return failure(call(@_)) =~ /ERROR:  \w+: (.*)/ ? $1 : 'not refused' }

my $whsec = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
my @message = ('msg_p5jXN8AQM9LWM0D4loKWxJek', 1614265330, '{"test": 2432232314}');
my $signature = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=';

subtest 'standard: the example of Standard Webhooks' => sub {
	my %expected = ('webhook-id' => $message[0], 'webhook-timestamp' => $message[1], 'webhook-signature' => $signature);
	is_deeply(signed('standard', [$whsec], @message), \%expected, 'is signed as published');
	is_deeply(signed('standard', [ $whsec =~ s/^whsec_//r ], @message), \%expected, 'without the prefix of the key, too');
};

subtest 'standard: keys' => sub {
	my ($id, $seconds, $body) = @message;
	for my $length (24, 25, 32, 63, 64)
	{
		my $key = join '', map { chr(255 - $_) } 1 .. $length;
		my $ours = signed('standard', [ 'whsec_' . encode_base64($key, '') ], @message)->{'webhook-signature'};
		is($ours, 'v1,' . hmac_sha256_base64("$id.$seconds.$body", $key) . '=', "$length bytes");
	}
	my @wrong = ('', 'whsec_', 'whsec_AAAA', encode_base64('x' x 23, ''), encode_base64('x' x 65, ''), encode_base64('x' x 2000, ''),
		"$whsec=", substr($whsec, 0, -1), 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS*', 'whpk_' . encode_base64('x' x 32, ''), "whsk_" . encode_base64('x' x 31, ''),
		'whsk_' . encode_base64('x' x 64, ''), 'whsk_', "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
	is(refused('standard', [$_], @message), 'secret "s1" is not a signing key', 'refused: ' . substr($_, 0, 20) =~ s/\n/ /gr . '...') for @wrong;
	is(refused('standard', [ $whsec, 'x' ], @message), 'secret "s2" is not a signing key', 'the one that is wrong is named');
};

subtest 'standard: ed25519' => sub {
	# RFC 8032, 7.1, test 1
	my $seed = pack 'H*', '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60';
	my $public = pack 'H*', 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a';
	my $ours = signed('standard', [ 'whsk_' . encode_base64($seed, '') ], @message)->{'webhook-signature'};
	my ($base64) = $ours =~ /^v1a,(\S+)$/;
	is(signed('standard', [ 'whsk_' . encode_base64($seed . $public, '') ], @message)->{'webhook-signature'}, $ours, 'the public key may follow');
	is(refused('standard', [ 'whsk_' . encode_base64($seed . reverse($public), '') ], @message), 'secret "s1" is not a signing key', 'if it belongs to it');
	is(length decode_base64($base64), 64, '64 bytes');
	SKIP:
	{
		skip 'openssl is not installed', 2 unless has_tool('openssl');
		# SubjectPublicKeyInfo (RFC 8410, 4) is these bytes and the key
		append_to_file("$dir/public.der", pack('H*', '302a300506032b6570032100') . $public);
		append_to_file("$dir/signature", decode_base64($base64));
		append_to_file("$dir/content", join '.', @message);
		append_to_file("$dir/other", join('.', @message) . ' ');
		my @verify = (qw(openssl pkeyutl -verify -rawin -pubin -keyform DER -inkey), "$dir/public.der", '-sigfile', "$dir/signature", '-in');
		ok(run_log([ @verify, "$dir/content" ]), 'openssl verifies it');
		ok(!run_log([ @verify, "$dir/other" ]), 'and not of another message');
	}
};

subtest 'github: the example of its documentation' => sub {
	my %expected = ('X-Hub-Signature-256' => 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17');
	my @hello = ('msg_1', 1, 'Hello, World!');
	is_deeply(signed('github', ["It's a Secret to Everybody"], @hello), \%expected, 'is signed as published');
	is_deeply(signed('github', [ "It's a Secret to Everybody", 'older' ], @hello), \%expected, 'by the first secret alone');
	is(refused('github', [''], @hello), 'secret "s1" is not a signing key', 'by no empty one');
};

subtest 'stripe' => sub {
	my ($id, $seconds, $body) = @message;
	my ($one, $two) = map { hmac_sha256_hex("$seconds.$body", $_) } $whsec, 'other';
	is_deeply(signed('stripe', [$whsec], @message), { 'Stripe-Signature' => "t=$seconds,v1=$one" }, 'the value is the key, whatever it begins with');
	is_deeply(signed('stripe', [ $whsec, 'other' ], @message), { 'Stripe-Signature' => "t=$seconds,v1=$one,v1=$two" }, 'by all secrets');
	is(refused('stripe', [ $whsec, '' ], @message), 'secret "s2" is not a signing key', 'by no empty one');
};

subtest 'rotation' => sub {
	my $new = 'whsec_' . encode_base64('n' x 32, '');
	my $only = signed('standard', [$new], @message)->{'webhook-signature'};
	is(signed('standard', [ $new, $whsec ], @message)->{'webhook-signature'}, "$only $signature", 'standard: one after the other');
};

subtest 'bodies' => sub {
	my $key = 'k';
	my $bytes = join '', map { chr } 0 .. 255;
	for my $body ('', $bytes, $bytes x 4096, undef)
	{
		my $what = defined $body ? length($body) . ' bytes' : 'none';
		is(signed('github', [$key], 'msg_1', 1, $body)->{'X-Hub-Signature-256'}, 'sha256=' . hmac_sha256_hex($body // '', $key), $what);
	}
	my $duration = sub {
		my ($body) = @_;
		my @times = split /\n/, sql('select extract(epoch from clock_timestamp()); '
			. "select count(sign('standard', array['s'], array['$whsec'], 'msg_1', i, $body)) from generate_series(1, 10000) as i; "
			. 'select extract(epoch from clock_timestamp())');
		return ($times[2] - $times[0]) * 100;
	};
	note(sprintf '%.1f us to sign 1 kB, and %.1f without a body, with all that SQL takes', $duration->("decode(repeat('78', 1024), 'hex')"), $duration->('null'));
};

like(failure("select sign('none', '{}', '{}', '', 1, '')"), qr/there is no such scheme/, 'there are no others');

done_testing();
