# PgNetTest.pm -- what the TAP tests of pg_net share.
#
# Servers to send requests to, a PostgreSQL node that runs the extension, and
# ways to wait.  Nothing here sleeps for a fixed time: everything polls until
# a deadline.  Servers are stopped when the test ends, however it ends.

package PgNetTest;

use strict;
use warnings;

use Carp qw(croak);
use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use IO::Socket::INET;
use IPC::Run ();
use JSON::PP ();
use List::Util qw(min);
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(
  start_http_server
  start_http2_server
  start_tls_server
  start_idle_server
  start_bad_network
  start_nginx
  full_listener
  new_node
  has_library
  libcurl_version
  sql
  sql_in
  try_sql
  failure
  wait_for
  wait_sql
  wait_queue_empty
  wait_response
  request
  is_served
  create_databases
  current_worker
  next_worker
  log_contains
  has_tool
  is_alive
  children_of
  process_memory
);

# What is waited for comes about at once, or takes its time.
use constant FIRST_POLL_SECONDS => 0.005;
use constant LAST_POLL_SECONDS => 0.05;

my $lib_dir = dirname(abs_path(__FILE__));

# What END stops: code to run, by a name of its own.
my %to_stop;
my $owner = $$;

# The node that new_node() made last.
my $last_node;

# While a condition is waited for: its sessions, by node and database.
our $sessions;

# An interrupted test runs END too, rather than leave nginx and nodes behind.
$SIG{INT} = $SIG{TERM} = sub { die "ended by SIG$_[0]\n" };

# Start test/lib/http_server on a free port of 127.0.0.1, or with these
# further options.
#
# Returns an object with the fields url, port, pid and log, and the methods
# arrivals() and stop().
sub start_http_server
{
	my $server = start_server('http_server', @_);

	$server->{url} = "http://127.0.0.1:$server->{port}";
	return $server;
}

# Start test/lib/http2_server with a certificate, NAME.pem and NAME.key, or with
# these further options; skip all when python has no HPACK.
#
# Returns an object as start_http_server() does.
sub start_http2_server
{
	my ($certificate, @options) = @_;
	my $server;

	plan(skip_all => 'python3-hpack is not installed')
	  if system(q(python3 -c 'import hpack' 2>/dev/null)) != 0;
	$server = start_server('http2_server', '--tls' => $certificate, @options);
	$server->{url} = "https://localhost:$server->{port}";
	return $server;
}

# Start test/lib/tls_server with these certificates, as its --serve has them; the
# method ports() gives their ports.
sub start_tls_server
{
	return start_server('tls_server', map { ('--serve' => $_) } @_);
}

# Start test/lib/idle_server with a certificate, NAME.pem and NAME.key; the method
# ports() gives lines of a port and what happens to idle connections there.
sub start_idle_server
{
	my ($certificate) = @_;
	return start_server('idle_server', '--tls' => $certificate);
}

# Start test/lib/bad_network, with these options; the method ports() gives its
# ports, in order.
sub start_bad_network { return start_server('bad_network', @_) }

# Start one of the servers that test/lib has, and wait until it listens.
sub start_server
{
	my ($name, @options) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir($name);
	my $server = bless { log => "$dir/log" }, 'PgNetTest::HttpServer';

	$server->{pid} = spawn("$lib_dir/$name",
		'--port-file' => "$dir/port",
		'--log' => $server->{log},
		'--die-with-parent',
		@options);
	$to_stop{$server} = sub { $server->stop };

	wait_for(
		'the HTTP server to listen',
		sub {
			die "the HTTP server did not start\n" if $server->has_exited;
			return -s "$dir/port";
		});
	$server->{ports} = [ split /\n/, slurp_file("$dir/port") ];
	$server->{port} = $server->{ports}[0];
	return $server;
}

# Start nginx, for TLS and HTTP/2; see test/lib/nginx-server.
#
# Options: backend (a port to which /backend/... is passed on).
#
# Returns a hash: http_port, https_port, h2_port, wrong_host_port,
# expired_port, client_port, tls12_port, ca_file, tls_dir and socket.
sub start_nginx
{
	my (%opts) = @_;
	local $ENV{NGINX_BACKEND_PORT} = $opts{backend} // '';
	my $dir = PostgreSQL::Test::Utils::tempdir('nginx');

	# as nginx-server needs them
	for (qw(nginx openssl))
	{
		next if has_tool($_);
		plan(skip_all => "$_ is not installed");
	}
	$to_stop{$dir} = sub { system("$lib_dir/nginx-server", 'stop', $dir) };
	system_or_bail("$lib_dir/nginx-server", 'start', $dir);

	my %env = slurp_file("$dir/env") =~ /^NGINX_(\w+)=(.*)$/mg;
	return map { lc($_) => $env{$_} } keys %env;
}

# A socket that listens on 127.0.0.1 and is full: who connects gets no answer,
# until one is accepted.  It, and those it is full of.
sub full_listener
{
	my $listener = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "could not listen: $!\n";

	# it holds as many as it lets wait, and one
	listen $listener, 0;
	return ($listener, map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $listener->sockport, Blocking => 0) } 1 .. 2);
}

# Create and start a node with the extension in the database postgres, and its
# worker running.  It is the one of sql() from now on.
#
# Options: preload (shared_preload_libraries, 'pg_net'), conf (lines for
# postgresql.conf, which come last), no_extension (do not create it, and do
# not wait for the worker), init (arguments of the node's init, a hash).
sub new_node
{
	my ($name, %opts) = @_;
	my $preload = $opts{preload} // 'pg_net';
	my $conf = $opts{conf} // '';

	BAIL_OUT('PostgreSQL does not run as root: take another user, or make test, which does so') unless $>;
	my $node = PostgreSQL::Test::Cluster->new($name);

	my %init = %{ $opts{init} // {} };

	# Tests must not depend on the locale and the name of whoever runs them.
	$ENV{PGUSER} = 'postgres';
	$node->init(
		%init,
		extra => [
			'--encoding=UTF8', '--locale=C', '--username=postgres',
			@{ $init{extra} // [] }
		]);
	$node->append_conf('postgresql.conf', <<"END");
shared_preload_libraries = '$preload'
pg_net.database_name = 'postgres'
$conf
END
	$node->start;
	$last_node = $node;

	unless ($opts{no_extension})
	{
		$node->safe_psql('postgres', 'create extension pg_net');
		$node->safe_psql('postgres', 'select net.wait_until_running()');
	}
	return $node;
}

# Which libcurl pg_net is built with, as LIBCURL_VERSION_NUM has it.
sub libcurl_version
{
	my $command = $ENV{CURL_CONFIG} // 'curl-config';
	return hex(`$command --vernum`);
}

# Is a library installed for the server, such as another extension's?
sub has_library
{
	my ($name) = @_;
	my ($dir) = run_command([ 'pg_config', '--pkglibdir' ]);
	return -e "$dir/$name.so";
}

# Run SQL in the database postgres of the node that new_node() made last, and
# return what psql -At prints.  Dies if it fails.  Parts are joined by newlines.
sub sql { return sql_in('postgres', @_) }

# As sql(), in this database of that node, or of the node that comes before it.
sub sql_in
{
	my $node = ref $_[0] ? shift : $last_node;
	my ($database, @parts) = @_;
	$database //= 'postgres';
	my $sql = join "\n", @parts;
	my @statements = Session::statements($sql) or return $node->safe_psql($database, $sql);

	# what several do to their session, such as SET ROLE, ends with it
	local $sessions if @statements > 1;
	my $printed = eval {
		my $session = session($node, $database);
		join '', map { $session->query($_) } @statements;
	};

	croak $@ . 'while running: ' . substr $sql, 0, 1000 unless defined $printed;
	chomp $printed;
	return $printed;
}

# A session in a database of a node: a new one, or that of the condition that is
# waited for, if it is still open.
sub session
{
	my ($node, $database) = @_;
	my $key = $node->name . " $database";

	return Session->new($node, $database) unless $sessions;
	$sessions->{$key} = Session->new($node, $database) unless $sessions->{$key} && $sessions->{$key}->is_open;
	return $sessions->{$key};
}

# As sql(), or sql_in() of a node and a database; undef when it fails, as while
# the server is down.
sub try_sql
{
	my @arguments = ref $_[0] ? @_ : ('postgres', @_);
	return eval { sql_in(@arguments) };
}

# Run SQL that fails in a database (postgres) of the node that new_node() made
# last, and return its messages, with SQLSTATE.
sub failure
{
	my ($sql, $database, $node) = @_;
	my ($rc, $stdout, $stderr) = ($node // $last_node)->psql($database // 'postgres', "\\set VERBOSITY verbose\n$sql");
	return $rc == 3 ? $stderr : "did not fail: $stdout";
}

# Poll until the condition, a sub, is true, and return its value.
# Dies when that takes longer than the timeout, in seconds.
#
# Statements of the condition share a session for each database, which ends with
# the wait.
sub wait_for
{
	my ($what, $condition, $timeout) = @_;
	local $sessions = $sessions // {};
	$timeout //= $PostgreSQL::Test::Utils::timeout_default;
	my $deadline = time + $timeout;
	my $rest = FIRST_POLL_SECONDS;

	while (1)
	{
		my $value = $condition->();
		return $value if $value;
		die "waited $timeout s in vain for $what\n" if time > $deadline;
		sleep $rest;
		$rest = min(2 * $rest, LAST_POLL_SECONDS);
	}
}

# Wait until a statement prints what is expected ('t') in a database (postgres),
# also while the server cannot be asked.
sub wait_sql
{
	my ($sql, $expected, $database) = @_;
	$expected //= 't';
	return wait_for("$sql to be $expected", sub { (try_sql($last_node, $database // 'postgres', $sql) // 'no answer') eq $expected });
}

# Wait until nothing is queued in a database (postgres).
sub wait_queue_empty
{
	my ($database) = @_;
	return wait_sql('select not exists (select from net.http_request_queue)', 't', $database);
}

# Wait for the response to the request with this id, and return its row of
# net._http_response as a hash.  The database is postgres unless given.
sub wait_response
{
	my ($node, $id, $timeout, $database) = @_;
	$database //= 'postgres';
	die "not a request id: '" . ($id // 'undef') . "'\n"
	  unless defined $id && $id =~ /^\d+$/;

	my $row = wait_for(
		"the response to request $id",
		sub { sql_in($node, $database, "select row_to_json(r) from net._http_response r where id = $id") },
		$timeout);
	return JSON::PP::decode_json($row);
}

# Run SQL that queues one request and returns its id, and wait for the
# response.
sub request
{
	my ($node, $sql, $timeout, $database) = @_;
	my $id = sql_in($node, $database // 'postgres', $sql);
	return wait_response($node, $id, $timeout, $database);
}

# A test: is a request of a database (postgres) answered with 200?
sub is_served
{
	my ($server, $what, $database) = @_;
	my $row = request($last_node, "select net.http_get('@{[ $server->url ]}/echo/served', timeout_milliseconds := 60000)", undef, $database);
	return is($row->{status_code}, 200, $what);
}

# Create databases with the extension.
sub create_databases
{
	sql("create database $_") for @_;
	sql_in($_, 'create extension pg_net') for @_;
	return;
}

# Wait for a worker to be connected to a database (postgres), and return its pid.
sub current_worker
{
	my ($node, $database) = @_;
	return next_worker($node, 0, $database);
}

# Wait for a worker other than the one with this pid, and return its pid.
sub next_worker
{
	my ($node, $old_pid, $database) = @_;
	$database //= 'postgres';
	return wait_for(
		"a worker other than $old_pid",
		sub {
			sql_in($node, 'postgres',
				"select pid from pg_stat_activity"
				  . " where backend_type = 'pg_net worker'"
				  . " and application_name = 'pg_net' and datname = '$database' and pid <> $old_pid");
		});
}

# Does the server log match, from this offset (0) on?  Take an offset with
# -s $node->logfile before the deed.
sub log_contains
{
	my ($node, $regex, $offset) = @_;
	return slurp_file($node->logfile, $offset // 0) =~ $regex;
}

# Is a program installed?  Programs of the system's administrator count.
sub has_tool
{
	my ($name) = @_;

	return scalar grep { -x "$_/$name" } split(/:/, $ENV{PATH}), qw(/usr/local/sbin /usr/sbin /sbin);
}

# The state of a process, a letter, and the pid of its parent; nothing when
# there is no such process.
sub process
{
	my ($pid) = @_;

	open my $stat, '<', "/proc/$pid/stat" or return;
	# the name, in parentheses, may be anything
	my ($state, $parent) = (<$stat> // '') =~ /.*\) (\S) (\d+) /s;
	return ($state, $parent);
}

# Does the process with this pid run?  One that has ended may be a zombie for a
# while, where init is slow to bury orphans.
sub is_alive
{
	my ($pid) = @_;
	my ($state) = process($pid);

	return defined $state && $state !~ /[ZX]/;
}

# The pids of the children of a process.
sub children_of
{
	my ($pid) = @_;

	return grep { ((process($_))[1] // -1) == $pid } map { m{(\d+)$} } glob '/proc/[0-9]*';
}

# Of a process, in MB: a field of /proc/PID/status, such as its own memory,
# RssAnon; undef if that is unknown.
sub process_memory
{
	my ($pid, $field) = @_;
	my $status = "/proc/$pid/status";

	return undef unless -r $status;
	return slurp_file($status) =~ /^$field:\s*(\d+) kB/m ? $1 / 1024 : undef;
}

# Run a program in the background and return its pid.
sub spawn
{
	my @command = @_;
	my $pid = fork // die "could not fork: $!\n";
	return $pid if $pid;

	open STDIN, '<', '/dev/null';
	# Not exit: the END blocks are the parent's.
	exec { $command[0] } @command or POSIX::_exit(127);
}

END
{
	# Take care not to change the script's exit status.
	my $status = $?;
	if ($$ == $owner)
	{
		$_->() for values %to_stop;
	}
	$? = $status;
}

package PgNetTest::HttpServer;

# The requests that have arrived, in order, each as
# [unix time, method, target, X-Request-Id, Idempotency-Key or '-'].
sub arrivals
{
	my ($self) = @_;
	my $new = PostgreSQL::Test::Utils::slurp_file($self->{log}, $self->{seen} // 0) // '';

	# a line may be half written
	$new =~ s/[^\n]*\z//;
	$self->{seen} += length $new;
	push @{ $self->{arrivals} }, map { [ split /\t/, $_, 4 ] } split /\n/, $new;
	return @{ $self->{arrivals} };
}

# The arrivals with this target (a regex matches part of it); in scalar
# context, how many.
sub arrivals_of
{
	my ($self, $target) = @_;
	return grep { ref $target ? $_->[2] =~ $target : $_->[2] eq $target }
	  $self->arrivals;
}

# The targets that arrived and match a regex, sorted.
sub targets
{
	my ($self, $regex) = @_;
	my @targets = sort map { $_->[2] } $self->arrivals_of($regex);
	return @targets;
}

# Wait until that many (1) requests with this target have arrived, and return
# them.
sub wait_arrivals
{
	my ($self, $target, $count, $timeout) = @_;
	$count //= 1;
	PgNetTest::wait_for("$count arrivals of $target",
		sub { $self->arrivals_of($target) >= $count }, $timeout);
	return $self->arrivals_of($target);
}

# Stop the server, if it still runs.
sub stop
{
	my ($self) = @_;
	return if $self->has_exited;
	kill 'TERM', $self->{pid};
	waitpid $self->{pid}, 0;
	$self->{exited} = 1;
	return;
}

# Has the server stopped, for whatever reason?
sub has_exited
{
	my ($self) = @_;
	$self->{exited} ||= waitpid($self->{pid}, POSIX::WNOHANG()) != 0;
	return $self->{exited};
}

sub url { return $_[0]{url} }
sub port { return $_[0]{port} }
sub ports { return @{ $_[0]{ports} } }
sub pid { return $_[0]{pid} }
sub log { return $_[0]{log} }

1;
