# Redirects: RFC 9110, section 15.4, row by row, and what goes along.

use strict;
use warnings;

use JSON::PP ();
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LONG_MS => 120_000;

my $server = start_http_server();
my $other = start_http_server();
my %nginx = start_nginx(backend => $server->port);
my $node = new_node('redirects', conf => "pg_net.ca_file = '$nginx{ca_file}'");
my ($base, $elsewhere) = ($server->url, $other->url);
my $https = "https://127.0.0.1:$nginx{https_port}";

# SQL that sends; options are arguments of http_request.
sub send_sql
{
	my ($method, $url, %args) = @_;
	$args{timeout_milliseconds} //= LONG_MS;
	return "net.http_request('$method', '$url'" . join('', map { ", $_ := $args{$_}" } sort keys %args) . ')';
}

# The URL of a redirect to another.
sub via
{
	my ($to, $status, $at) = @_;
	$to =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ge;
	return ($at // $base) . "/redirect-to?url=$to&status=" . ($status // 302);
}

sub answer { return request($node, 'select ' . send_sql(@_)) }

# What arrived of a request that is echoed at the end, names in lower case.
sub echo
{
	my $row = answer(@_);
	is($row->{status_code}, 200, 'is answered') or diag($row->{error_msg});
	my $seen = JSON::PP::decode_json($row->{content} // '{}');
	return { %$seen, lower => { map { lc($_) => $seen->{headers}{$_} } keys %{ $seen->{headers} // {} } } };
}

sub refused
{
	my ($row, $regex, $name) = @_;
	is($row->{status_code}, undef, "$name: no status");
	is($row->{timed_out}, JSON::PP::false, "$name: in time");
	like($row->{error_msg}, $regex, "$name: error");
	return;
}

# The method at the end, and whether the body is there, by status and method.
sub after
{
	my ($status, $method) = @_;

	return ($method, 1) if $status >= 307;
	return ('GET', 0) if $status == 303;
	return ('GET', 0) if $method eq 'POST';
	return ($method, 1);
}

# HEAD has a subtest of its own: its answer cannot echo.
subtest 'status x method x body x origin' => sub {
	my %expected;
	my @sql;

	for my $status (301, 302, 303, 307, 308)
	{
		for my $method (qw(GET POST PUT PATCH DELETE OPTIONS PROPFIND))
		{
			for my $body (0, 1)
			{
				for my $same (0, 1)
				{
					my $what = join ' ', $status, $method, $body ? 'body' : 'no-body', $same ? 'same' : 'other';
					my $to = ($same ? $base : $elsewhere) . '/echo/matrix';
					my ($method_after, $keeps) = after($status, $method);
					$expected{$what} = {
						method => $method_after,
						body => $body && $keeps ? 'the body' : '',
						type => $body && $keeps ? 'text/x' : $body || !$keeps ? undef : 'text/x',
						language => $keeps ? 'en' : undef,
						secret => $same ? 'Bearer s3cret' : undef
					};
					push @sql, "insert into sent values ('$what', " . send_sql($method, via($to, $status),
						headers => q('{"Content-Type": "text/x", "Content-Language": "en", "Authorization": "Bearer s3cret", "X-Other": "kept"}'),
						$body ? (body => q('the body')) : ()) . ');';
				}
			}
		}
	}
	sql('create table sent (what text, id bigint); begin;', @sql, 'commit;');
	wait_for('all responses', sub {
		return sql('select count(*) from sent join net._http_response using (id)') == keys %expected;
	});
	is(scalar keys %expected, 5 * 7 * 2 * 2, 'cases');
	for (split /\n/, sql("select jsonb_build_object('what', what, 'status', status_code, 'error', error_msg,"
		  . " 'content', content) from sent join net._http_response using (id) order by what"))
	{
		my $row = JSON::PP::decode_json($_);
		my $what = $row->{what};
		my $seen = eval { JSON::PP::decode_json($row->{content}) } // {};
		my %lower = map { lc($_) => $seen->{headers}{$_} } keys %{ $seen->{headers} // {} };

		is($row->{status}, 200, "$what: status") or diag($row->{error});
		is_deeply(
			{
				method => $seen->{method}, body => $seen->{body}, type => $lower{'content-type'},
				language => $lower{'content-language'}, secret => $lower{authorization}
			},
			$expected{$what}, $what);
		is($lower{'x-other'}, 'kept', "$what: other headers");
	}
	sql('drop table sent');
};

subtest 'HEAD stays HEAD' => sub {
	for my $status (301, 302, 303, 307, 308)
	{
		my $row = answer('HEAD', via("$elsewhere/echo/head/$status", $status));
		is($row->{status_code}, 200, "$status: status");
		is($row->{content}, '', "$status: no body");
		is_deeply([ map { $_->[1] } $other->arrivals_of("/echo/head/$status") ], ['HEAD'], "$status: method");
	}
};

subtest 'what is no redirect is the answer' => sub {
	for my $status (300, 304, 305, 306)
	{
		is(answer('GET', via("$base/echo/never", $status))->{status_code}, $status, "status $status");
	}
	is(answer('GET', "$base/status/302")->{status_code}, 302, 'one that leads nowhere');
	is($server->arrivals_of('/echo/never') + 0, 0, 'nothing else is sent');
};

subtest 'how many' => sub {
	my $row = answer('GET', "$base/redirect/3", max_redirects => 0);
	is($row->{status_code}, 302, '0: the redirect is the answer');
	is($row->{content}, "elsewhere\n", 'with its body');
	is($row->{headers}{Location}, '/redirect/2', 'and where to');
	is(answer('GET', "$base/redirect/3", max_redirects => 3)->{status_code}, 200, '3 of 3');
	refused(answer('GET', "$base/redirect/3", max_redirects => 2), qr/^Number of redirects hit maximum amount: 2$/, '3 of 2');
	is(answer('GET', "$base/redirect/30")->{status_code}, 200, '30 by default');
	refused(answer('GET', "$base/redirect/31"), qr/^Number of redirects hit maximum amount: 30$/, '31');
	refused(answer('GET', "$base/redirect-loop"), qr/Number of redirects/, 'a loop');

	sql('alter system set pg_net.max_redirects = 0');
	$node->reload;
	wait_for('the reload', sub { answer('GET', "$base/redirect/1")->{status_code} == 302 });
	is(answer('GET', "$base/redirect/3", max_redirects => 3)->{status_code}, 200, 'a request has its own number');
	is(request($node, "select net.http_get('$base/redirect/1')")->{status_code}, 302, 'others have that of the server');
	sql('alter system reset pg_net.max_redirects');
	$node->reload;
	wait_for('the reload', sub { answer('GET', "$base/redirect/1")->{status_code} == 200 });
};

subtest 'locations' => sub {
	# the digits of the server's escapes in a relative reference; from 8.20 on
	# libcurl writes them large (curl issue 21524)
	my $escapes = libcurl_version() < 0x081400 ? '%c3%a9' : '%C3%A9';
	my %target = (
		'/echo/absolute?x=1' => '/echo/absolute?x=1',
		'echo/relative' => '/echo/relative',
		'?url=/echo/query' => '/echo/query',
		'//127.0.0.1:' . $server->port . '/echo/network' => '/echo/network',
		'/echo/a b' => '/echo/a%20b',
		'/echo/blanks?a b=c d&e+f' => '/echo/blanks?a%20b=c%20d&e+f',
		"/echo/\xc3\xa9?\xc3\xa9=%c3%a9" => "/echo/%C3%A9?%C3%A9=$escapes",
		"http://127.0.0.1:@{[$server->port]}/echo/absolute?%c3%a9" => '/echo/absolute?%c3%a9',
		'/echo/../echo/./dots' => '/echo/dots',
		'/echo/fragment#part' => '/echo/fragment',
		'HTTP://127.0.0.1:' . $server->port . '/echo/capitals' => '/echo/capitals');
	for my $location (sort keys %target)
	{
		is(echo('GET', via($location))->{target}, $target{$location}, $location);
	}
	my $row = answer('GET', via("$elsewhere/echo/final?a=b") . '#kept');
	is($row->{final_url}, "$elsewhere/echo/final?a=b#kept", 'the final URL, with the fragment of the first');
	$row = answer('GET', via('#done'), max_redirects => 1);
	like($row->{error_msg}, qr/^Number of redirects/, 'a fragment leads to the same URL');
	is($server->arrivals_of(qr{^/redirect-to\?url=%23done&status=302$}) + 0, 2, 'with its path and its query');
};

subtest 'where no redirect leads' => sub {
	refused(answer('GET', via('file:///etc/passwd')), qr/^redirect to a scheme that is not supported: file$/, 'file:');
	refused(answer('GET', via('ftp://127.0.0.1/')), qr/not supported: ftp$/, 'ftp:');
	refused(answer('GET', via('gopher://127.0.0.1/')), qr/not supported: gopher$/, 'gopher:');
	for my $location ('javascript:alert(1)', 'mailto:a@b', 'urn:isbn:1', 'my.app+x-1:', 'MAILTO:x', 'data:text/plain,x', 'localhost:80/')
	{
		my ($scheme) = $location =~ /^([^:]+)/;
		refused(answer('GET', via($location)), qr/^redirect to a scheme that is not supported: \Q$scheme\E$/, $location);
	}
	refused(answer('GET', via('http:echo')), qr/^redirect to an invalid URL: /, 'no slashes');
	refused(answer('GET', via('http://')), qr/^redirect to an invalid URL: /, 'no host');
	refused(answer('GET', via('http://127.0.0.1:99999/')), qr/^redirect to an invalid URL: /, 'no port');
	refused(answer('GET', via("$base/echo/down", 302, "$https/backend")),
		qr/^redirect from https to http, to host 127\.0\.0\.1$/, 'from https to http');
	is($server->arrivals_of('/echo/down') + 0, 0, 'nothing is sent there');
	is(answer('GET', via("$https/tiny"))->{status_code}, 200, 'but from http to https');
	is(answer('GET', via('/backend/echo', 302, "$https/backend"))->{status_code}, 200, 'and within https');
};

# Every name that is a credential, and some that are none.
my @secret = ('Authorization', 'Cookie', 'Cookie2', 'Proxy-Authorization', 'apikey', 'API_KEY', 'X-API-Key', 'x-functions-key',
	'X-Auth-Token', 'PRIVATE-TOKEN', 'X-Amz-Security-Token', 'X-Vault-Token', 'Ocp-Apim-Subscription-Key', 'X-Hub-Signature',
	'X-Csrf-Token', 'AccessKey', 'App.Secret', 'X-Password', 'X-Session', 'X-JWT');
my @open = ('Accept', 'X-Author', 'X-Keyboard', 'Idempotency-Key', 'X-Request-Id', 'traceparent', 'Authority', 'X-Tokens');
my $all = JSON::PP->new->canonical->encode({ map { $_ => 's3cret' } @secret, @open, 'X-Mine', 'x-yours' });

subtest 'credentials' => sub {
	my $seen = echo('GET', via('/echo/same'), headers => "'$all'");
	is($seen->{lower}{ lc $_ }, 's3cret', "$_ goes to the same origin") for @secret, @open;

	$seen = echo('GET', via("$elsewhere/echo/other"), headers => "'$all'");
	is($seen->{lower}{ lc $_ }, undef, "$_ does not go to another") for @secret;
	is($seen->{lower}{ lc $_ }, 's3cret', "$_ does") for @open, 'X-Mine', 'x-yours';

	$seen = echo('GET', via("$elsewhere/echo/marked"), headers => "'$all'", same_origin_headers => "array['x-mine', null, 'X-Yours']");
	is($seen->{lower}{$_}, undef, "$_, which the caller marked, does not") for 'x-mine', 'x-yours', 'authorization';
	$seen = echo('GET', via('/echo/marked'), headers => "'$all'", same_origin_headers => "array['x-mine']");
	is($seen->{lower}{'x-mine'}, 's3cret', 'but to the same origin');

	$seen = echo('GET', via(via("$base/echo/back", 302, $elsewhere)), headers => "'$all'");
	is($seen->{target}, '/echo/back', 'to another origin and back');
	is($seen->{lower}{ lc $_ }, undef, "$_ has stayed behind") for 'Authorization', 'X-API-Key';

	(my $by_name = $base) =~ s/127\.0\.0\.1/localhost/;
	$seen = echo('GET', via("$by_name/echo/name"), headers => "'$all'");
	is($seen->{lower}{authorization}, undef, 'another name is another origin');
	$seen = echo('GET', via('/backend/echo/tls', 302, "$https/backend"), headers => "'$all'");
	is($seen->{lower}{authorization}, 's3cret', 'https: the same origin');
	$seen = echo('GET', via("$https/backend/echo/up"), headers => "'$all'");
	is($seen->{lower}{authorization}, undef, 'https is another origin than http');
};

subtest 'Host' => sub {
	my $seen = echo('GET', via('/echo/host'), headers => q('{"Host": "named.example"}'));
	is($seen->{lower}{host}, 'named.example', 'is kept within the origin');
	$seen = echo('GET', via("$elsewhere/echo/host"), headers => q('{"Host": "named.example"}'));
	is($seen->{lower}{host}, '127.0.0.1:' . $other->port, 'is that of another one');
};

subtest 'user and password in the URL' => sub {
	(my $with_user = $base) =~ s{//}{//me:s3cret@};
	my $basic = 'Basic bWU6czNjcmV0';
	is(echo('GET', "$with_user/echo")->{lower}{authorization}, $basic, 'are sent');
	is(echo('GET', via('/echo', 302, $with_user))->{lower}{authorization}, $basic, 'to the same origin, relative');
	is(echo('GET', via("$base/echo", 302, $with_user))->{lower}{authorization}, $basic, 'and absolute');
	is(echo('GET', via("$elsewhere/echo", 302, $with_user))->{lower}{authorization}, undef, 'but not to another');
	is(echo('GET', via(via("$base/echo", 302, $elsewhere), 302, $with_user))->{lower}{authorization}, undef, 'nor on the way back');
	(my $there = $elsewhere) =~ s{//}{//you:theirs@};
	is(echo('GET', via("$there/echo", 302, $with_user))->{lower}{authorization}, 'Basic eW91OnRoZWlycw==', 'a redirect may have its own');
};

subtest 'the timeout is for the whole chain' => sub {
	my $row = answer('GET', via('/hang'), timeout_milliseconds => 700);
	is($row->{timed_out}, JSON::PP::true, 'timed out');
	like($row->{error_msg}, qr/^Timeout of 700 ms reached\. Total time: (\d+)/, 'error');
	my ($total) = $row->{error_msg} =~ /Total time: (\d+)/;
	cmp_ok($total, '>=', 700, 'the total is that of the chain');
};

subtest 'the body of a redirect' => sub {
	my $row = answer('GET', via('/echo/after') . '&padding=1', max_response_bytes => 1000);
	is($row->{status_code}, 200, 'is no part of the answer');
	unlike($row->{content}, qr/elsewhere/, 'nor of its content');
};

subtest 'many at once' => sub {
	sql("create table many as select i, net.http_request('POST', '$base/redirect-to?status=307&url=$elsewhere/echo/' || i, body := i::text,"
		  . " timeout_milliseconds := @{[LONG_MS]}) as id from generate_series(1, 500) as i");
	wait_for('500 responses', sub { sql('select count(*) from many join net._http_response using (id)') == 500 });
	is(sql("select count(*) filter (where content::json ->> 'body' = i::text and content::json ->> 'path' = '/echo/' || i)"
		  . " from many join net._http_response using (id)"), 500, 'each to its own');
	sql('drop table many');
};

$node->stop;
done_testing();
