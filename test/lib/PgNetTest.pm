# PgNetTest.pm -- what the TAP tests of pg_net share.
#
# Servers to send requests to, a PostgreSQL node that runs the extension, and
# ways to wait.  Nothing here sleeps for a fixed time: everything polls until
# a deadline.  Servers are stopped when the test ends, however it ends.

package PgNetTest;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use IO::Socket::INET;
use IPC::Run ();
use JSON::PP ();
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(
  start_http_server
  start_nginx
  full_listener
  new_node
  has_library
  libcurl_version
  wait_for
  wait_response
  request
  try_query
  current_worker
  next_worker
  log_contains
  has_tool
  is_alive
  children_of
);

use constant POLL_SECONDS => 0.02;

my $lib_dir = dirname(abs_path(__FILE__));

# What END stops: code to run, by a name of its own.
my %to_stop;
my $owner = $$;

# An interrupted test runs END too, rather than leave nginx and nodes behind.
$SIG{INT} = $SIG{TERM} = sub { die "ended by SIG$_[0]\n" };

# Start test/lib/http_server on a free port of 127.0.0.1, or with these
# further options.
#
# Returns an object with the fields url, port, pid and log, and the methods
# arrivals() and stop().
sub start_http_server
{
	my @options = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir('http_server');
	my $server = bless { log => "$dir/log" }, 'PgNetTest::HttpServer';

	$server->{pid} = spawn("$lib_dir/http_server",
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
	chomp($server->{port} = slurp_file("$dir/port"));
	$server->{url} = "http://127.0.0.1:$server->{port}";
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
# worker running.
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

# Poll until the condition, a sub, is true, and return its value.
# Dies when that takes longer than the timeout, in seconds.
sub wait_for
{
	my ($what, $condition, $timeout) = @_;
	$timeout //= $PostgreSQL::Test::Utils::timeout_default;
	my $deadline = time + $timeout;

	while (1)
	{
		my $value = $condition->();
		return $value if $value;
		die "waited $timeout s in vain for $what\n" if time > $deadline;
		sleep POLL_SECONDS;
	}
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
		sub {
			$node->safe_psql($database,
				"select row_to_json(r) from net._http_response r where id = $id");
		},
		$timeout);
	return JSON::PP::decode_json($row);
}

# Run SQL that queues one request and returns its id, and wait for the
# response.
sub request
{
	my ($node, $sql, $timeout, $database) = @_;
	my $id = $node->safe_psql($database // 'postgres', $sql);
	return wait_response($node, $id, $timeout, $database);
}

# What SQL prints in the database postgres; undef when it fails, as while the
# server is down.
sub try_query
{
	my ($node, $sql) = @_;
	my ($out, $err);
	# it dies where psql ends before it has read the statement
	my $status = eval { $node->psql('postgres', $sql, stdout => \$out, stderr => \$err) };
	return defined $status && $status == 0 ? $out : undef;
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
			$node->safe_psql('postgres',
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
# [unix time, method, target, X-Request-Id or '-'].
sub arrivals
{
	my ($self) = @_;
	return map { [ split /\t/, $_, 4 ] }
	  split /\n/, PostgreSQL::Test::Utils::slurp_file($self->{log}) // '';
}

# The arrivals with this target (a regex matches part of it); in scalar
# context, how many.
sub arrivals_of
{
	my ($self, $target) = @_;
	return grep { ref $target ? $_->[2] =~ $target : $_->[2] eq $target }
	  $self->arrivals;
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
sub pid { return $_[0]{pid} }
sub log { return $_[0]{log} }

1;
