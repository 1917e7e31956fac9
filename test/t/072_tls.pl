# HTTPS: whom the worker trusts, and HTTP/2.
#
# The test runs itself again in a mount namespace, where it can add to the
# system's authorities.

use strict;
use warnings;

# Before anything opens a file or a log.
BEGIN
{
	my @namespaces = qw(unshare --map-current-user --keep-caps --mount);

	if (!$ENV{PGNET_NAMESPACES} && system("@namespaces true 2>/dev/null") == 0)
	{
		$ENV{PGNET_NAMESPACES} = 1;
		exec @namespaces, $^X, map({ "-I$_" } @INC), $0;
	}
}

use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LONG_MS => 120_000;

my %nginx = start_nginx();
my $server = start_http_server();
my $http = "http://127.0.0.1:$nginx{http_port}";
my $https = "https://127.0.0.1:$nginx{https_port}";
my $h2 = "https://127.0.0.1:$nginx{h2_port}";

# What libraries take from the environment must not decide whom we trust.
my $node;
{
	local $ENV{SSL_CERT_FILE} = $nginx{ca_file};
	local $ENV{CURL_CA_BUNDLE} = $nginx{ca_file};
	$node = new_node('tls', conf => "pg_net.http_version = '2'");
}

sub get
{
	my ($url) = @_;
	return "select net.http_get('$url', timeout_milliseconds := @{[LONG_MS]})";
}

# Set or, without a value, reset pg_net.ca_file.
sub set_ca_file
{
	my ($file) = @_;
	sql( defined $file
		? "alter system set pg_net.ca_file = '$file'"
		: 'alter system reset pg_net.ca_file');
	$node->reload;
	return;
}

# A reload takes a moment to arrive: ask until the answer is as it should be.
sub wait_like
{
	my ($url, $what, $condition) = @_;
	my $row;
	wait_for($what,
		sub { $row = request($node, get($url)); return $condition->($row) }, 60);
	return $row;
}

sub is_refused
{
	my ($row, $regex, $name) = @_;
	is($row->{status_code}, undef, "$name: no status");
	is($row->{content}, undef, "$name: no content");
	like($row->{error_msg}, $regex, "$name: error");
	return;
}

subtest 'an authority nobody named is not trusted' => sub {
	is_refused(request($node, get("$https/tiny")), qr/certificate/i, 'HTTP/1.1');
	is_refused(request($node, get("$h2/tiny")), qr/certificate/i, 'HTTP/2');
};

subtest 'pg_net.ca_file' => sub {
	set_ca_file($nginx{ca_file});
	my $row = wait_like("$https/protocol", 'the reload',
		sub { return defined $_[0]{status_code} });
	is($row->{status_code}, 200, 'HTTP/1.1: status');
	like($row->{content}, qr{^HTTP/1\.1 \d+$}, 'HTTP/1.1');
	$row = request($node, get("$h2/protocol"));
	is($row->{status_code}, 200, 'HTTP/2: status');
	like($row->{content}, qr{^HTTP/2\.0 \d+$}, 'HTTP/2');
	is(request($node, get("https://localhost:$nginx{https_port}/tiny"))->{status_code},
		200, 'by name');
	is(request($node, get("$https/status/404"))->{status_code}, 404, 'a status');
};

subtest 'bad certificates' => sub {
	is_refused(
		request($node, get("https://127.0.0.1:$nginx{wrong_host_port}/tiny")),
		qr/certificate|host name|subject/i, 'of another host');
	is_refused(request($node, get("https://127.0.0.1:$nginx{expired_port}/tiny")),
		qr/certificate/i, 'expired');
	is_refused(request($node, get("https://127.0.0.1:$nginx{http_port}/tiny")),
		qr/./, 'no TLS at all');

	# also while a connection with TLS to the same host and port is open
	is(request($node, get("https://127.0.0.1:$nginx{https_port}/tiny"))->{status_code}, 200, 'TLS');
	is(request($node, get("http://127.0.0.1:$nginx{https_port}/tiny"))->{status_code},
		400, 'no TLS with a server that wants it');
};

subtest '200 requests to HTTP/2 at once' => sub {
	sql("create table many as select net.http_get('$h2/protocol?' || i,"
		  . " timeout_milliseconds := @{[LONG_MS]}) as id from generate_series(1, 200) as i");
	wait_for('200 responses', sub {
		return sql('select count(*) from net._http_response join many using (id)') eq '200';
	});
	is( sql("select count(distinct id), count(*) from net._http_response join many using (id)"
			  . " where status_code = 200 and content like 'HTTP/2.0 %'"),
		'200|200',
		'all answered, once each, over HTTP/2');
	sql('drop table many');
};

subtest 'POST' => sub {
	for my $url ($https, $h2)
	{
		my $row = request($node,
			"select net.http_post('$url/upload', json_build_object('a', repeat('x', 1000000))::jsonb,"
			  . " timeout_milliseconds := @{[LONG_MS]})");
		is($row->{status_code}, 200, "$url: status");
		is($row->{content}, length('{"a": ""}') + 1_000_000 . "\n", "$url: all of the body");
	}
};

subtest 'redirects between the schemes' => sub {
	my $row = request($node, get($server->url . "/redirect-to?url=$https/protocol"));
	is($row->{status_code}, 200, 'from http to https');
	like($row->{content}, qr{^HTTP/1\.1}, 'with an answer');
	$row = request($node,
		get($server->url . "/redirect-to?url=https://127.0.0.1:$nginx{expired_port}/tiny"));
	is_refused($row, qr/certificate/i, 'to an expired certificate');
};

subtest 'http and https mixed' => sub {
	my %protocol = ($http => 'HTTP/1.1', $https => 'HTTP/1.1', $h2 => 'HTTP/2.0');

	sql('create table mixed (url text, id bigint)');
	sql("insert into mixed select url, net.http_get(url || '/protocol', timeout_milliseconds := @{[LONG_MS]})"
		  . " from generate_series(1, 50), unnest(array['$http', '$https', '$h2']) as url");
	wait_for('150 responses', sub {
		return sql('select count(*) from net._http_response join mixed using (id)') eq '150';
	});
	for my $url (sort keys %protocol)
	{
		is( sql("select count(*) from net._http_response join mixed using (id)"
				  . " where mixed.url = '$url' and status_code = 200 and content like '$protocol{$url} %'"),
			'50', "$url: $protocol{$url}");
	}
	sql('drop table mixed');
};

subtest 'ca_file changes by reload' => sub {
	my $pid = sql("select pid from pg_stat_activity where backend_type ilike '%pg_net%'");

	set_ca_file();
	my $row = wait_like("$https/tiny", 'trust to end',
		sub { return !defined $_[0]{status_code} });
	is_refused($row, qr/certificate/i, 'no longer trusted');
	is_refused(request($node, get("$h2/tiny")), qr/certificate/i, 'nor for HTTP/2');

	set_ca_file($nginx{ca_file} . '.missing');
	$row = wait_like("$https/tiny", 'the missing file to matter',
		sub { return ($_[0]{error_msg} // '') =~ /\.missing|verify locations|CA cert/i });
	is($row->{status_code}, undef, 'a file that is not there trusts nobody');

	set_ca_file($nginx{ca_file});
	$row = wait_like("$https/tiny", 'trust to return',
		sub { return defined $_[0]{status_code} });
	is($row->{status_code}, 200, 'trusted again');
	is(request($node, get("$h2/tiny"))->{status_code}, 200, 'and for HTTP/2');
	is( sql("select pid from pg_stat_activity where backend_type ilike '%pg_net%'"),
		$pid, 'by the same worker');
};

# Set these of pg_net's settings, and reset the others of this list.
sub set_trust
{
	my (%values) = @_;
	sql(map({ "alter system reset pg_net.$_;" } qw(ca_file ca_directory proxy)),
		map { "alter system set pg_net.$_ = '$values{$_}';" } sort keys %values);
	$node->reload;
	return;
}

# "system" is one of the system's authorities; nginx's is not.
my $system_dir = '/etc/ssl/certs';

SKIP:
{
	skip 'no namespaces here', 2 unless $ENV{PGNET_NAMESPACES};
	skip "no $system_dir/ca-certificates.crt", 2 unless -s "$system_dir/ca-certificates.crt";

	my %system = start_nginx();
	my ($certs, $named, $empty) = map { PostgreSQL::Test::Utils::tempdir($_) } qw(certs named empty);
	system_or_bail('cp', '-a', "$system_dir/.", $certs);
	append_to_file("$certs/ca-certificates.crt", slurp_file($system{ca_file}));
	append_to_file("$certs/system.pem", slurp_file($system{ca_file}));
	append_to_file("$named/named.pem", slurp_file($nginx{ca_file}));
	system_or_bail('openssl', 'rehash', $_) for $certs, $named;
	system_or_bail('mount', '--bind', $certs, $system_dir);

	my @named = ({ ca_file => $nginx{ca_file} }, { ca_directory => $named },
		{ ca_file => $nginx{ca_file}, ca_directory => $named }, { ca_file => $nginx{ca_file}, ca_directory => $empty });
	my @nobody = ({ ca_directory => $empty });
	my $is_answered = sub { return defined $_[0]{status_code} };
	my $is_refused = sub { return ($_[0]{error_msg} // '') =~ /certificate/i };
	my $name = sub { my ($values) = @_; return join ' and ', map { $values->{$_} eq $empty ? "an empty $_" : $_ } sort keys %$values };
	my ($of_system, $of_other) = map { "https://localhost:$_->{https_port}" } \%system, \%nginx;

	subtest 'what is named, and nobody of the system' => sub {
		set_trust();
		wait_like("$of_system/tiny", 'the system to be trusted', $is_answered);
		is_refused(request($node, get("$of_other/tiny")), qr/certificate/i, 'the default: another authority');
		for my $values (@named)
		{
			set_trust(%$values);
			wait_like("$of_other/tiny", $name->($values) . ' to be trusted', $is_answered);
			is_refused(request($node, get("$of_system/tiny")), qr/certificate/i, $name->($values));
			set_trust();
			wait_like("$of_system/tiny", 'the system to be trusted again', $is_answered);
		}
		for my $values (@nobody)
		{
			set_trust(%$values);
			wait_like("$of_system/tiny", $name->($values) . ' to apply', $is_refused);
			is_refused(request($node, get("$of_other/tiny")), qr/certificate/i, $name->($values));
		}
	};

	# nginx takes a request that is for a proxy for one of its own.
	subtest 'the same for an https proxy' => sub {
		my $url = 'http://elsewhere.test/tiny';
		set_trust(proxy => $of_system);
		wait_like($url, 'the system to be trusted', $is_answered);
		set_trust(proxy => $of_other);
		wait_like($url, 'another authority not to be trusted', $is_refused);
		for my $values (@named)
		{
			set_trust(proxy => $of_other, %$values);
			wait_like($url, $name->($values) . ' to be trusted', $is_answered);
			set_trust(proxy => $of_system, %$values);
			is_refused(wait_like($url, 'the other proxy', $is_refused), qr/certificate/i, $name->($values));
		}
		for my $values (@nobody)
		{
			set_trust(proxy => $of_system);
			wait_like($url, 'the system to be trusted again', $is_answered);
			set_trust(proxy => $of_system, %$values);
			is_refused(wait_like($url, 'trust to end', $is_refused), qr/certificate/i, $name->($values));
		}
	};
}

$node->stop;
done_testing();
