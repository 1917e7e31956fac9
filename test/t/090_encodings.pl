# Delivery in databases of other encodings: the log of failures, parts of
# responses, messages, contexts, callbacks and webhooks.

use strict;
use warnings;

use JSON::PP qw(decode_json);
use MIME::Base64 qw(encode_base64);
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = start_http_server();
my $node = new_node('encodings');
my $base = $server->url;
my ($db, $encoding);

# A character that all of them have, and one that some have not; in UTF-8.
my $e = "\xc3\xa9";
my $sun = "\xe6\x97\xa5";

# Text of the database as an expression of SQL, and the other way round; here it
# is UTF-8, or bytes where the database has no encoding.
sub quoted { return "convert_from('\\x" . unpack('H*', $_[0]) . "', 'UTF8')" }

sub value_of
{
	my ($expression, $from) = @_;
	my $to = $encoding eq 'SQL_ASCII' ? 'SQL_ASCII' : 'UTF8';
	my $hex = sql_in($db, "select encode(convert_to($expression, '$to'), 'hex') from $from");
	return pack 'H*', $hex;
}

# The same of the response to a request, once it is there.
sub response_to
{
	my ($id, $expression) = @_;
	wait_sql("select count(*) from net._http_response where id = $id", 1, $db);
	return value_of("coalesce($expression, '(null)')", "net._http_response where id = $id");
}

# Where a response has this status, fields and body; it ends early if it has
# another length.
sub bytes_url
{
	my ($status, $fields, $body, $length) = @_;
	$length //= length $body;
	my $base64 = encode_base64("HTTP/1.1 $status X\r\nContent-Length: $length\r\n$fields\r\n$body", '') =~ tr{+/}{-_}r =~ s/=+$//r;
	return "$base/bytes?base64=$base64";
}

# Queue a request, with arguments of http_request; its id.
sub call
{
	my ($url, %args) = @_;
	my $method = delete $args{method} // 'GET';
	return sql_in($db, "select net.http_request('$method', '$url'" . join('', map { ", $_ := $args{$_}" } sort keys %args) . ')');
}

sub logs
{
	my $utf8 = "Content-Type: text/plain; charset=utf-8\r\n";
	my $latin1 = "Content-Type: text/plain; charset=iso-8859-1\r\n";
	my $has_sun = $encoding ne 'LATIN1';
	my $is_bytes = $encoding eq 'SQL_ASCII';

	# what the body is, where it is, and what the log has of it
	my %logged = (
		'UTF-8' => [ bytes_url(503, $utf8, "caf$e"), "caf$e" ],
		'ISO-8859-1' => [ bytes_url(503, $latin1, "caf\xe9"), $is_bytes ? "caf\xe9" : "caf$e" ],
		'no text' => [ bytes_url(503, '', "\0\xff"), '(null)' ],
		'of another alphabet' => [ bytes_url(503, $utf8, "$sun"), $has_sun ? $sun : '(null)' ],
		'long' => [ bytes_url(503, $utf8, 'x' . $e x 1500), 'x' . $e x ($is_bytes ? 499 : 999) ],
		'cut in two' => [ bytes_url(200, $utf8, "caf\xc3", 99), 'caf' ],
		'cut where it may be' => [ bytes_url(200, $utf8, "caf$e", 99), "caf$e" ]);
	my %ids = map { $_ => call($logged{$_}[0], retry => "'{1ms}'") } sort keys %logged;
	for (sort keys %logged)
	{
		is(response_to($ids{$_}, "failures->0->>'body'"), $logged{$_}[1], "a body that is $_");
		is(response_to($ids{$_}, "failures->1->>'body'"), $logged{$_}[1], '... and the next one');
		like(response_to($ids{$_}, 'error_msg'), qr/^gave up after 2 attempts: (503|Transferred a partial file)/, '... and the error');
		like(value_of('status || message', "net._http_collect_response($ids{$_})"), qr/^ERRORgave up after 2 attempts: /, '... and its message');
	}

	my $long = call(bytes_url(200, $utf8 . "X-Sun: $sun\r\nX-Bytes: \xe9\r\n", 'x' . $e x 1500, 4000), retry => "'{1ms}'");
	is(response_to($long, "failures->1->>'body'"), 'x' . $e x 1500, 'a part of a response, whole');
	is(response_to($long, "failures->0->>'body'"), 'x' . $e x ($is_bytes ? 499 : 999), 'which is shorter when it is no longer the newest');
	my $of_bytes = response_to($long, "failures->1->'headers'->>'X-Bytes'");
	is($of_bytes, $is_bytes ? "\xe9" : $e, 'a header field of ISO-8859-1');
	ok(sql_in($db, "select (failures::text)::jsonb = failures from net._http_response where id = $long") eq 't', 'the log can be read');
	return;
}

sub results
{
	sql_in($db, 'create table seen (id bigint, note text)');
	sql_in($db, "do \$\$ begin execute format('create function %I(r net._http_response) returns void language plpgsql as %L', " . quoted("pr${e}t")
		  . ", 'begin insert into seen values (r.id, r.context->>''k''); if r.status_code = 404 then raise exception ''%'', ''x'' || repeat(r.context->>''k'', 1500); end if; end'); end \$\$");
	my %args = (callback => quoted("pr${e}t"), context => "jsonb_build_object('k', " . quoted("caf$e") . ')', retry => "'{1h}'", method => 'POST', ordering_key => quoted("cl$e"));
	my $called = call("$base/echo", %args);
	my $failed = call("$base/status/404", %args);
	wait_sql("select count(*) from net._http_response where called is not null and id in ($called, $failed)", 2, $db);
	is(value_of("string_agg(id || note, ' ')", 'seen'), "${called}caf$e", 'a function is called, with the context');
	is(response_to($called, 'callback'), "public.\"pr${e}t\"", 'which the response has, quoted');
	is(response_to($called, 'callback_error'), '(null)', 'without an error');
	my $message = response_to($failed, 'callback_error');
	is($message, 'x' . ($encoding eq 'SQL_ASCII' ? "caf$e" x 199 . 'caf' : "caf$e" x 249 . 'caf'), 'an error that it raises is cut after a character');
	is(value_of("context->>'k'", "net.await(array[$called])"), "caf$e", 'await has the context');
	is(sql_in($db, "select (response).status_code from net._http_collect_response($called)"), 200, 'and collect the response');
	is(value_of("message", "net._http_collect_response(0)"), 'request_id 0 not found', 'and its messages');
	like(failure("select net.http_request('GET', '$base/', callback := " . quoted("n${e}ant") . ')', $db), qr/42883: function .*n\S+ant.* does not exist/, 'a function that is not there');

	sql_in($db, "insert into net.endpoint (name, url, keep_bytes) values ('few', '$base', 4)");
	for my $cut ([ "caf$e" => 'caf' ], [ "ca${e}s" => "ca$e" ])
	{
		my $base64 = encode_base64($cut->[0], '') =~ tr{+/}{-_}r =~ s/=+$//r;
		is(response_to(call("net://few/body?base64=$base64"), 'content'), $cut->[1], 'keep_bytes leaves whole characters');
	}
	return;
}

sub webhooks
{
	my $hook = sub { return "execute format('create trigger hook after insert on %I for each row execute function net.webhook(%s)', t, " . quoted($_[0]) . ")" };
	sql_in($db, "do \$\$ declare t text := " . quoted("t$e") . "; begin execute format('create table %I (id int, %I text)', t, t); "
		  . $hook->("'$base/echo/row', 'ordering_key=t$e', 'columns=t$e'") . "; end \$\$");
	my $payload = sub {
		sql_in($db, "do \$\$ begin execute format('insert into %I values (1, %L)', " . quoted("t$e") . ', ' . quoted("caf$e") . '); end $$');
		my $id = sql_in($db, 'select last_value from net.http_request_queue_id_seq');
		# what the server says is JSON, too
		my $body = decode_json(response_to($id, 'content'))->{body};
		utf8::encode($body);
		return decode_json($body);
	};
	utf8::decode(my $name = "t$e");
	utf8::decode(my $value = "caf$e");
	my $sent = $payload->();
	is_deeply($sent->{record}, { $name => $value }, 'a webhook sends UTF-8');
	is($sent->{table}, $name, 'names, too');

	sql_in($db, "do \$\$ declare t text := " . quoted("t$e") . "; begin execute format('drop trigger hook on %I', t); "
		  . $hook->("'$base/echo/event', 'format=cloudevents'") . "; end \$\$");
	$sent = $payload->();
	is($sent->{source}, "/$db/public/t%C3%A9", 'CloudEvents: the source');
	is($sent->{type}, "public.$name.insert", 'the type');
	is($sent->{data}{record}{$name}, $value, 'and the data');

	return unless $encoding eq 'SQL_ASCII';
	like(failure("do \$\$ begin execute format('insert into %I values (1, %L)', " . quoted("t$e") . ", E'caf\\351'); end \$\$", $db),
		qr/22021: invalid byte sequence for encoding "UTF8": 0xe9/, 'what cannot be sent as UTF-8 is an error of the statement');
	return;
}

for ('UTF8', 'LATIN1', 'EUC_JP', 'SQL_ASCII')
{
	$encoding = $_;
	$db = 'in_' . lc $encoding;
	subtest $encoding => sub {
		sql("create database $db encoding '$encoding' locale 'C' template template0");
		sql_in($db, $_) for 'create extension pg_net', 'select net.set_durable(true)';
		subtest 'the log' => \&logs;
		subtest 'results' => \&results;
		subtest 'webhooks' => \&webhooks;
	};
}

subtest 'a role with a name of another encoding' => sub {
	($db, $encoding) = ('in_latin1', 'LATIN1');
	sql_in($db, q(do $$ begin execute format('create role %I login superuser', 'r' || chr(233)); end $$));
	($db, $encoding) = ('in_utf8', 'UTF8');
	my $id = call("$base/flaky/role?fails=1", retry => "'{1h}'");
	wait_sql("select due > now() from net.http_request_queue where id = $id", 't', $db);
	sql_in($db, "update net.http_request_queue set gave_up = now() where id = $id");
	{
		local $ENV{PGUSER} = "r\xe9";
		is(sql_in($db, "select net.resend($id)"), 't', 'it sends a request again');
	}
	is(response_to($id, "failures->1->>'role'"), "r$e", 'and the log is valid text');
};

$node->stop;
done_testing();
