# Clock.pm -- a wall clock of the tests' own, for a server's processes.
#
# Nobody else's: clock.c is preloaded into the server, and tells it another
# time.

package Clock;

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PostgreSQL::Test::Utils;

my $source = dirname(abs_path(__FILE__)) . '/clock.c';

# Make a clock; undef without a compiler.
sub new
{
	my ($class) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir('clock');
	my $self = bless { library => "$dir/clock.so", off => "$dir/off" }, $class;
	my ($compiler) = run_command([ 'pg_config', '--cc' ]);

	append_to_file($self->{off}, pack('qq', 0, 0));
	return undef
	  if system("$compiler -shared -fPIC -O1 -o $self->{library} $source -ldl 2>$dir/messages") != 0;
	return $self;
}

# Call a sub; the processes it starts go by this clock.
sub given_to
{
	my ($self, $start) = @_;
	local $ENV{LD_PRELOAD} = $self->{library};
	local $ENV{PGNET_TEST_CLOCK} = $self->{off};

	return $start->();
}

# Set it so many seconds off, all eight bytes at once.
sub set
{
	my ($self, $seconds) = @_;

	return $self->put(0, $seconds);
}

# Let so many seconds pass at once, for clocks that nobody can set as well.
# Who sleeps or waits for a signal does so as long as before.
sub pass
{
	my ($self, $seconds) = @_;

	return $self->put(8, $self->{passed} += $seconds);
}

sub put
{
	my ($self, $where, $seconds) = @_;

	open my $file, '+<', $self->{off} or die "$self->{off}: $!\n";
	sysseek($file, $where, 0);
	syswrite($file, pack('q', $seconds)) == 8 or die "$self->{off}: $!\n";
	close $file;
	return;
}

1;
