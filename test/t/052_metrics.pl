# What a response row says of its request: where it went, when, how long each
# phase took, how many bytes.  By both ways of storing a row: straight into the
# table, and by SQL, when somebody added a trigger.

use strict;
use warnings;

use IO::Socket::IP;
use PgNetTest;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LONG_MS => 120_000;
use constant SHORT_MS => 300;

my $server = start_http_server();
my %nginx = start_nginx();
my $node = new_node('metrics', conf => "pg_net.ca_file = '$nginx{ca_file}'\npg_net.http_version = '2'");
my $base = $server->url;
my $http = "http://127.0.0.1:$nginx{http_port}";
my $https = "https://localhost:$nginx{https_port}";
my $h2 = "https://localhost:$nginx{h2_port}";

sub get
{
	my ($url, $timeout) = @_;
	$timeout //= LONG_MS;
	return request($node, "select net.http_get('$url', timeout_milliseconds := $timeout)");
}

# Which of these are set: a value, or how far a request got.
sub is_measured
{
	my ($row, $phases, $name) = @_;
	my @set = grep { defined $row->{"${_}_ms"} } qw(duration dns connect tls first_byte);
	is("@set", $phases, "$name: what was measured");

	my $sum = 0;
	$sum += $row->{"${_}_ms"} // 0 for qw(dns connect tls);
	for (qw(duration dns connect tls first_byte))
	{
		cmp_ok($row->{"${_}_ms"} // 0, '>=', 0, "$name: ${_}_ms is not negative");
		cmp_ok($row->{"${_}_ms"} // 0, '<=', $row->{duration_ms}, "$name: ${_}_ms is within duration_ms");
	}
	cmp_ok($sum, '<=', ($row->{first_byte_ms} // $row->{duration_ms}) + 0.01, "$name: in sequence");
	return;
}

sub has
{
	my ($row, $name, %expected) = @_;
	is($row->{$_}, $expected{$_}, "$name: $_") for sort keys %expected;
	return;
}

# Serve one request on ::1 with an answer from a child process; the port, or
# undef where there is no IPv6.
sub serve_on_v6
{
	my $socket = IO::Socket::IP->new(LocalHost => '::1', LocalPort => 0, Listen => 1) or return;
	my $pid = fork // die "could not fork: $!\n";
	if ($pid == 0)
	{
		alarm 60;
		my $client = $socket->accept;
		while (defined(my $line = <$client>)) { last if $line eq "\r\n" }
		print $client "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nv6";
		close $client;
		POSIX::_exit(0);
	}
	return $socket->sockport;
}

# How often connections were looked at.
my $times = 0;

sub check_all
{
	subtest 'a request' => sub {
		my $before = sql('select now()');
		my $row = get("$base/healthz?a=b");
		has($row, 'GET', method => 'GET', url => "$base/healthz?a=b", final_url => undef,
			attempts => 1, request_bytes => 0, response_bytes => 3, http_version => '1.1',
			remote_address => '127.0.0.1', remote_port => $server->port);
		is(sql("select started between '$before' and created from net._http_response where id = $row->{id}"),
			't', 'started before it was stored');
		ok(defined $row->{first_byte_ms} && $row->{duration_ms} >= $row->{first_byte_ms}, 'GET: times');

		$row = request($node, "select net.http_post('$base/echo', '{\"a\": \"b\"}')");
		has($row, 'POST', method => 'POST', request_bytes => length('{"a": "b"}'),
			response_bytes => length $row->{content});
		$row = request($node, "select net.http_delete('$base/status/204')");
		has($row, 'DELETE', method => 'DELETE', request_bytes => 0, response_bytes => 0);
	};

	subtest 'connections' => sub {
		my $row = get("$base/close");
		$row = get("$base/close") until defined $row->{dns_ms};
		is_measured($row, 'duration dns connect first_byte', 'http, new');

		get("$http/tiny");
		is_measured(get("$http/tiny"), 'duration first_byte', 'http, kept');

		# The first time there is none.
		my $new = $times++ == 0 ? ' dns connect tls' : '';
		$row = get("$https/tiny");
		is_measured($row, "duration$new first_byte", 'https');
		has($row, 'https', http_version => '1.1', remote_port => $nginx{https_port});
		is_measured(get("$https/tiny"), 'duration first_byte', 'https, kept');

		$row = get("$h2/tiny");
		is_measured($row, "duration$new first_byte", 'HTTP/2');
		has($row, 'HTTP/2', http_version => '2', remote_port => $nginx{h2_port});
		is_measured(get("$h2/tiny"), 'duration first_byte', 'HTTP/2, kept');

	  SKIP:
		{
			my $port = serve_on_v6();
			skip 'no IPv6', 4 unless $port;
			has(get("http://[::1]:$port/"), 'IPv6', content => 'v6', remote_address => '::1',
				remote_port => $port, http_version => '1.0');
		}
	};

	subtest 'redirects' => sub {
		my $row = get("$base/redirect/3");
		has($row, 'redirect', url => "$base/redirect/3", final_url => "$base/echo", attempts => 1,
			response_bytes => length $row->{content});
		$row = get("$base/redirect-to?url=$https/tiny");
		has($row, 'to https', final_url => "$https/tiny", remote_port => $nginx{https_port});
	};

	subtest 'what is secret' => sub {
		my $port = $server->port;
		has(get("http://user:word\@127.0.0.1:$port/healthz?mail=a\@b"), 'user and password',
			url => "http://***\@127.0.0.1:$port/healthz?mail=a\@b", status_code => 200);
		has(get("http://user\@127.0.0.1:$port/healthz"), 'user', url => "http://***\@127.0.0.1:$port/healthz");
		has(get("http://u:p%40ss\@127.0.0.1:$port/a\@b"), 'no more than that', url => "http://***\@127.0.0.1:$port/a\@b");
		has(get("$base/redirect-to?url=http://u:word\@127.0.0.1:$port/healthz"), 'in a redirect',
			final_url => "http://***\@127.0.0.1:$port/healthz");

		for my $url ('http:/u:word@127.0.0.1/', 'http:///u:word@127.0.0.1/', 'u:word@127.0.0.1/', '//u:word@127.0.0.1/',
			'HTTP://u:wo@rd@127.0.0.1:1/', 'ftp://u:word@127.0.0.1',
			' http://u:word@127.0.0.1/', 'u:word@127.0.0.1/x:/y')
		{
			my $id = sql("insert into net.http_request_queue (method, url, timeout_milliseconds)"
				  . " values ('GET', '$url', 1000) returning id");
			sql('select net.wake()');
			my $row = wait_response($node, $id);
			unlike($row->{url}, qr/wo|rd/, "$url: masked");
			like($row->{url}, qr/\*\*\*\@127/, "$url: the rest is there");
			unlike($row->{error_msg} // '', qr/wo@?rd/, "$url: nor in the error");
		}

		my $long = 'x' x 60000;
		my $row = get("$base/$long");
		is($row->{url}, "$base/$long", 'a long URL');
	};

	subtest 'failures' => sub {
		my $port = PostgreSQL::Test::Cluster::get_free_port();
		my $row = get("http://127.0.0.1:$port/");
		is_measured($row, 'duration dns connect', 'refused');
		has($row, 'refused', attempts => 1, http_version => undef, request_bytes => 0, response_bytes => 0);

		$row = get('http://' . 'x' x 64 . '.test/');
		is_measured($row, 'duration dns', 'no such name');
		has($row, 'no such name', remote_address => undef, remote_port => undef);

		$row = get("$base/hang", SHORT_MS);
		has($row, 'no answer', timed_out => JSON::PP::true(), first_byte_ms => undef, attempts => 1);
		cmp_ok($row->{duration_ms}, '>=', SHORT_MS, 'no answer: took that long');

		# The server waits for the end of what it takes for a request.
		$row = get($base =~ s/^http/https/r, SHORT_MS);
		ok(defined $row->{tls_ms} && !defined $row->{first_byte_ms}, 'no TLS: ended there');
		has($row, 'no TLS', timed_out => JSON::PP::true());

		$row = get("$base/drip?bytes=2&interval=600", SHORT_MS);
		ok(defined $row->{first_byte_ms}, 'no end: a first byte');
		cmp_ok($row->{first_byte_ms}, '<', $row->{duration_ms}, 'no end: before the end');

		$row = get("$base/disconnect-mid-body");
		has($row, 'cut off', status_code => undef, response_bytes => 4, http_version => '1.1');

		$row = get("https://localhost:$nginx{expired_port}/");
		ok(defined $row->{tls_ms} && !defined $row->{first_byte_ms}, 'expired: ended in TLS');
	};

	subtest 'attempts' => sub {
		# Of its own: which connection the next request takes would be chance.
		my $url = start_http_server()->url . '/close-on-reuse';
		get($url);
		has(get($url), 'a kept connection that ends', status_code => 200, attempts => 2);

		my $id = sql("insert into net.http_request_queue (method, url, timeout_milliseconds)"
			  . " values ('GET', '/relative', 1000) returning id");
		sql('select net.wake()');
		has(wait_response($node, $id), 'not sent', url => '/relative', attempts => 0,
			map { $_ => undef } qw(started duration_ms dns_ms connect_ms tls_ms first_byte_ms final_url
			  request_bytes response_bytes http_version remote_address remote_port));
	};
	return;
}

check_all();

sql(<<'END');
create function public.keep() returns trigger language plpgsql as 'begin return new; end';
create trigger keep before insert on net._http_response for each row execute function keep();
END
subtest 'by SQL' => \&check_all;

subtest 'columns of users' => sub {
	sql('drop trigger keep on net._http_response',
		'; alter table net._http_response add column note text default $$none$$, alter column url type varchar(100000)');
	has(get("$base/healthz"), 'a column more', note => 'none', url => "$base/healthz", attempts => 1);
};

$node->stop;
done_testing();
