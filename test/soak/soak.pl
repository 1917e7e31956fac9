# Does anything grow while the same mixed load goes on?  make soak
#
# SECONDS (3600) bounds it.  Sampled are the worker's memory and descriptors and
# the size of both tables, with indexes and TOAST.
#
# A burst comes first, so that what is kept for the next requests is as much as
# it can become, and a quarter of the time to warm up.  The rest is cut into
# slices, and a line is fitted to the least value of each: a busy moment passes,
# but what leaks is there at the quietest, too.  The line's rise must stay below
# a tenth of the mean, or below a bound for what is small anyway.

use strict;
use warnings;

use IPC::Run ();
use List::Util qw(max sum);
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $seconds = $ENV{PGNET_SOAK_SECONDS} || 3600;
my $samples = max(20, min(240, int($seconds / 15)));
use constant SESSIONS => 2;
use constant IN_FLIGHT => 50;
use constant BURST => 5000;
use constant SLICES => 10;

# By name: the unit, and a rise that says nothing.  As many connections as may
# be in use stay open, idle, and how many there are depends on the moment.
my %measures = (
	memory => [ ' kB', 1024 ],
	descriptors => [ '', IN_FLIGHT + 5 ],
	queue => [ ' kB', 512 ],
	responses => [ ' kB', 2048 ]);
my @names = qw(memory descriptors queue responses);

sub min { return $_[0] < $_[1] ? $_[0] : $_[1] }

my $server = start_http_server();
my $base = $server->url;
my $node = new_node('soak', conf => <<"END");
pg_net.ttl = '15 seconds'
pg_net.max_in_flight = @{[IN_FLIGHT]}
autovacuum_naptime = 5
log_statement = none
log_checkpoints = off
log_autovacuum_min_duration = -1
END
my $worker = current_worker($node);

# A session that queues one request after the other until it is told to stop.
# Most are plain, as in life.
sql(<<"END");
create table soak_stop ();
create procedure soak() language plpgsql as \$\$
declare
  base constant text := '$base';
  targets constant text[] := array['/', '/healthz', '/echo/get', '/', '/echo/x?y=z', '/', '/huge?bytes=30000',
    '/binary', '/latin1', '/gzip', '/chunked', '/trailers', '/duplicate-headers', '/many-headers?count=100',
    '/redirect/2', '/status/404', '/status/500', '/close', '/close-after', '/disconnect',
    '/disconnect-mid-body', '/malformed-header', '/not-http', '/reset', '/many-headers?count=2000'];
  i integer := 0;
begin
  loop
    i := i + 1;
    if i % 10 = 0 then
      perform net.http_post(base || '/echo/post', jsonb_build_object('n', i, 'fill', repeat('x', i % 5000)));
    elsif i % 101 = 0 then
      perform net.http_get(base || '/hang', timeout_milliseconds := 300);
    elsif i % 103 = 0 then
      perform net.http_get('http://127.0.0.1:1/refused');
    elsif i % 211 = 0 then
      perform net.http_get('http://no-such-host.invalid/');
    elsif i % 213 = 0 then
      perform net.http_get('https://127.0.0.1:' || substring(base from '[0-9]+\$') || '/no-tls');
    else
      perform net.http_get(base || targets[1 + i % array_length(targets, 1)],
                           headers := jsonb_build_object('X-Number', i));
    end if;
    commit;
    perform pg_sleep(0.01);
    exit when i % 50 = 0 and exists (select from soak_stop);
  end loop;
end
\$\$;
END

sql("select net.http_get('$base/delay/0.2') from generate_series(1, @{[IN_FLIGHT]})");
sql("select net.http_get('$base/', timeout_milliseconds := 100000) from generate_series(1, @{[BURST]})");
wait_queue_empty();

my @sessions = map {
	my $out = '';
	IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-v', 'ON_ERROR_STOP=1', '-c', 'call soak()' ],
		'<', \undef, '>&', \$out);
} 1 .. SESSIONS;

# What is measured, now.
sub take_sample
{
	my ($memory) = slurp_file("/proc/$worker/status") =~ /^RssAnon:\s+(\d+) kB/m;
	my @descriptors = glob "/proc/$worker/fd/*";
	my ($queue, $responses, $sent) = split /\|/, sql(<<'END');
select pg_total_relation_size('net.http_request_queue') / 1024,
       pg_total_relation_size('net._http_response') / 1024,
       coalesce((select last_value from pg_sequences where schemaname = 'net'), 0)
END
	return {
		at => time,
		memory => $memory,
		descriptors => scalar @descriptors,
		queue => $queue,
		responses => $responses,
		sent => $sent
	};
}

my $start = time;
my @taken;
for my $number (1 .. $samples)
{
	sleep 0.1 while time < $start + $number * $seconds / $samples;
	push @taken, take_sample();
}
sql('insert into soak_stop default values');
$_->finish for @sessions;
wait_queue_empty();
is(current_worker($node), $worker, 'by one worker');

# The slope of the line that fits values best, by time in seconds.
sub slope
{
	my ($times, $values) = @_;
	my $mean_time = sum(@$times) / @$times;
	my $mean = sum(@$values) / @$values;

	return sum(map { ($times->[$_] - $mean_time) * ($values->[$_] - $mean) } 0 .. $#$times)
	  / sum(map { ($_ - $mean_time)**2 } @$times);
}

my $format = "%6s %9s %10s %11s %9s %12s\n";
my @lines = sprintf $format, 'second', 'requests', 'memory kB', 'descriptors', 'queue kB', 'responses kB';
my $step = max(1, int(@taken / 20));
push @lines, map { sprintf $format, int($_->{at} - $start), @$_{ 'sent', @names } }
  map { $taken[$_] } grep { $_ % $step == 0 || $_ == $#taken } 0 .. $#taken;
diag(join '', "\n", @lines);

my @after = grep { $_->{at} - $start > $seconds / 4 } @taken;
my $length = $after[-1]{at} - $after[0]{at};
my @slices;
push @{ $slices[ min(SLICES - 1, int(SLICES * ($_->{at} - $after[0]{at}) / $length)) ] }, $_ for @after;
@slices = grep { defined } @slices;

# The sample of a slice with the least of something.
sub least
{
	my ($name, @some) = @_;
	return (sort { $a->{$name} <=> $b->{$name} } @some)[0];
}

for my $name (@names)
{
	my ($unit, $bound) = @{ $measures{$name} };
	my @least = map { least($name, @$_) } @slices;
	my @times = map { $_->{at} } @least;
	my @values = map { $_->{$name} } @least;
	my $mean = sum(@values) / @values;
	my $rise = slope(\@times, \@values) * $length;
	my $allowed = max($bound, $mean / 10);

	my $flat = cmp_ok($rise, '<=', $allowed, "$name: flat");
	diag(sprintf '%s: mean %.0f%s, rises by %.1f in %.0f s (allowed: %.0f): %s',
		$name, $mean, $unit, $rise, $length, $allowed, $flat ? 'flat' : 'NOT FLAT');
}

$node->stop;
done_testing();
