# docs/errors.md lists every error_msg, and each of them comes about as it says.

use strict;
use warnings;
use utf8;

use Compress::Zlib qw(compress);
use Cwd qw(abs_path);
use Encode ();
use File::Basename qw(dirname);
use MIME::Base64 qw(encode_base64url);
use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LONG_MS => 120_000;

my $server = start_http_server();
my %nginx = start_nginx();
my $node = new_node('errors', conf => "pg_net.ca_file = '$nginx{ca_file}'\npg_net.http_version = '2'\npg_net.max_response_size = '256MB'");
my $base = $server->url;
my $host = $base =~ s{http://}{}r;
my $refused = 'http://127.0.0.1:' . PostgreSQL::Test::Cluster::get_free_port();

# A URL that is answered with these bytes.
sub raw { return "$base/bytes?packed=1&base64=" . encode_base64url(compress($_[0])) }

# The table: rows, each a list of messages.
sub documented
{
	my $file = dirname(abs_path(__FILE__)) . '/../../docs/errors.md';
	my ($section) = Encode::decode('UTF-8', slurp_file($file)) =~ /^## error\\_msg of a response$(.*?)^##/ms;
	my @rows;

	for (grep { /^\| `/ } split /\n/, $section)
	{
		my ($messages) = /^\| (.*?) \| /;
		push @rows, [ $messages =~ /`([^`]+)`/g ];
	}
	return @rows;
}

# What a message of the table stands for.
sub regex_of
{
	my ($message) = @_;
	my %stands_for = ("\x{2026}" => '.*', X => '.*', N => '\d+', 'https://HOST:PORT' => 'https?://\S+');
	my $regex = join '', map { $stands_for{$_} // quotemeta }
	  split m{(\x{2026}|\bX\b|\bN\b|https://HOST:PORT)}, $message;
	return qr/^$regex$/s;
}

my @rows = documented();

# The row of the table that a message is in; exactly one.
sub row_of
{
	my ($error) = @_;
	my @found = grep { my $row = $_; grep { $error =~ regex_of($_) } @{ $rows[$row] } } 0 .. $#rows;
	is(scalar @found, 1, "one row for: $error");
	return $found[0];
}

# What no test can bring about, and what other tests do.
my @elsewhere = (
	'out of memory',
	'out of a resource of this machine: …',    # only where a redirect leads to a host
	'given up after the worker died 3 times while this request was in flight');    # 020_crash.pl

my %provoked;

# A request failed with this error, and with a status if there is to be one.
sub failed
{
	my ($row, $regex, $name, $status) = @_;
	my $error = $row->{error_msg} // '';

	is($row->{status_code}, $status, "$name: " . ($status // 'no status'));
	is($row->{content} // $row->{content_bytes}, undef, "$name: no body");
	like($error, $regex, "$name: error");
	is($row->{timed_out} ? 1 : 0, $error =~ /^Timeout/ ? 1 : 0, "$name: timed_out");
	$provoked{ row_of($error) // '' } = 1;
	return;
}

sub get
{
	my ($url, $timeout) = @_;
	$timeout //= LONG_MS;
	return request($node, "select net.http_get('$url', timeout_milliseconds := $timeout)");
}

# Responses of rows inserted by hand, for what the functions refuse.
sub by_hand
{
	my ($values) = @_;
	my $id = sql('insert into net.http_request_queue (method, url, headers, timeout_milliseconds)'
		  . " values ($values) returning id");
	sql('select net.wake()');
	return wait_response($node, $id);
}

subtest 'the network' => sub {
	my $other = "localhost:$nginx{http_port}";
	my $ok = "HTTP/1.1 200 OK\r\n";

	failed(get($refused), qr/^Could(n't| not) connect to server$/, 'refused');
	failed(get("$base/disconnect"), qr/^Server returned nothing \(no headers, no data\)$/, 'no answer');
	failed(get('http://' . 'x' x 64 . '.test/'), qr/resolve host.*xxx\.test/, 'no such host');
	failed(get("$base/hang", 300),
		qr/^Timeout of 300 ms reached\. Total time: [\d.]+ ms \(DNS time: [\d.]+ ms, TCP\/SSL handshake time: [\d.]+ ms, HTTP Request\/Response time: [\d.]+ ms\)$/,
		'timeout');

	failed(get("$base/disconnect-mid-header"), qr/within the response headers$/, 'cut off in the header');
	failed(get("$base/disconnect-mid-body"), qr/^Transferred a partial file.* \(receiving from $host\)$/, 'cut off in the body');
	failed(get("$base/reset"), qr/^Failure when receiving.* \(waiting for $host\)$/, 'reset');
	failed(get("$base/ledger/x?reset=during"), qr/^Failure when receiving.* \(receiving from $host\)$/, 'reset in the body');
	failed(get(raw("${ok}Transfer-Encoding: chunked\r\n\r\nzz\r\n")), qr/ \(receiving from $host\)$/, 'no chunk');

	failed(get("$base/malformed-header"), qr/Weird server reply.* \(receiving from $host\)$/, 'no header');
	failed(get(raw("${ok}Content-Length: x\r\n\r\n")), qr/Weird server reply/, 'no length');
	failed(get("$base/not-http"), qr/^Unsupported protocol: .* \((?:receiving from|waiting for) $host\)$/, 'no HTTP');
	failed(get(raw("HTTP/9.9 200 OK\r\n\r\n")), qr/^Unsupported protocol: /, 'another HTTP');
	failed(get(raw("${ok}Transfer-Encoding: gzip\r\n\r\nabc")), qr/Transfer-Encoding/, 'an encoding');
	failed(get("$base/endless-headers"), qr/^response headers are larger/, 'headers without end');

	failed(get("https://$other/"), qr/ \(TLS handshake with $other\)$/, 'no TLS');
	my $h2 = "localhost:$nginx{h2_port}";
	failed(get("https://$h2/proxy/" . $server->port . '/disconnect-mid-body'),
		qr/HTTP\/?2.* \(receiving from $h2\)$/, 'cut off in HTTP/2');
	for ('expired', 'wrong_host')
	{
		my $bad = "localhost:$nginx{$_ . '_port'}";
		failed(get("https://$bad/"), qr/certificate.* \(TLS handshake with $bad\)$/, "certificate: $_");
	}
};

subtest 'compressed' => sub {
	failed(request($node, "select net.http_request('GET', '" . raw("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nplain")
			  . "', decompress := true, timeout_milliseconds := @{[LONG_MS]})"), qr/status 200: incorrect header check$/, 'no gzip');
};

subtest 'redirects' => sub {
	failed(get("$base/redirect-loop"), qr/redirect/i, 'a loop');
	failed(get("$base/redirect-to?url=ftp://127.0.0.1/"), qr/ftp|scheme/, 'to ftp');
	failed(get("$base/redirect-to?url=mailto:a\@b"), qr/scheme that is not supported: mailto$/, 'to an address of mail');
	failed(get("$base/redirect-to?url=http://"), qr/URL/, 'to no URL');
	failed(get("$base/redirect-to?url=$refused"), qr/connect to server$/, 'to nobody');
	failed(get("https://localhost:$nginx{https_port}/proxy/" . $server->port . "/redirect-to?url=$base/"),
		qr/from https to http/, 'from https to http');
};

subtest 'no connection in time' => sub {
	sql("insert into net.http_request_queue (id, method, url, timeout_milliseconds, connect_timeout_milliseconds)"
		  . " values (1000001, 'GET', 'https://$host/', @{[LONG_MS]}, 200); select net.wake()");
	my $row = wait_response($node, 1000001);
	$provoked{ row_of($row->{error_msg}) // '' } = 1;
	is($row->{timed_out}, JSON::PP::true, 'timed out');
};

subtest 'rows that cannot be sent' => sub {
	sql('alter domain net.http_method drop constraint http_method_check',
		'; alter table net.http_request_queue alter column method drop not null',
		'; alter table net.http_request_queue alter column url drop not null',
		'; alter table net.http_request_queue alter column timeout_milliseconds drop not null');

	failed(by_hand("'GET', '/a', null, 1000"), qr/^invalid URL "\/a": /, 'relative');
	failed(by_hand("'GET', 'ftp://a/', null, 1000"), qr/^invalid URL "ftp/, 'ftp');
	failed(by_hand("'GET', '$base', '[1]', 1000"), qr/^headers must be a JSON object, not an array$/, 'headers');
	failed(by_hand(qq('GET', '$base', '{"a b": "c"}', 1000)), qr/^invalid HTTP header name "a b"$/, 'header name');
	failed(by_hand(qq('GET', '$base', '{"a": "b\\nc"}', 1000)), qr/^value of HTTP header "a" contains a line break$/, 'header value');
	failed(by_hand("'GET', '$base', null, 0"), qr/^timeout must be positive, not 0 ms$/, 'timeout');
	failed(by_hand(qq('GET', '$base', '{"Host": "a b"}', 1000)), qr/^value of HTTP header "Host" is not a host$/, 'host');
	failed(by_hand(qq('GET', '$base', '{"Host": "a", "host": "b"}', 1000)), qr/^duplicate HTTP header "Host"$/, 'two hosts');
	failed(by_hand("'GET', '$base/' || repeat('x', 70000), null, 1000"), qr/^URL is longer than 65536 bytes$/, 'long URL');
	failed(by_hand("'CONNECT', '$base', null, 1000"), qr/^HTTP method "CONNECT" is not allowed$/, 'CONNECT');
	failed(by_hand("'G T', '$base', null, 1000"), qr/^invalid HTTP method "G T"$/, 'method');
	failed(by_hand("null, '$base', null, 1000"), qr/^null value in column "method"$/, 'no method');
	failed(by_hand("'GET', null, null, 1000"), qr/^null value in column "url"$/, 'no URL');
	failed(by_hand("'GET', '$base', null, null"), qr/^null value in column "timeout_milliseconds"$/, 'no timeout');
};

subtest 'rows that cannot be read' => sub {
	sql('alter table net.http_request_queue alter column timeout_milliseconds type text');
	failed(by_hand("'GET', '$base', null, 'soon'"), qr/^the row of this request could not be read: .*soon/, 'no number');
	sql('alter table net.http_request_queue alter column timeout_milliseconds type integer using 1');
};

subtest 'what is denied' => sub {
	failed(get('http://169.254.169.254/'), qr/^could not connect: pg_net\.denied_networks denies/, 'metadata');

	sql("insert into net.access_rule (position, allow, host) values (1, true, '127.0.0.1')");
	failed(by_hand("'GET', 'http://elsewhere.test/', null, 1000"), qr/^GET requests to .* No rule of net\.access_rule/, 'a host');
	failed(get("$base/redirect-to?url=http://localhost:" . $server->port . "/"), qr/^could not follow a redirect/, 'a redirect');
	sql('truncate net.access_rule');

	sql('insert into net.secret (name, value, roles, host, port, allow_http) values'
		  . join ',', map { "($_, '{postgres}', '127.0.0.1', @{[$server->port]}, true)" } q('good', 'x'), q('empty', null), qq('pem', E'-----BEGIN X\\n'));
	my $with = sub { return sprintf q('GET', '%s', '{"X": "${net.secret:%s}"}', 1000), @_ };
	failed(by_hand($with->("$base/", 'none')), qr/^secret "none" does not exist/, 'a secret that is not there');
	failed(by_hand($with->('http://elsewhere.test/', 'good')), qr/^secret "good" is not for this host$/, 'a secret for another host');
	failed(by_hand($with->("$base/", 'empty')), qr/^secret "empty" has no value$/, 'a secret without a value');
	failed(by_hand($with->("$base/", 'pem')), qr/^secret "pem" is not a single line$/, 'a secret of several lines');
	failed(by_hand($with->('http://127.0.0.1:1/', 'good')), qr/^secret "good" is not for this port$/, 'a secret for another port');
	sql('update net.secret set allow_http = false');
	failed(by_hand($with->("$base/", 'good')), qr/^secret "good" is not for http$/, 'a secret for https');
	sql('update net.secret set allow_http = true');
	failed(by_hand($with->("$base/redirect-to?url=http://localhost:" . $server->port . '/', 'good')),
		qr/^could not follow a redirect: the request has a secret/, 'a redirect with a secret');
	sql('truncate net.secret');
};

subtest 'too much' => sub {
	# They wait for each other, until each is too large.
	my @ids = split /\n/, sql("select net.http_get('$base/endless', timeout_milliseconds := ${\LONG_MS}) from generate_series(1, 4)");
	failed($_, qr/^response body is larger than \d+ bytes$/, 'endless') for map { wait_response($node, $_) } @ids;

  SKIP:
	{
		my $worker = '/proc/' . current_worker($node) . '/status';
		skip 'no /proc', 1 unless -r $worker;

		# Two fill the room there is, and are not recorded as long as somebody
		# holds their rows.
		my $session = $node->background_psql('postgres');
		@ids = split /\n/, sql("select net.http_get('$base/huge?bytes=220000000', timeout_milliseconds := ${\LONG_MS})"
			  . ' from generate_series(1, 4)');
		$session->query_safe('begin; select id from net.http_request_queue for update');
		my ($memory, $since) = (0, time);
		wait_for('all to have ended', sub {
			my ($now) = slurp_file($worker) =~ /^RssAnon:\s+(\d+) kB/m;
			($memory, $since) = ($now, time) if $now != $memory;
			return $memory > 400_000 && time > $since + 1;
		});
		$session->query_safe('commit');
		$session->quit;
		my $ids = join ',', @ids;
		wait_for('all responses', sub { return sql("select count(*) from net._http_response where id in ($ids)") == @ids });
		my @failed = split /\n/, sql("select id from net._http_response where id in ($ids) and status_code is null");
		failed(wait_response($node, $_), qr/^the worker's memory for responses is used up$/, 'no room') for @failed;
		cmp_ok(scalar @failed, '>=', 1, 'there was no room for all');
	}
};

subtest 'the authorities' => sub {
	$node->append_conf('postgresql.conf', "pg_net.ca_file = '$nginx{ca_file}.missing'");
	$node->reload;
	my $row = wait_for('the reload', sub {
		my $row = get("https://localhost:$nginx{https_port}/");
		return defined $row->{status_code} ? undef : $row;
	});
	failed($row, qr/\.missing/, 'no CA file');
	$node->append_conf('postgresql.conf', "pg_net.ca_file = '$nginx{ca_file}'");
	$node->reload;
	wait_for('the authorities', sub { get("https://localhost:$nginx{https_port}/")->{status_code} });
};

# An error that a setting leads to, once it applies.
sub failed_by
{
	my ($setting, $value, $url, $regex, $status) = @_;

	sql("alter system set pg_net.$setting = '$value'");
	$node->reload;
	my $row = wait_for("pg_net.$setting to apply", sub {
		my $row = get($url);
		return ($row->{error_msg} // '') =~ $regex && $row;
	});
	failed($row, $regex, $setting, $status);
	sql("alter system reset pg_net.$setting");
	$node->reload;
	return;
}

subtest 'files and proxies that are not there' => sub {
	sql("insert into net.secret (name, value, roles, host) values ('no-certificate', 'x', '{}', '*')");
	sql("insert into net.endpoint (name, url, client_certificate) values ('certified', 'https://localhost:$nginx{https_port}/', 'no-certificate')");
	failed(get('net://certified'), qr/local SSL certificate/, 'client_certificate');
	failed_by('proxy', 'http://proxy.invalid:3128', "$base/", qr/proxy name/);
};

subtest 'attempts, and room' => sub {
	failed(request($node, "select net.http_request('GET', '$refused', timeout_milliseconds := ${\LONG_MS}, retry := '{1ms}')"),
		qr/^gave up after 2 attempts: /, 'none succeeded');
	sql('alter table net._http_response alter content set storage external');
	request($node, "select net.http_get('$base/huge?bytes=2000000', timeout_milliseconds := ${\LONG_MS})");
	failed_by('max_stored_size_per_role', '1MB', "$base/echo/stored", qr/^headers and body are not stored: /, 200);
};

subtest 'endpoints' => sub {
	my $port = $server->port;
	sql('alter table net.endpoint drop constraint endpoint_retry_check');
	sql("insert into net.secret (name, value, roles, host, port, allow_http) values ('blank', 'a b', '{}', 'localhost', $port, true)");
	sql("insert into net.endpoint (name, url, methods, max_age, retry, client_certificate) values"
		  . " ('invalid', 'http://localhost', null, null, '{-1s}', null), ('blank', 'http://localhost:$port/\${net.secret:blank}', null, null, null, null),"
		  . " ('old', 'http://localhost', null, '1us', null, null), ('missing', 'https://localhost', null, null, null, 'missing'), ('post', 'http://localhost', '{POST}', null, null, null)");
	failed(get('net://invalid'), qr/^endpoint "invalid" is not valid: a delay/, 'an endpoint that is not valid');
	failed(get('net://blank'), qr/^a secret in the URL of endpoint "blank"/, 'a secret in a URL');
	failed(get('net://old'), qr/^the request is older/, 'max_age');
	failed(get('net://missing'), qr/^secret "missing" does not exist$/, 'a certificate that is not there');
	sql("update net.endpoint set signing = 'standard', signing_secrets = '{blank}' where name = 'old'; update net.endpoint set max_age = null where name = 'old'");
	failed(get('net://old'), qr/^secret "blank" is not a signing key$/, 'no key');
	failed(by_hand("'GET', 'net://post', '{}', 1000"), qr/^GET requests to endpoint "post" are not allowed$/, 'a method');
	failed(by_hand("'GET', 'net://none', '{}', 1000"), qr/^endpoint "none" does not exist/, 'no endpoint');
	failed(by_hand("'GET', 'net://post:80', '{}', 1000"), qr/^invalid URL/, 'a port');
};

subtest 'the table' => sub {
	$provoked{ row_of($_) // '' } = 1 for map { s/\x{2026}/x/r } @elsewhere;
	# a name of bytes: from 17 on PostgreSQL's framework dies of wider characters
	ok($provoked{$_}, Encode::encode('UTF-8', "provoked: $rows[$_][0]")) for 0 .. $#rows;
};

$node->stop;
done_testing();
