# Endpoints that pg_net pauses: when nothing has succeeded for a while, and when
# the receiver says that it is gone.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $server = start_http_server();
my $node = new_node('pause', conf => "pg_net.callback_timeout = '1s'");
my $base = $server->url;
my $well = PostgreSQL::Test::Utils::tempdir() . '/well';

# An endpoint of its own for each case: what else it has.
sub endpoint
{
	my ($name, %more) = @_;
	my $url = delete $more{url} // "$base/status/503";
	$more{retry} //= 'array_fill(interval \'100 ms\', \'{50}\')';
	$more{back_off} //= 'false';
	sql("insert into net.endpoint (" . join(', ', 'name', 'url', sort keys %more) . ") values (" . join(', ', "'$name'", "'$url'", map { $more{$_} } sort keys %more) . ')');
	return;
}

sub queue { my ($url, %args) = @_; return sql("select net.http_request('GET', '$url'" . join('', map { ", $_ := $args{$_}" } sort keys %args) . ')') }
sub is_paused { my ($name) = @_; return sql("select paused from net.endpoint where name = '$name'") eq 't' }
sub wait_paused { my ($name) = @_; return wait_sql("select paused from net.endpoint where name = '$name'") }
sub reason { my ($name) = @_; return sql("select coalesce(pause_reason, 'none') from net.endpoint where name = '$name'") }

subtest 'nothing has succeeded' => sub {
	endpoint('ops', url => "$base/echo", retry => q('{}'));
	sql(q(create trigger tell_ops after update of paused on net.endpoint
		for each row when (new.paused) execute function net.webhook('net://ops', 'columns=name,pause_reason')));
	my $offset = -s $node->logfile;
	endpoint('shop', pause_after => q('1 s'));
	my ($id, $began) = split /\|/, sql(q(select net.http_request('GET', 'net://shop'), clock_timestamp() at time zone 'UTC'));
	wait_paused('shop');
	my ($since) = reason('shop') =~ /^no success since (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S*): 503$/;
	ok($since, 'it says since when, and the last failure') or diag(reason('shop'));
	cmp_ok(sql("select abs(extract(epoch from '$since'::timestamptz - '$began+00'::timestamptz))"), '<', 3, 'since the first one');
	ok(log_contains($node, qr/WARNING:  endpoint "shop" is paused: no success since .*: 503\n.*HINT:  .*UPDATE net.endpoint SET paused = false WHERE name = 'shop'/s, $offset), 'so does the log');
	my $told = wait_for('the trigger', sub { sql(q(select (content::jsonb->>'body')::jsonb->'record'->>'pause_reason' from net._http_response where url = 'net://ops')) });
	is($told, reason('shop'), 'a trigger tells somebody');

	my $arrived = () = $server->arrivals_of(qr/503/);
	my $later = queue('net://shop?later');
	is_served($server, 'another one, meanwhile');
	is(scalar $server->arrivals_of(qr/later/), 0, 'its requests wait');
	sql("update net.endpoint set paused = false, url = '$base/echo' where name = 'shop'");
	is(wait_response($node, $_)->{status_code}, 200, 'until it is well again') for $id, $later;
	like(reason('shop'), qr/503$/, 'why it was paused stays');
};

subtest 'something has succeeded' => sub {
	endpoint('half', url => "$base", pause_after => q('2 s'));
	queue('net://half/status/503');
	for (1 .. 15)
	{
		wait_response($node, queue('net://half/echo'));
		sleep 0.2;
	}
	ok(!is_paused('half'), 'not paused while some succeed');

	endpoint('careful', retry => q('{1200ms,1200ms,50ms,50ms,50ms}'), pause_after => q('1 s'));
	queue('net://careful');
	sleep 3;
	ok(!is_paused('careful'), 'nor if it was hardly tried');

	endpoint('quick', url => "$base/wait?file=$well.never", pause_after => q('1 s'));
	queue('net://quick', timeout_milliseconds => 50);
	endpoint('slow', url => "$base/wait?file=$well.never", pause_after => q('1 s'), timeout_milliseconds => 200);
	queue('net://slow');
	wait_paused('slow');
	like(reason('slow'), qr/^no success since .*: .*[Tt]ime/, 'timeouts of its own pause it');
	ok(!is_paused('quick'), 'short ones of a caller do not');

	endpoint('picky', url => "$base/status/404", retry_all => 'true', pause_after => q('1 s'));
	endpoint('plain', url => "$base/status/404", pause_after => q('1 s'));
	queue("net://$_") for qw(picky plain plain);
	wait_paused('picky');
	like(reason('picky'), qr/: 404$/, 'any other status is a failure with retry_all');
	endpoint('never');
	queue('net://never');
	wait_sql(q(select count(*) from net.http_request_queue where url = 'net://never' and jsonb_array_length(failures) > 12), 1);
	ok(!is_paused($_), "$_ is not") for qw(plain never);
};

subtest 'gone' => sub {
	endpoint('old', url => "$base/status/410", pause_after => q('1 day'), retry_all => 'true');
	queue('net://old/elsewhere?x=1');
	queue('net://old?x=1');
	wait_sql(q(select count(*) from net.http_request_queue where url like 'net://old%' and gave_up is not null), 2);
	ok(!is_paused('old'), 'something below it is gone');
	queue('net://old');
	wait_paused('old');
	like(reason('old'), qr/^gone since .*: 410$/, 'all of it is gone');
	endpoint('older', url => "$base/status/410", retry_all => 'true');
	queue('net://older');
	wait_sql(q(select count(*) from net.http_request_queue where url like 'net://older' and gave_up is not null), 1);
	ok(!is_paused('older'), 'not where it is never paused');
};

# What a session does holds up the pause, and not the requests of others.
subtest 'locks' => sub {
	# each with a name of its own: nothing fails before the lock is there
	for my $case ([ 'row', "select from net.endpoint where name = 'row' for update" ], [ 'table', 'lock table net.endpoint in share mode' ])
	{
		my ($name, $lock) = @$case;
		endpoint($name, pause_after => q('500 ms'), retry => q(array_fill(interval '50 ms', '{50}')));
		my $session = $node->background_psql('postgres');
		$session->query_safe("begin; $lock");
		my $id = queue("net://$name", callback => 'null');
		my $answered = sql("select net.http_get('$base/echo')");
		wait_sql("select count(*) from net.http_request_queue where url = 'net://$name' and jsonb_array_length(failures) > 15", 1);
		is(wait_response($node, $answered)->{status_code}, 200, 'a request is sent');
		ok(!is_paused($name), 'it is not paused yet');
		$session->query_safe('commit');
		$session->quit;
		wait_paused($name);
		pass("paused after: $lock");
		sql("delete from net.endpoint where name = '$name'");
	}
};

subtest 'a trigger that fails' => sub {
	sql(<<'END');
create role app nologin;
create table called (id bigint, by name default current_user);
grant insert on called to app;
create function note(r net._http_response) returns void language sql as 'insert into public.called (id) values (r.id)';
create function refuse() returns trigger language plpgsql as $$ begin raise 'not today'; end $$;
create function hang() returns trigger language plpgsql as $$ begin perform pg_sleep(100); return new; end $$;
END
	for my $what (qw(refuse hang))
	{
		my $offset = -s $node->logfile;
		sql("create trigger refuse before update on net.endpoint for each row execute function $what()");
		endpoint("such-$what", pause_after => q('500 ms'));
		queue("net://such-$what");
		wait_for('the log', sub { log_contains($node, qr/could not pause endpoint "such-$what": (not today|canceling statement)/, $offset) });
		ok(log_contains($node, qr/tries again every minute/, $offset), 'the log says when it tries again');
		my $id = sql('set role app;', "select net.http_request('GET', '$base/echo', callback := 'note')");
		wait_sql("select count(*) from called where id = $id and by = 'app'", 1);
		pass("others' functions are called, meanwhile");
		ok(!is_paused("such-$what"), 'it is not paused');
		sql("drop trigger refuse on net.endpoint; delete from net.endpoint where name = 'such-$what'");
	}
};

like(failure("insert into net.endpoint (name, url, pause_after) values ('x', '$base', '0')"), qr/endpoint_pause_after_check/, 'no time');
like(failure("insert into net.endpoint (name, url) values (repeat('x', 201), '$base')"), qr/endpoint_name_check/, 'a name that is too long');
endpoint('x' x 200, pause_after => q('500 ms'));
queue('net://' . 'x' x 200);
wait_paused('x' x 200);

done_testing();
