# Which way requests go, and as whom: settings of the administrator, and
# endpoints.

use strict;
use warnings;

use JSON::PP ();
use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LONG_MS => 120_000;

my $server = start_http_server();
my %nginx = start_nginx(backend => $server->port);
my $node = new_node('routes', conf => "pg_net.ca_file = '$nginx{ca_file}'");
my $base = $server->url;
my $https = "https://127.0.0.1:$nginx{https_port}";

sub get
{
	my ($url, %args) = @_;
	return request($node, "select net.http_request('GET', '$url'"
		  . join('', map { ", $_ := $args{$_}" } sort keys %args) . ", timeout_milliseconds := @{[LONG_MS]})");
}

# Set settings, and wait until the worker has them: it says so by its
# User-Agent.
my $round = 0;

sub set
{
	my (%values) = @_;
	my $agent = 'round-' . ++$round;
	$values{user_agent} //= $agent;
	sql(defined $values{$_} ? "alter system set pg_net.$_ = '$values{$_}'" : "alter system reset pg_net.$_")
	  for sort grep { $_ ne 'user_agent' } keys %values;
	sql("alter system set pg_net.user_agent = '$agent'");
	$node->reload;
	wait_for('the reload', sub {
		my $row = request($node, "select net.http_get('$base/echo', timeout_milliseconds := 10000)");
		($row->{content} // '') =~ /$agent/;
	});
	return;
}

# The same, where that request cannot be made any more.
sub set_and_see
{
	my ($name, $value, $shows) = @_;
	sql(defined $value ? "alter system set pg_net.$name = '$value'" : "alter system reset pg_net.$name");
	$node->reload;
	wait_for("pg_net.$name to apply", $shows);
	return;
}

# The User-Agent that arrives.
sub agent { return JSON::PP::decode_json(get("$base/echo", @_)->{content})->{headers}{'User-Agent'} }

subtest 'user agent' => sub {
	set_and_see('user_agent', 'mine/1.0', sub { (agent() // '') eq 'mine/1.0' });
	is(agent(headers => q('{"User-Agent": "own"}')), 'own', 'a request has its own');
	set_and_see('user_agent', '', sub { !defined agent() });
	pass('or none');
};

# An endpoint, or another one in its place.
sub endpoint
{
	my ($name, $url, %more) = @_;
	sql("delete from net.endpoint where name = '$name'; insert into net.endpoint (" . join(', ', 'name', 'url', sort keys %more)
		  . ') values (' . join(', ', "'$name'", "'$url'", map { "'$more{$_}'" } sort keys %more) . ')');
	return;
}

sub secret
{
	my ($name, $value) = @_;
	sql("insert into net.secret (name, value, roles, host) values ('$name', '$value', '{}', 'nowhere.test') on conflict (name) do update set value = excluded.value");
	return;
}

subtest 'certificate of the client' => sub {
	my $url = "https://127.0.0.1:$nginx{client_port}/tls";
	my $tls = $nginx{tls_dir};
	my $both = slurp_file("$tls/client.pem") . slurp_file("$tls/client.key");

	is(get($url)->{status_code}, 400, 'is wanted');
	secret('client', $both);
	endpoint('client', $url, client_certificate => 'client');
	my $row = get('net://client');
	is($row->{status_code}, 200, 'is shown') or diag($row->{error_msg});
	like($row->{content}, qr/ CN=client$/, 'the right one');
	is(get($url)->{status_code}, 400, 'a connection with one is not used without');
	endpoint('nobody', $url);
	is(get('net://nobody')->{status_code}, 400, 'nor by another endpoint');
	like(get('net://client')->{content}, qr/ CN=client$/, 'nor one without where it is wanted');
	endpoint('other', "$https/tiny", client_certificate => 'client');
	is(get('net://other')->{status_code}, 200, 'who does not ask for one is no trouble');
	secret('client', slurp_file("$tls/client.pem"));
	like(get('net://client')->{error_msg}, qr/^Problem with the local SSL certificate: unable to set private key/, 'one without a key');
	endpoint('client', $url, client_certificate => 'missing');
	is(get('net://client')->{error_msg}, 'secret "missing" does not exist', 'one that is not there');
	secret('client', $both);
	endpoint('client', $url, client_certificate => 'client');
	like(get('net://client')->{content}, qr/ CN=client$/, 'one that is there again');
};

subtest 'authorities of an endpoint' => sub {
	my $url = "https://127.0.0.1:$nginx{https_port}/tiny";
	system_or_bail('sh', '-c', "cd $nginx{tls_dir} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout other-ca.key -out other-ca.pem -days 2 -subj /CN=other 2>&1");
	secret('own-ca', slurp_file($nginx{ca_file}));
	secret('other-ca', slurp_file("$nginx{tls_dir}/other-ca.pem"));
	endpoint('own-ca', $url, ca_certificates => 'own-ca');
	endpoint('other-ca', $url, ca_certificates => 'other-ca');
	endpoint('any-ca', $url);
	is(get('net://any-ca')->{status_code}, 200, 'those of the settings');
	like(get('net://other-ca')->{error_msg}, qr/certificate/, 'or its own alone, even when there is a connection');
	set(ca_file => "$nginx{tls_dir}/other-ca.pem");
	is(get('net://own-ca')->{status_code}, 200, 'which the settings need not name');
	like(get('net://any-ca')->{error_msg}, qr/certificate/, 'and which are not for others');
	secret('own-ca', 'x');
	like(get('net://own-ca')->{error_msg}, qr/certificate|CA cert/, 'what is no certificate is not trusted');
	unlike(get('net://own-ca')->{error_msg}, qr/127\.0\.0\.1/, 'nor said where') ;
	set(ca_file => $nginx{ca_file});
};

subtest 'authorities in a directory' => sub {
	my $dir = PostgreSQL::Test::Utils::tempdir('authorities');
	append_to_file("$dir/ca.pem", slurp_file($nginx{ca_file}));
	system_or_bail('openssl', 'rehash', $dir);

	set(ca_file => '', ca_directory => $dir);
	is(get("$https/tiny")->{status_code}, 200, 'are trusted');
	my $empty = PostgreSQL::Test::Utils::tempdir('no_authorities');
	set(ca_directory => $empty);
	like(get("$https/tiny")->{error_msg}, qr/certificate/, 'and no others');
	set(ca_directory => $empty, ca_file => $nginx{ca_file});
	is(get("$https/tiny")->{status_code}, 200, 'with a file beside it');
	set(ca_directory => undef, ca_file => undef);
};

subtest 'oldest version of TLS' => sub {
	my $old = "https://127.0.0.1:$nginx{tls12_port}/tls";
	like(get($old)->{content}, qr/^TLSv1\.2 /, '1.2 by default');
	set(tls_min_version => '1.3');
	like(get($old)->{error_msg}, qr/SSL connect error/, '1.3: not with a server of 1.2');
	is(get("$https/tiny")->{status_code}, 200, '1.3: with others');
	set(tls_min_version => undef);
	is(get($old)->{status_code}, 200, 'back');
};

subtest 'another host to connect to' => sub {
	my $connect_to = "127.0.0.1:$nginx{http_port}";
	endpoint('api', 'http://api.example.test/address', connect_to => $connect_to);
	is(get('net://api')->{content}, "127.0.0.1 api.example.test\n", 'the Host stays that of the URL');
	is(get('net://api')->{content}, "127.0.0.1 api.example.test\n", 'on a kept connection, too');
	endpoint('port', "http://api.example.test:$nginx{http_port}/address", connect_to => '127.0.0.1');
	is(get('net://port')->{content}, "127.0.0.1 api.example.test:$nginx{http_port}\n", 'without a port, that of the URL');
	like(get('http://api.example.test/')->{error_msg}, qr/resolve host/, 'which leads nowhere for others');
	endpoint('right', 'https://localhost/tiny', connect_to => "127.0.0.1:$nginx{https_port}");
	endpoint('wrong', 'https://wrong.test/tiny', connect_to => "127.0.0.1:$nginx{https_port}");
	is(get('net://right')->{status_code}, 200, 'the certificate is for the name in the URL');
	like(get('net://wrong')->{error_msg}, qr/certificate/, 'which is verified');
	unlike(get('net://wrong')->{error_msg}, qr/wrong\.test|127\.0\.0\.1|localhost/, 'and not shown');
	endpoint('nowhere', 'http://api.example.test/', connect_to => 'nowhere.invalid');
	like(get('net://nowhere')->{error_msg}, qr/resolve host: net:\/\/nowhere/, 'one that is not there');
	like(failure("update net.endpoint set connect_to = '$_'"), qr/endpoint_connect_to_check/, "not $_")
	  for '', 'a b', 'unix:', 'unix:x', 'host:', 'host:port', 'http://host', '/path', ':80', 'a:1:2';
};

subtest 'Unix-domain socket' => sub {
	endpoint('socket', 'http://nginx.test', connect_to => "unix:$nginx{socket}");
	endpoint('missing', 'http://nginx.test/', connect_to => 'unix:/nonexistent');
	my $row = get('net://socket/address');
	is($row->{status_code}, 200, 'is used') or diag($row->{error_msg});
	is($row->{content}, "unix:$nginx{socket} nginx.test\n", 'the right one');
	is(get('net://socket/address')->{status_code}, 200, 'and again');
	my $error = get('net://missing')->{error_msg};
	like($error, qr/connect to server/, 'one that is not there');
	unlike($error, qr/nonexistent/, 'and not shown');
	is(get("http://127.0.0.1:$nginx{http_port}/tiny")->{status_code}, 200, 'others are where they were');
	like(get("$base/redirect-to?url=http://nginx.test/tiny")->{error_msg}, qr/resolve host/, 'a redirect does not lead there');
};

subtest 'address family' => sub {
	set(ip_version => '4');
	is(get("http://localhost:$nginx{http_port}/tiny")->{status_code}, 200, 'only 4');
	set_and_see('ip_version', '6', sub { get("http://localhost:$nginx{http_port}/tiny")->{error_msg} });
	pass('6: nobody listens there');
	set_and_see('ip_version', undef, sub { get("http://localhost:$nginx{http_port}/tiny")->{status_code} });
};

# A proxy; what it did is in its log.
sub start_proxy
{
	my $dir = PostgreSQL::Test::Utils::tempdir('proxy');
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	append_to_file("$dir/conf", <<"END");
Port $port
Listen 127.0.0.1
Timeout 600
MaxClients 100
LogFile "$dir/log"
LogLevel Connect
BasicAuth someone s3cret
END
	my $pid = PgNetTest::spawn('tinyproxy', '-d', '-c', "$dir/conf");
	wait_for('the proxy to listen', sub {
		IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
	});
	return { pid => $pid, port => $port, log => "$dir/log" };
}

subtest 'proxy' => sub {
	plan skip_all => 'tinyproxy is not installed' unless has_tool('tinyproxy');
	require IO::Socket::INET;
	my $proxy = start_proxy();
	my $log = sub { return slurp_file($proxy->{log}) };

	set(proxy => "http://someone:s3cret\@127.0.0.1:$proxy->{port}");
	like($log->(), qr{Request.*GET $base/echo}, 'requests go through it');
	is(get("$https/tiny")->{status_code}, 200, 'https, too');
	like($log->(), qr{CONNECT 127\.0\.0\.1:$nginx{https_port}}, 'through a tunnel');
	my $row = get("$https/tiny");
	is_deeply([ grep { /^proxy/i } keys %{ $row->{headers} } ], [], 'whose headers are not the answer\'s');
	my $seen = JSON::PP::decode_json(get("$https/backend/echo")->{content});
	is($seen->{headers}{'Proxy-Authorization'}, undef, 'nor are its credentials sent to the host');
	is(get("$base/redirect/2")->{status_code}, 200, 'redirects');
	is(request($node, "select net.http_post('$https/backend/echo', '{\"a\": 1}', timeout_milliseconds := @{[LONG_MS]})")->{status_code},
		200, 'bodies');

	set(no_proxy => "127.0.0.1", proxy => "http://someone:s3cret\@127.0.0.1:$proxy->{port}");
	my $before = () = $log->() =~ /Request/g;
	is(get("$base/echo")->{status_code}, 200, 'not for hosts that are named');
	is(scalar(() = $log->() =~ /Request/g), $before, 'which it sees nothing of');
	is(get("http://localhost:" . $server->port . "/echo")->{status_code}, 200, 'others');
	cmp_ok(scalar(() = $log->() =~ /Request/g), '>', $before, 'go through it');

	endpoint('direct', "$base/echo", connect_to => '127.0.0.1');
	endpoint('proxied', "http://localhost:@{[$server->port]}/echo");
	$before = () = $log->() =~ /Request/g;
	is(get('net://direct')->{status_code}, 200, 'an endpoint with connect_to');
	is(scalar(() = $log->() =~ /Request/g), $before, 'goes past it');
	is(get('net://proxied')->{status_code}, 200, 'one without');
	cmp_ok(scalar(() = $log->() =~ /Request/g), '>', $before, 'does not');

	set(proxy => "http://127.0.0.1:$proxy->{port}");
	is(get("http://localhost:" . $server->port . "/echo")->{status_code}, 407, 'a wrong password');
	is($node->psql('postgres', 'create role ordinary; set role ordinary; show pg_net.proxy'), 3, 'an ordinary role does not see the password');
	set(proxy => undef, no_proxy => undef);
	kill 'TERM', $proxy->{pid};
	waitpid $proxy->{pid}, 0;
};

subtest 'bad settings are refused' => sub {
	my %bad = (tls_min_version => ['1.4'], ip_version => ['5']);
	for my $name (sort keys %bad)
	{
		for my $value (@{ $bad{$name} })
		{
			my ($rc, undef, $stderr) = $node->psql('postgres', "alter system set pg_net.$name = '$value'");
			isnt($rc, 0, "$name = '$value'");
			like($stderr, qr/pg_net\.$name/, 'error');
		}
	}
};

$node->stop;
done_testing();
