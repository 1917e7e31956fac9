# contrib/prometheus: what it has is well-formed and of one piece, and with the
# exporter and the Prometheus of Debian, alerts fire and clear.

use strict;
use warnings;

use File::Basename qw(dirname);
use HTTP::Tiny;
use IPC::Run ();
use JSON::PP qw(decode_json);
use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

for (qw(prometheus promtool prometheus-sql-exporter))
{
	plan(skip_all => "$_ is not installed") unless has_tool($_);
}

my $root = dirname(__FILE__) . '/../..';
my $contrib = "$root/contrib/prometheus";
my $dir = PostgreSQL::Test::Utils::tempdir('prometheus');
my %text = map { m{([^/]+)$}; $1 => slurp_file($_) } glob "$contrib/*";
my @alerts = $text{'rules.yml'} =~ /- alert: (\w+)/g;

# The queries of a configuration, by name, without their indentation.
sub queries
{
	my ($config) = @_;
	my %queries = $config =~ /- (?:query_)?name: (\w+)\n(?:(?!\s*- (?:query_)?name: ).*\n)*?\s+query: \|\n((?:\s+\S.*\n)+?)(?=\n|\s*- |\z)/g;
	s/^\s+//mg for values %queries;
	return \%queries;
}

# Every name of a metric or a rule of ours in a text.
sub names { my %names = map { $_ => 1 } $_[0] =~ /\b(pg_net[_:][a-z0-9_:]+)\b(?=[\s{\[)]|$)/gm; return sort keys %names }

# Run promtool.
sub promtool { my ($what, @command) = @_; my ($out, $err); my $ok = IPC::Run::run([ 'promtool', @command ], '>', \$out, '2>', \$err); return ok($ok, $what) || diag($out, $err) }

subtest 'promtool' => sub {
	promtool('the rules', 'check', 'rules', "$contrib/rules.yml");
	promtool('the configuration', 'check', 'config', "$contrib/prometheus.yml");
	promtool('when alerts fire', 'test', 'rules', "$contrib/alerts_test.yml");
};

subtest 'alerts' => sub {
	my $operations = slurp_file("$root/docs/operations.md");
	for my $alert (@alerts)
	{
		my ($rule) = $text{'rules.yml'} =~ /(- alert: $alert\n.*?)(?=\n\s*(?:#|- alert:)|\z)/s;
		like($rule, qr/severity: \w+\n.*summary: '.+'\n.*description: '.+'\n/s, "$alert says what is wrong");
		my ($heading) = $rule =~ m{runbook_url: docs/operations\.md#(.+)};
		like($operations, qr/^#+ \Q$heading\E$/im, 'and where to read on');
		like($operations, qr/`$alert`/, 'is there');
		like($text{'alerts_test.yml'}, qr/alertname: $alert\n\s+exp_alerts:\n/, 'and is tested');
	}
	my %ours = map { $_ => 1 } @alerts;
	is_deeply([ grep { !$ours{$_} } $operations =~ /`(PgNet\w+)`/g ], [], 'no others are described');
};

my $dashboard = decode_json($text{'dashboard.json'});
my @expressions;
subtest 'the dashboard' => sub {
	my (%ids, %taken);
	for my $panel (@{ $dashboard->{panels} })
	{
		my ($title, $grid) = ("panel $panel->{title}", $panel->{gridPos});
		ok(!$ids{ $panel->{id} }++, "$title has its own id");
		ok($grid->{x} + $grid->{w} <= 24, 'is within the grid');
		my @places = map { my $y = $_; map { "$_ $y" } $grid->{x} .. $grid->{x} + $grid->{w} - 1 } $grid->{y} .. $grid->{y} + $grid->{h} - 1;
		is((grep { $taken{$_}++ } @places), 0, 'lies on no other');
		push @expressions, map { $_->{expr} } @{ $panel->{targets} // [] };
	}
	my %variables = map { $_->{name} => 1 } @{ $dashboard->{templating}{list} };
	is_deeply([ grep { !$variables{$_} && !/^__/ } $text{'dashboard.json'} =~ /\$\{?(\w+)/g ], [], 'it has its variables');
};

subtest 'two exporters' => sub {
	my $ours = queries($text{'sql-exporter.yml'});
	my $theirs = queries(join "\n", map { $text{$_} } grep { /collector/ } sort keys %text);
	is_deeply($theirs, $ours, 'they have the same queries');
	is(scalar keys %$ours, scalar(() = $text{'sql-exporter.yml'} =~ /query: \|/g), 'all of them');
};

my $node = new_node('prometheus');
my $server = start_http_server();
my ($exporter_port, $port) = map { PostgreSQL::Test::Cluster::get_free_port() } 1 .. 2;
my %daemon;
END { local $?; $_->kill_kill for values %daemon }

# The files as they are, but for places, and times that a test can wait for.
my $connection = "postgres://net_exporter\@/postgres?host=@{[$node->host]}&port=@{[$node->port]}&";
append_to_file("$dir/sql-exporter.yml", $text{'sql-exporter.yml'} =~ s/postgres:.*?&/$connection/gr =~ s/interval: \S+/interval: 1s/gr);
append_to_file("$dir/prometheus.yml", $text{'prometheus.yml'} =~ s/localhost:9237/127.0.0.1:$exporter_port/r =~ s/(interval): \S+/$1: 1s/gr);
append_to_file("$dir/rules.yml", $text{'rules.yml'} =~ s/for: \S+/for: 0s/gr =~ s/> (?:300|900)/> 2/gr =~ s/\[\d+m\]/[6s]/gr);

sub start
{
	my ($name, @command) = @_;
	return $daemon{$name} = IPC::Run::start([ $name, @command ], '<', \undef, '>', "$dir/$name.log", '2>&1', init => sub { $ENV{LOGLEVEL} = 'WARN' });
}

# What Prometheus answers; undef while it does not.
sub api
{
	my ($path, %query) = @_;
	my $answer = HTTP::Tiny->new(timeout => 10)->get("http://127.0.0.1:$port/api/v1/$path?" . HTTP::Tiny->new->www_form_urlencode(\%query));
	return undef unless $answer->{success};
	return decode_json($answer->{content})->{data};
}

# A value by PromQL, or undef.
sub value { my $data = api('query', query => $_[0]); return $data->{result}[0]{value}[1] }

# The alerts of this name that fire, each as its labels.
sub firing { my ($alert) = @_; return map { $_->{labels} } grep { $_->{labels}{alertname} eq $alert && $_->{state} eq 'firing' } @{ (api('alerts') // {})->{alerts} // [] } }

sub wait_firing { my ($alert, $fires) = @_; wait_for("$alert to be $fires", sub { (firing($alert) > 0) == $fires }); return pass("$alert " . ($fires ? 'fires' : 'clears')) }

my $base = $server->url;
sql($text{'README.md'} =~ /```sql\n(.*?)```/s);
sql(qq(insert into net.endpoint (name, url, back_off) values ('shop', '$base/status/200', false), ('slow', '$base/slow', true)));
sql(q(create function called(r net._http_response) returns void language sql as 'select'));
start('prometheus-sql-exporter', '-config.file', "$dir/sql-exporter.yml", '-web.listen-address', "127.0.0.1:$exporter_port");
start('prometheus', "--config.file=$dir/prometheus.yml", "--storage.tsdb.path=$dir/data", "--web.listen-address=127.0.0.1:$port", '--log.level=warn');

subtest 'columns' => sub {
	my $queries = queries($text{'sql-exporter.yml'});
	my %columns;
	for (map { $text{$_} } grep { /collector/ } keys %text)
	{
		push @{ $columns{$3} }, split(/, /, $1), "$2::float8" while /key_labels: \[(.*)\]\n\s+values: \[(.*)\]\n\s+query_ref: (\w+)/g;
	}
	is_deeply([ sort keys %columns ], [ sort keys %$queries ], 'each query is used');
	for my $name (sort keys %columns)
	{
		ok(defined try_sql('set role net_exporter', ';', "select @{[join ', ', @{ $columns{$name} }]} from ($queries->{$name}) as q"), "$name has the columns of its metrics");
	}
};

subtest 'metrics' => sub {
	wait_for('the exporter', sub { defined value('pg_net_endpoint_attempts_total') });
	sql("select net.http_request('GET', 'net://shop', callback := 'called') from generate_series(1, 10)");
	wait_for('metrics', sub { (value('pg_net_worker_requests_done_total') // 0) == 10 && defined value('pg_net:endpoint_failures:ratio_rate5m') && defined value('pg_net_activity_requests') });
	is(value('pg_net_worker_processes{datname="postgres"}'), 1, 'a worker');
	is(value('pg_net_endpoint_attempts_total{datname="postgres",endpoint="shop",outcome="2xx"}'), 10, 'attempts by outcome');
	is(value('sum without (outcome) (pg_net_endpoint_attempts_total{endpoint="shop"})'), 10, 'their sum');
	is(value('pg_net_endpoint_response_seconds_bucket{endpoint="shop",le="+Inf"}'), 10, 'how long they took');
	is(value('pg_net_endpoint_state{endpoint="shop",state="ok"}'), 1, 'a state');
	is(value('pg_net_activity_requests{state="waiting"}'), 0, 'the queue');
	is(value('count(pg_net_worker_short_of{resource="ports"} == 0)'), 1, 'resources');
	cmp_ok(abs(value('time() - pg_net_endpoint_last_success_timestamp_seconds{endpoint="shop"}')), '<', 60, 'times are those of Unix');
	is(value('count({__name__=~"pg_net_.*", col!=""} or {__name__=~"pg_net_.*", sql_job!=""})'), undef, 'no labels that say nothing');

	my %series = map { $_ => 1 } grep { /^pg_net/ } @{ api('label/__name__/values') };
	my @collected = map { /metric_name: (\w+)/g } map { $text{$_} } grep { /collector/ } keys %text;
	my @records = $text{'rules.yml'} =~ /record: (\S+)/g;
	is_deeply([ sort keys %series ], [ sort @collected, @records ], 'both exporters name them alike');
	is_deeply([ grep { !$series{$_} } names($text{'rules.yml'}) ], [], 'rules have no others');
	is_deeply([ grep { !$series{$_} } names(join "\n", @expressions) ], [], 'the dashboard has no others');

	for my $expression (map { s/\$__rate_interval/6s/gr =~ s/\$\w+/.*/gr } @expressions)
	{
		ok(api('query', query => $expression), $expression);
	}
	unlike(slurp_file("$dir/prometheus-sql-exporter.log"), qr/"level":"(?:warn|error)"/, 'the exporter has nothing to complain of');
};

subtest 'an endpoint fails' => sub {
	is_deeply([ map { firing($_) } @alerts ], [], 'at first no alert') or diag(explain(api('alerts')));
	sql(q(update net.endpoint set url = 'http://127.0.0.1:1/' where name = 'shop'));
	sql(q(select net.http_request('GET', 'net://shop', retry := '{1ms}') from generate_series(1, 5)));
	wait_firing($_, 1) for qw(PgNetEndpointFailing PgNetEndpointErrors PgNetGivenUp);
	my ($failing) = firing('PgNetEndpointFailing');
	is("$failing->{datname} $failing->{endpoint}", 'postgres shop', 'it is named');
	is(value('pg_net_activity_requests{state="gave up"}'), 5, 'what was given up');

	sql(qq(update net.endpoint set url = '$base/status/204' where name = 'shop'));
	sql(q(select net.resend(id) from net.http_request_queue));
	wait_firing('PgNetEndpointFailing', 0);
};

subtest 'a pause, a worker that stands still, no connection' => sub {
	my $pid = current_worker($node);
	sql(q(update net.endpoint set paused = true where name = 'slow'));
	kill 'STOP', $pid;
	sql("select net.http_get('$base/status/200')");
	wait_firing($_, 1) for qw(PgNetEndpointPaused PgNetQueueOld);
	kill 'CONT', $pid;
	sql(q(update net.endpoint set paused = false where name = 'slow'));
	sql('alter role net_exporter nologin');
	sql(q(select pg_terminate_backend(pid) from pg_stat_activity where usename = 'net_exporter'));
	wait_firing('PgNetMetricsMissing', 1);
	sql('alter role net_exporter login');
	wait_firing($_, 0) for qw(PgNetMetricsMissing PgNetEndpointPaused PgNetQueueOld PgNetGivenUp PgNetEndpointErrors);
	is_deeply([ map { firing($_) } @alerts ], [], 'at last no alert') or diag(explain(api('alerts')));
};

done_testing();
