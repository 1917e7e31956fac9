# Every way to commit sends, at once, exactly what was committed.
#
# 010_promises.pl has rollback, savepoints, exception blocks and PREPARE
# TRANSACTION.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LONG_MS => 170_000;

my $server = start_http_server();
my $url = $server->url;
my $node = new_node('transactions', conf => 'max_logical_replication_workers = 4');

# The SQL that queues a GET of /echo/ and the value of an expression.
sub get
{
	my ($expression) = @_;
	return "net.http_get('$url/echo/' || $expression, timeout_milliseconds := @{[LONG_MS]})";
}

# Exactly these targets of /echo/NAME/ arrive, once each, without anybody
# waking the worker.
sub sent
{
	my ($name, @expected) = @_;
	my $regex = qr{^/echo/$name/};

	wait_for("requests of $name", sub { $server->arrivals_of($regex) >= @expected }) if @expected;
	is(request($node, 'select ' . get("'sentinel/$name'"))->{status_code}, 200, "$name: one that comes after them");
	is_deeply([ sort map { $_->[2] =~ s{$regex}{}r } $server->arrivals_of($regex) ], [ sort @expected ],
		"$name: what was committed, once each");
	return;
}

subtest 'procedures' => sub {
	sql(<<"END");
create procedure steps(name text) language plpgsql as \$\$
begin
	for i in 1 .. 6 loop
		perform @{[ get("name || '/' || i") ]};
		if i % 3 = 0 then rollback; else commit; end if;
	end loop;
	begin
		perform @{[ get("name || '/failed'") ]};
		raise exception 'no';
	exception when others then
		perform @{[ get("name || '/handled'") ]};
	end;
end
\$\$;
END
	sql("call steps('procedure')");
	sent('procedure', 1, 2, 4, 5, 'handled');

	# More subtransactions than a process remembers.
	sql(<<"END");
do \$\$
begin
	for i in 1 .. 150 loop
		begin
			perform @{[ get("'blocks/' || i") ]};
			if i % 50 <> 0 then raise exception 'no'; end if;
		exception when raise_exception then
		end;
	end loop;
end
\$\$
END
	sent('blocks', 50, 100, 150);
};

subtest 'triggers at commit' => sub {
	sql(<<"END");
create table orders (id int primary key, name text);
create function notify_order() returns trigger language plpgsql as \$\$
begin
	perform @{[ get("new.name || '/' || new.id") ]};
	return null;
end
\$\$;
create constraint trigger notify_order after insert on orders
	deferrable initially deferred for each row execute function notify_order();
END
	sql("begin; insert into orders values (1, 'deferred'), (2, 'deferred'); rollback");
	sql("begin; insert into orders values (3, 'deferred'); savepoint s; insert into orders values (4, 'deferred');"
		  . " rollback to s; insert into orders values (5, 'deferred'); commit");
	sent('deferred', 3, 5);
	sql("begin; insert into orders values (6, 'immediate'); set constraints all immediate; commit");
	sent('immediate', 6);
	sql('drop table orders');
};

subtest 'parallel plans' => sub {
	my $force = $node->pg_version >= 16 ? 'debug_parallel_query' : 'force_parallel_mode';
	my $parallel = "set $force = on; set parallel_setup_cost = 0; set parallel_tuple_cost = 0;"
	  . ' set min_parallel_table_scan_size = 0; set max_parallel_workers_per_gather = 4;';

	sql('create table many (i int); insert into many select generate_series(1, 2000); analyze many');
	like(sql("$parallel explain select count(*) from many where i % 2 = 0"), qr/Gather/, 'the table is read in parallel');
	is(sql("$parallel select count(" . get("'parallel/' || i") . ') from many where i <= 40'), '40', 'a query that might be parallel');
	is(sql("$parallel select count(*) from many where i <= 10 and " . get("'filter/' || i") . ' > 0 and i % 2 = 0'),
		'5', 'one that queues while it chooses rows');
	cmp_ok(sql("select count(*) from many where i <= 10"), '==', 10, 'and goes on');

	# A function that is declared safe and is not.
	sql('create function liar(name text) returns bigint language plpgsql parallel safe as $$ begin return '
		  . get('name') . '; end $$');
	my ($rc, undef, $stderr) = $node->psql('postgres', "$parallel select liar('liar/' || i) from many where i <= 20");
	isnt($rc, 0, 'a function that is declared parallel safe is refused');
	like($stderr, qr/parallel/, 'for that');
	sent('liar');
	sent('parallel', 1 .. 40);
	sql('drop table many');
};

subtest 'cursors' => sub {
	my $session = $node->background_psql('postgres');

	$session->query_safe('begin');
	$session->query_safe('declare c no scroll cursor for select ' . get("'cursor/' || i") . ' from generate_series(1, 10) as i');
	$session->query_safe('fetch 3 from c');
	sent('cursor');
	$session->query_safe('commit');
	sent('cursor', 1 .. 3);

	# What is held is computed when its transaction commits.
	$session->query_safe('begin');
	$session->query_safe('declare h no scroll cursor with hold for select ' . get("'held/' || i") . ' from generate_series(1, 10) as i');
	$session->query_safe('fetch 3 from h');
	$session->query_safe('commit');
	sent('held', 1 .. 10);
	$session->query_safe('fetch all from h');
	sent('held', 1 .. 10);

	# One that reads the queue keeps a snapshot and a lock.
	sql('select ' . get("'before-cursor'"));
	$session->query_safe('begin');
	$session->query_safe('declare q cursor for select * from net.http_request_queue, generate_series(1, 1000)');
	$session->query_safe('fetch 1 from q');
	sql('select ' . get("'open/' || i") . ' from generate_series(1, 20) as i');
	sent('open', 1 .. 20);
	$session->query_safe('rollback');
	$session->quit;
};

subtest 'a row that is deleted while its request is in flight' => sub {
	my $gate = PostgreSQL::Test::Utils::tempdir('gate') . '/open';
	my $target = "/wait?file=$gate";
	my ($deleted, $kept) = split /\n/, sql("select net.http_get('$url$target', timeout_milliseconds := @{[LONG_MS]}) from generate_series(1, 2)");

	$server->wait_arrivals($target, 2);
	sql("delete from net.http_request_queue where id = $deleted");
	sql('select net.wake()');
	append_to_file($gate, '');
	is(wait_response($node, $_)->{status_code}, 200, 'has its answer') for $kept, $deleted;
	sql('select net.wake()');
	sent('deleted');
	is(sql("select count(*) from net._http_response where id in ($deleted, $kept)"), '2', 'one response each');
	my $worker = current_worker($node);
	sql('select net.worker_restart()');
	next_worker($node, $worker);
	sent('deleted-restarted');
	is(scalar $server->arrivals_of($target), 2, 'and nothing is sent again');
};

subtest 'logical replication' => sub {
	my $publisher = PostgreSQL::Test::Cluster->new('publisher');

	$publisher->init(allows_streaming => 'logical', extra => [ '--encoding=UTF8', '--locale=C', '--username=postgres' ]);
	$publisher->start;
	sql_in($_, 'postgres', 'create table orders (id int primary key, name text)') for $publisher, $node;
	sql_in($publisher, 'postgres', "insert into orders values (1, 'copied'), (2, 'copied'); create publication p for table orders");
	sql('create trigger notify_order after insert on orders for each row execute function notify_order()',
		'; alter table orders enable always trigger notify_order');
	sql("create subscription s connection '" . ($publisher->connstr('postgres') =~ s/'//gr) . "' publication p");
	sent('copied', 1, 2);

	# Not one at a time: the worker of the subscription queues and commits.
	sql_in($publisher, 'postgres', "insert into orders values ($_, 'applied')") for 3 .. 5;
	sql_in($publisher, 'postgres', "begin; insert into orders values (6, 'applied'); rollback");
	sql_in($publisher, 'postgres', "insert into orders select i, 'applied' from generate_series(7, 30) as i");
	sent('applied', 3 .. 5, 7 .. 30);
	sql('drop subscription s');
	$publisher->stop;
};

$node->stop;
done_testing();
