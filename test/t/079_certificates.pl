# Certificates: which are taken for which names, by which authorities, beside what
# the program curl says of the same; with whom a session of TLS is gone on with;
# and the end of a connection that nobody announced.

use strict;
use warnings;

use JSON::PP ();
use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant TIMEOUT_MS => 30_000;
use constant DAY => 86_400;

plan(skip_all => 'openssl is not installed') unless has_tool('openssl');

my $dir = PostgreSQL::Test::Utils::tempdir('certificates');

# The certificates: who signs, the common name, and what else is so.
#
# san, more: lines of extensions; from, until: days from now; key: another one
# than that of all leaves; chain: what is sent behind it ('inter').
my @authority = (more => "basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign");
my @certificates = (
	[ root => undef, 'Root', @authority, key => 'root' ],
	[ other => undef, 'Other', @authority, key => 'other' ],
	[ old => undef, 'Old', @authority, key => 'other', from => -20, until => -10 ],
	[ cross => 'old', 'Root', @authority, key => 'root' ],
	[ inter => 'root', 'Intermediate', @authority, key => 'inter' ],
	[ former => 'root', 'Former', @authority, key => 'inter', from => -20, until => -10 ],
	[ narrow => 'root', 'Narrow', more => "$authority[1]\nnameConstraints = critical, permitted;DNS:ok.test", key => 'inter' ],
	[ good => 'inter', 'good', san => 'DNS:localhost, DNS:good.test, DNS:also.test, IP:127.0.0.1, IP:::1' ],
	[ rsa => 'inter', 'rsa', san => 'DNS:good.test', key => 'rsa' ],
	[ wild => 'inter', 'wild', san => 'DNS:*.wild.test' ],
	[ partial => 'inter', 'partial', san => 'DNS:f*.part.test' ],
	[ deep => 'inter', 'deep', san => 'DNS:*.*.deep.test' ],
	[ tld => 'inter', 'tld', san => 'DNS:*.test' ],
	[ star => 'inter', 'star', san => 'DNS:*' ],
	[ inner => 'inter', 'inner', san => 'DNS:a.*.test' ],
	[ dotted => 'inter', 'dotted', san => 'DNS:good.test.' ],
	# good.test, a NUL and more
	[ nul => 'inter', 'nul', san => 'DER:30:11:82:0f:67:6f:6f:64:2e:74:65:73:74:00:2e:65:76:69:6c' ],
	[ cnonly => 'inter', 'cnonly.test' ],
	[ cnmail => 'inter', 'cnonly.test', san => 'email:me@cnonly.test' ],
	[ cnwild => 'inter', '*.cn.test' ],
	[ cnip => 'inter', '127.0.0.1' ],
	[ cnother => 'inter', '127.0.0.1', san => 'DNS:foo.test' ],
	[ dnsip => 'inter', 'x', san => 'DNS:127.0.0.1' ],
	[ wildip => 'inter', 'x', san => 'DNS:*.0.0.1' ],
	[ iponly => 'inter', 'localhost', san => 'IP:127.0.0.1' ],
	[ expired => 'inter', 'expired', san => 'DNS:localhost', from => -20, until => -10 ],
	[ future => 'inter', 'future', san => 'DNS:localhost', from => 10, until => 20 ],
	[ self => undef, 'localhost', san => 'DNS:localhost' ],
	[ alone => 'inter', 'alone', san => 'DNS:localhost', chain => [] ],
	[ whole => 'inter', 'whole', san => 'DNS:localhost', chain => [ 'root', 'inter' ] ],
	[ crossed => 'inter', 'crossed', san => 'DNS:localhost', chain => [ 'inter', 'cross' ] ],
	[ late => 'former', 'late', san => 'DNS:localhost', chain => ['former'] ],
	[ evil => 'good', 'evil', san => 'DNS:localhost', chain => [ 'good', 'inter' ] ],
	[ kept => 'narrow', 'kept', san => 'DNS:a.ok.test', chain => ['narrow'] ],
	[ strayed => 'narrow', 'strayed', san => 'DNS:localhost', chain => ['narrow'] ],
	[ client => 'inter', 'client', san => 'DNS:localhost', more => 'extendedKeyUsage = clientAuth' ],
	[ server => 'inter', 'server', san => 'DNS:localhost', more => 'extendedKeyUsage = serverAuth' ],
	[ weak => 'inter', 'weak', san => 'DNS:localhost', key => 'weak' ],
	[ sha1 => 'inter', 'sha1', san => 'DNS:localhost', digest => 'sha1' ],
	[ alice => 'root', 'alice', chain => [] ],
	[ bob => 'root', 'bob', chain => [] ]);
my %keys = (map({ $_ => [ 'ecparam', '-name', 'prime256v1', '-genkey', '-noout' ] } qw(root other inter leaf)), rsa => [ 'genrsa', 2048 ], weak => [ 'genrsa', 1024 ]);

# openssl talks even when all is well.
sub openssl
{
	my @arguments = @_;
	my $output;

	IPC::Run::run([ 'openssl', @arguments ], '<', '/dev/null', '>&', \$output) or die "openssl @arguments: $output\n";
	return;
}

# What openssl wants to know besides its arguments.
sub write_configuration
{
	append_to_file("$dir/index.txt", '');
	append_to_file("$dir/openssl.cnf", <<"END");
[req]
distinguished_name = name
[name]
[ca]
default_ca = authority
[authority]
database = $dir/index.txt
new_certs_dir = $dir
unique_subject = no
rand_serial = yes
policy = any_name
[any_name]
commonName = supplied
END
	return;
}

# A time so many days from now, as certificates have it.
sub day
{
	my ($days) = @_;
	my ($second, $minute, $hour, $day, $month, $year) = gmtime(time + $days * DAY);
	return sprintf '%04d%02d%02d%02d%02d%02dZ', $year + 1900, $month + 1, $day, $hour, $minute, $second;
}

# NAME.pem, with what is sent behind it, and NAME.key.
sub make_certificate
{
	my ($name, $signer, $common_name, %with) = @_;
	my $key = $with{key} // 'leaf';
	my $extensions = join "\n", '[x]', 'subjectKeyIdentifier = hash', $with{more} // (), $with{san} ? "subjectAltName = $with{san}" : ();

	append_to_file("$dir/$name.ext", "$extensions\n");
	openssl('ca', '-batch', '-notext', '-config', "$dir/openssl.cnf", '-md', $with{digest} // 'sha256',
		'-extfile', "$dir/$name.ext", '-extensions', 'x', '-subj', "/CN=$common_name",
		'-startdate', day($with{from} // -1), '-enddate', day($with{until} // 3650), '-in', "$dir/key-$key.csr",
		$signer ? ('-cert', "$dir/$signer.one", '-keyfile', "$dir/$signer.key") : ('-selfsign', '-keyfile', "$dir/key-$key.key"),
		'-out', "$dir/$name.one");
	my @chain = $signer && $signer eq 'inter' ? 'inter' : ();
	append_to_file("$dir/$name.pem", slurp_file("$dir/$_.one")) for $name, @{ $with{chain} // \@chain };
	link "$dir/key-$key.key", "$dir/$name.key";
	return;
}

write_configuration();
foreach my $name (sort keys %keys)
{
	my ($command, @arguments) = @{ $keys{$name} };
	openssl($command, '-out', "$dir/key-$name.key", @arguments);
	openssl('req', '-new', '-config', "$dir/openssl.cnf", '-key', "$dir/key-$name.key", '-subj', '/CN=x', '-out', "$dir/key-$name.csr");
}
make_certificate(@$_) for @certificates;
openssl('genpkey', '-genparam', '-algorithm', 'DH', '-pkeyopt', 'group:ffdhe8192', '-out', "$dir/dh.pem");
append_to_file("$dir/$_->[0]", $_->[1])
  for [ 'empty', '' ],
  [ 'text', "Root\n====\n" . slurp_file("$dir/root.one") ],
  [ 'between', join "Root\n====\n", map { slurp_file("$dir/$_.one") } qw(other root) ],
  [ 'broken', slurp_file("$dir/root.one") . "-----BEGIN CERTIFICATE-----\nMIIB!\n-----END CERTIFICATE-----\n" ],
  [ 'many', join '', map { slurp_file("$dir/$_.one") } qw(other root old) ];
mkdir "$dir/$_" for 'hashed', 'nothing';
append_to_file("$dir/hashed/root.pem", slurp_file("$dir/root.one"));
openssl('rehash', "$dir/hashed");

my %is_authority = map { $_ => 1 } qw(root other old cross inter former narrow alice bob);
my @served = ((grep { !$is_authority{$_} } map { $_->[0] } @certificates), 'good+tls12', 'good+client', 'rsa+dhe');
my $server = start_tls_server(map { "$dir/$_" } @served);
my %port;
@port{@served} = $server->ports;

append_to_file("$dir/trusted", slurp_file("$dir/root.one"));
my $node = new_node('certificates', conf => "pg_net.ca_file = '$dir/trusted'");

# What curl would end with: 0, or the error.
use constant { OK => 0, NO_TLS => 35, REFUSED => 60, NO_AUTHORITIES => 77 };
my %words = (
	NO_TLS, qr/^SSL connect error/,
	REFUSED, qr/^SSL peer certificate or SSH remote key was not OK/,
	NO_AUTHORITIES, qr/^Problem with the SSL CA cert/);

# The cases: host, certificate, verdict; then, of these, trust: a file of
# authorities other than root; curl: another verdict, and why.  Without a verdict
# of ours it is curl's, since that is a matter of how OpenSSL is set up.
my @cases = (
	[ 'good.test', 'good', OK ],
	[ 'GOOD.Test', 'good', OK ],
	[ 'good.test.', 'good', OK ],
	[ 'good.test', 'dotted', OK ],
	[ 'good.test.', 'dotted', OK ],
	[ 'wrong.test', 'good', REFUSED ],
	[ 'x.good.test', 'good', REFUSED ],
	[ 'good.test', 'rsa', OK ],
	[ 'good.test', 'good+tls12', OK ],
	[ 'wrong.test', 'good+tls12', REFUSED ],
	[ 'good.test', 'nul', REFUSED ],

	[ '127.0.0.1', 'good', OK ],
	[ '[::1]', 'good', OK ],
	[ '127.0.0.2', 'good', REFUSED ],
	[ '[::2]', 'good', REFUSED ],
	[ '127.0.0.1', 'wild', REFUSED ],
	[ '127.0.0.1', 'dnsip', REFUSED ],
	[ '127.0.0.1', 'wildip', REFUSED ],
	[ '127.0.0.1', 'cnip', OK ],
	[ '127.0.0.1', 'cnother', REFUSED ],

	[ 'localhost', 'iponly', REFUSED ],
	[ 'cnonly.test', 'cnonly', OK ],
	[ 'other.test', 'cnonly', REFUSED ],
	[ 'cnonly.test', 'cnmail', OK ],
	[ 'a.cn.test', 'cnwild', OK ],
	[ 'wild', 'wild', REFUSED ],

	[ 'a.wild.test', 'wild', OK ],
	[ 'a.wild.test.', 'wild', OK ],
	[ 'A.WILD.test', 'wild', OK ],
	[ 'a.b.wild.test', 'wild', REFUSED ],
	[ 'wild.test', 'wild', REFUSED ],
	[ 'a_b.wild.test', 'wild', OK ],
	[ 'xn--a.wild.test', 'wild', OK ],
	[ 'foo.part.test', 'partial', REFUSED ],
	[ 'a.b.deep.test', 'deep', REFUSED ],
	[ 'foo.test', 'tld', REFUSED ],
	[ 'localhost', 'star', REFUSED ],
	[ 'a.b.test', 'inner', REFUSED ],

	[ 'localhost', 'expired', REFUSED ],
	[ 'localhost', 'future', REFUSED ],
	[ 'localhost', 'self', REFUSED ],
	[ 'localhost', 'self', OK, trust => 'self.one' ],
	[ 'localhost', 'alone', REFUSED ],
	[ 'localhost', 'alone', OK, trust => 'inter.one' ],
	[ 'localhost', 'whole', OK ],
	[ 'localhost', 'good', OK, trust => 'inter.one' ],
	[ 'localhost', 'good', OK, trust => 'good.one' ],
	[ 'localhost', 'good', REFUSED, trust => 'other.one' ],
	[ 'localhost', 'good', OK, trust => 'many' ],
	[ 'localhost', 'good', OK, trust => 'between' ],
	[ 'localhost', 'good', NO_AUTHORITIES, trust => 'empty' ],
	[ 'localhost', 'good', NO_AUTHORITIES, trust => 'broken' ],
	[ 'localhost', 'crossed', OK ],
	[ 'localhost', 'crossed', OK, trust => 'many' ],
	[ 'localhost', 'crossed', REFUSED, trust => 'old.one' ],
	[ 'localhost', 'late', REFUSED ],
	[ 'localhost', 'evil', REFUSED ],
	[ 'a.ok.test', 'kept', OK ],
	[ 'localhost', 'strayed', REFUSED ],
	[ 'localhost', 'client', REFUSED ],
	[ 'localhost', 'server', OK ],
	[ 'localhost', 'weak', undef ],
	[ 'localhost', 'sha1', undef ],
	[ 'good.test', 'rsa+dhe', NO_TLS, curl => [ OK, 'with Diffie-Hellman in a finite field a server could have us compute for long' ] ]);

# Is there a program curl that has OpenSSL verify, as libcurl did for us?
my $has_curl = has_tool('curl') && (run_command([ 'curl', '--version' ]))[0] =~ / OpenSSL/;

# Its verdict; the arguments say whom it trusts.
sub verdict_of_curl
{
	my ($host, $port, @trust) = @_;
	local @ENV{qw(SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE CURL_SSL_BACKEND)};
	delete @ENV{qw(SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE CURL_SSL_BACKEND)};

	IPC::Run::run([ 'curl', '-q', '-s', '--globoff', '--max-time', 20, '--noproxy', '*', '--http1.1', @trust,
			'--connect-to', "::127.0.0.1:$port", "https://$host/who?curl" ], '<', '/dev/null', '>', '/dev/null', '2>', '/dev/null');
	return $? >> 8;
}

# Ours.
sub verdict_of
{
	my ($row) = @_;
	return OK if ($row->{status_code} // 0) == 200;
	my ($verdict) = grep { ($row->{error_msg} // '') =~ $words{$_} } keys %words;
	return $verdict // $row->{error_msg};
}

# An endpoint for a host at a port; its name.
my $endpoints = 0;
sub endpoint
{
	my ($host, $port, %with) = @_;
	my $name = 'e' . ++$endpoints;
	my %columns = (name => $name, url => "https://$host", roles => '{public}', connect_to => "127.0.0.1:$port", %with);
	my @names = sort keys %columns;

	sql("insert into net.endpoint (@{[ join ', ', @names ]}) values (@{[ join ', ', map { qq('$columns{$_}') } @names ]})");
	return $name;
}

# The text of a file as a secret; its name.
my %secrets;
sub secret
{
	my ($name, @files) = @_;
	return $name if $secrets{$name}++;
	my $text = join '', map { slurp_file("$dir/$_") } @files;
	sql("insert into net.secret (name, value, roles, host) values ('$name', '$text', '{}', 'localhost')");
	return $name;
}

# Send, and wait for the response.
sub response
{
	my ($url, $method) = @_;
	$method //= 'GET';
	return request($node, "select net.http_request('$method', '$url', timeout_milliseconds := @{[TIMEOUT_MS]})");
}

subtest 'the verdicts' => sub {
	foreach my $case (@cases)
	{
		my ($host, $certificate, undef, %with) = @$case;
		my $trust = $with{trust};
		push @$case, endpoint => endpoint(lc $host, $port{$certificate}, $trust ? (ca_certificates => secret($trust, $trust)) : ());
	}
	sql('create table sent (case_no integer, id bigint)');
	my @urls = map { my (undef, undef, undef, %with) = @{ $cases[$_] }; "($_, 'net://$with{endpoint}/who?$_')" } 0 .. $#cases;
	sql("insert into sent select n, net.http_get(url, timeout_milliseconds := @{[TIMEOUT_MS]}) from (values @{[ join ', ', @urls ]}) as v (n, url)");
	wait_sql('select count(*) from sent join net._http_response using (id)', scalar @cases);
	my %rows = %{ JSON::PP::decode_json(sql('select json_object_agg(case_no, r) from sent join net._http_response r using (id)')) };

	foreach my $n (0 .. $#cases)
	{
		my ($host, $certificate, $expected, %with) = @{ $cases[$n] };
		my $trust = $with{trust} // 'root.one';
		my $what = "$certificate for $host" . ($with{trust} ? " by $trust" : '');
		my ($curls, $why) = @{ $with{curl} // [$expected] };
		my $verdict = verdict_of($rows{$n});
		my $curl = $has_curl ? verdict_of_curl($host, $port{$certificate}, '--cacert', "$dir/$trust", '--capath', '/nonexistent') : undef;

		is($verdict, $expected // $curl // $verdict, $what) or diag($rows{$n}{error_msg});
		is($curl, $curls // $verdict, "$what: and curl" . ($why ? " says otherwise: $why" : '')) if $has_curl;
		is(scalar $server->arrivals_of("/who?$n"), $verdict eq OK ? 1 : 0, '... and it arrived, or not');
	}
};

# Set ca_file and ca_directory, and have a worker that knows.
sub set_trust
{
	my ($file, $directory) = @_;
	my $worker = current_worker($node);

	sql("alter system set pg_net.ca_file = '$file'; alter system set pg_net.ca_directory = '$directory'");
	$node->reload;
	wait_sql("select current_setting('pg_net.ca_file') || '|' || current_setting('pg_net.ca_directory')", "$file|$directory");
	sql('select net.worker_restart()');
	next_worker($node, $worker);
	return;
}

subtest 'ca_file and ca_directory' => sub {
	foreach my $case (
		[ "$dir/missing", '', NO_AUTHORITIES ],
		[ "$dir/empty", '', NO_AUTHORITIES ],
		[ "$dir/broken", '', NO_AUTHORITIES ],
		[ "$dir/text", '', OK ],
		[ $dir, '', NO_AUTHORITIES ],
		[ '', "$dir/hashed", OK ],
		[ '', "$dir/nothing", REFUSED ],
		[ '', "$dir/missing", REFUSED ],
		[ "$dir/other.one", "$dir/hashed", OK ],
		[ "$dir/root.one", "$dir/nothing", OK ],
		[ "$dir/other.one", "$dir/nothing", REFUSED ],
		[ "$dir/missing", "$dir/hashed", NO_AUTHORITIES ])
	{
		my ($file, $directory, $expected) = @$case;
		# without a file, it would take the system's
		my @trust = ('--cacert', $file || "$dir/other.one", '--capath', $directory || '/nonexistent');
		my $what = join ' and ', map { s/\Q$dir\E/./r } grep { $_ } $file, $directory;

		set_trust($file, $directory);
		is(verdict_of(response("https://localhost:$port{good}/who")), $expected, $what);
		is(verdict_of_curl('localhost', $port{good}, @trust), $expected, "$what: and curl") if $has_curl;
	}
	set_trust("$dir/trusted", '');
};

# What the server saw of a connection: name, "new" or "resumed", client; or why
# there was none.
sub seen
{
	my ($endpoint) = @_;
	my $row = response("net://$endpoint/who");
	return $row->{content} // $row->{error_msg};
}

foreach my $variant ('good+client', 'good+tls12')
{
	subtest "sessions: $variant" => sub {
		my $port = $port{$variant};
		my @root = (ca_certificates => secret('again', 'root.one'));
		my ($good, $also, $wrong) = map { endpoint($_, $port) } qw(good.test also.test wrong.test);

		is(seen($good), 'good.test new -', 'the first one');
		is(seen($good), 'good.test resumed -', 'the second one goes on with its session') for 1 .. 3;
		is(seen($also), 'also.test new -', 'another name does not');
		is(seen($also), 'also.test resumed -', '... but with its own');
		like(seen($wrong), $words{ (REFUSED) }, 'nor one that the certificate is not for') for 1 .. 2;
		is(seen(endpoint('good.test', $port, @root)), 'good.test new -', 'nor by other authorities');
		like(seen(endpoint('good.test', $port, ca_certificates => secret('others', 'other.one'))), $words{ (REFUSED) }, '... that do not vouch for it');
		is(seen($good), 'good.test resumed -', 'and the first one still does');
	};
}

subtest 'sessions, and certificates of clients' => sub {
	my %as = map { $_ => endpoint('good.test', $port{'good+client'}, client_certificate => secret($_, "$_.one", "$_.key")) } qw(alice bob);
	my $nobody = endpoint('good.test', $port{'good+client'});

	like(seen($nobody), qr/^good.test \w+ -$/, 'without');
	is(seen($as{alice}), 'good.test new alice', 'alice');
	is(seen($as{alice}), 'good.test resumed alice', '... goes on');
	is(seen($as{bob}), 'good.test new bob', 'bob does not go on with that');
	is(seen($as{bob}), 'good.test resumed bob', '... but with his own');
	is(seen($nobody), 'good.test resumed -', 'nor does who has none');
};

# Have ca_file be another one, as tools do that.
sub replace_authorities
{
	my @names = @_;
	append_to_file("$dir/new", slurp_file("$dir/$_.one")) for @names;
	rename "$dir/new", "$dir/trusted" or die "could not rename: $!\n";
	return;
}

subtest 'ca_file is replaced, and nobody reloads' => sub {
	my $name = endpoint('good.test', $port{good});
	my $wait = sub {
		my ($what, $regex) = @_;
		return ok(wait_for($what, sub { seen($name) =~ $regex }), $what);
	};

	like(seen($name), qr/^good.test (new|resumed) -$/, 'a session') for 1 .. 2;
	replace_authorities('other');
	$wait->('it is not gone on with any more', $words{ (REFUSED) });
	replace_authorities('root');
	$wait->('nor is it later', qr/^good.test new -$/);
	is(seen($name), 'good.test resumed -', 'that one is');
	replace_authorities('root', 'other');
	$wait->('also when authorities were added', qr/^good.test new -$/);
	unlink "$dir/trusted";
	$wait->('and without the file', $words{ (NO_AUTHORITIES) });
	replace_authorities('root');
	$wait->('until it is there again', qr/^good.test new -$/);
};

subtest 'the end that nobody announced' => sub {
	foreach my $variant ('good', 'good+tls12')
	{
		my $url = "https://localhost:$port{$variant}";
		foreach my $path ('/length', '/close', '/length/cut')
		{
			my $row = response("$url$path");
			is($row->{content}, "all of it\n", "$variant, $path: all of it") or diag($row->{error_msg});
		}
		foreach my $path ('/close/cut', '/half/cut')
		{
			my $row = response("$url$path", 'POST');
			is($row->{status_code}, undef, "$variant, $path: no response");
			like($row->{error_msg}, qr/^(Failure when receiving data from the peer|Transferred a partial file)/, '... but an error');
			is($row->{attempts}, 1, '... at the first attempt');
		}
	}
};

$node->stop;
done_testing();
