# Rows of the queue that cannot be read: each gets a response that says why,
# and those beside and behind it have their turn.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LONG_MS => 170_000;

my $server = start_http_server();
my $url = $server->url;
my $node = new_node('broken_rows');

# Insert rows that are not sent until somebody wakes the worker; their ids by
# name.  A row is a name and the SQL of its headers and body.
sub insert
{
	my ($group, @rows) = @_;
	my %ids;

	for (@rows)
	{
		my ($name, $headers, $body) = @$_;
		$ids{$name} = sql('insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)'
			  . " values ('POST', '$url/echo/$group/$name', $headers, $body, @{[LONG_MS]}) returning id");
	}
	return %ids;
}

# All but the broken ones have an answer, and those an error that says why.
sub only_broken_fail
{
	my ($group, $broken, $why, %ids) = @_;

	for my $name (sort keys %ids)
	{
		my $row = wait_response($node, $ids{$name});
		if ($name =~ $broken)
		{
			is($row->{status_code}, undef, "$group: $name is not sent");
			like($row->{error_msg}, qr/^the row of this request could not be read: $why/, "$group: $name has an error");
		}
		else
		{
			is($row->{status_code}, 200, "$group: $name is answered");
		}
		is(scalar $server->arrivals_of("/echo/$group/$name"), $name =~ $broken ? 0 : 1, "$group: arrivals of $name");
	}
	is(sql('select count(*) from net.http_request_queue'), '0', "$group: the queue is empty");
	return;
}

subtest 'a value that does not fit the type of its column' => sub {
	sql('alter table net.http_request_queue alter headers type text');

	# A read that waited for that lock is tried again row by row, and says
	# nothing of those that are broken: let it be over.
	my %before = insert('cast', [ 'before', 'null', 'null' ]);
	sql('select net.wake()');
	wait_response($node, $before{before});

	my $start = -s $node->logfile;
	my %ids = insert('cast',
		[ 'first', q('{"a": "b"}'), 'null' ],
		[ 'broken', q('{"a":'), 'null' ],
		[ 'second', 'null', 'null' ],
		[ 'broken too', q('no'), 'null' ],
		[ 'last', q('{}'), 'null' ]);
	sql('select net.wake()');
	only_broken_fail('cast', qr/broken/, 'invalid input syntax for type json', %ids);
	is(scalar(() = slurp_file($node->logfile, $start) =~ /WARNING:  pg_net could not read the queue/g), 1,
		'one line in the log');
	is(scalar(() = slurp_file($node->logfile, $start) =~ /LOG:  pg_net can read the queue again/g), 1,
		'and one when it can');
	sql('alter table net.http_request_queue alter headers type jsonb using headers::jsonb');
};

subtest 'bodies the disk has lost' => sub {
	# one that is read at once, one that is loaded when its turn comes
	my %ids = insert('disk',
		[ 'first', 'null', 'null' ],
		[ 'broken', 'null', q(convert_to(repeat('x', 20000), 'UTF8')) ],
		[ 'second', 'null', q('\x61') ],
		[ 'broken, large', 'null', q(convert_to(repeat('x', 200000), 'UTF8')) ],
		[ 'last', 'null', 'null' ]);
	my $file = $node->data_dir . '/' . sql('select pg_relation_filepath(reltoastrelid) from pg_class'
		  . " where oid = 'net.http_request_queue'::regclass");

	$node->stop;
	my $size = -s $file;
	open my $toast, '+<', $file or die "$file: $!\n";
	print $toast "\0" x $size or die "$file: $!\n";
	close $toast or die "$file: $!\n";
	$node->start;

	only_broken_fail('disk', qr/broken/, 'missing chunk number 0', %ids);
};

is(request($node, "select net.http_get('$url/echo/after')")->{status_code}, 200, 'the next request is answered');
$node->stop;
done_testing();
