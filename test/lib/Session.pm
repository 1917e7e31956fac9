# Session.pm -- a session of the server, spoken to without a psql.
#
# A psql costs several times what the server needs to serve it, and the tests
# ask thousands of times whether something has come about.  This is the simple
# query protocol over the server's Unix socket: enough for statements other than
# COPY, by a role that the server trusts.

package Session;

use strict;
use warnings;

use Errno qw(EINTR);
use IO::Select;
use IO::Socket::UNIX;
use Test::More;

use constant PROTOCOL => 3 << 16;

# Connect to a database of a node, as psql would with the same PGUSER,
# PGAPPNAME and PGOPTIONS.  Dies if the server takes no connection.
sub new
{
	my ($class, $node, $database) = @_;
	my $path = $node->host . '/.s.PGSQL.' . $node->port;
	my $socket = IO::Socket::UNIX->new(Peer => $path) or die "connection error: $path: $!\n";
	my $self = bless { socket => $socket, read => '' }, $class;
	my %parameters = (
		user => $ENV{PGUSER} // scalar getpwuid $>,
		database => $database,
		application_name => $ENV{PGAPPNAME} // '',
		options => $ENV{PGOPTIONS} // '');

	$self->put('', pack('N', PROTOCOL) . join('', map { pack 'Z*', $_ } %parameters) . "\0");
	$self->result;
	return $self;
}

# Run one statement, and return what psql -At prints of its rows.  Dies with the
# server's message if it fails, and if the connection is lost.
sub query
{
	my ($self, $sql) = @_;

	$self->put('Q', pack 'Z*', $sql);
	return $self->result;
}

# Cut SQL into its statements, as psql does; nothing if that takes psql, such as
# for commands of its own.
sub statements
{
	my ($sql) = @_;
	my @statements = ('');

	return if $sql =~ /\\|^\s*copy\b|\bbegin\s+atomic\b/im;
	while ($sql =~ m{\G([^;'"\$/-]++|'[^']*+'|"[^"]*+"|(\$\w*\$).*?\g2|--[^\n]*+|/\*.*?\*/|[;/-])}gcs)
	{
		if ($1 eq ';') { push @statements, '' }
		else { $statements[-1] .= $1 }
	}
	return if (pos $sql // 0) < length $sql;
	return grep { /\S/ } @statements;
}

# Does the server still wait for a statement?  It says so or closes the
# connection when it ends the session by itself.
sub is_open
{
	my ($self) = @_;

	return $self->{read} eq '' && !IO::Select->new($self->{socket})->can_read(0);
}

# End the session, and wait until the server has.
sub close
{
	my ($self) = @_;
	my $socket = delete $self->{socket} or return;

	local $SIG{PIPE} = 'IGNORE';
	syswrite $socket, "X\0\0\0\4";
	1 while sysread $socket, my $rest, 8192;
	return;
}

# Send a message.
sub put
{
	my ($self, $type, $body) = @_;

	local $SIG{PIPE} = 'IGNORE';
	print { $self->{socket} } $type, pack('N', 4 + length $body), $body;
	$self->{socket}->flush;
	return;
}

# Receive a message: its type and its body.
sub get
{
	my ($self) = @_;
	my $header = $self->bytes(5);
	my ($type, $length) = unpack 'a N', $header;

	return ($type, $self->bytes($length - 4));
}

# Receive this many bytes.
sub bytes
{
	my ($self, $count) = @_;

	while (length $self->{read} < $count)
	{
		my $got = sysread $self->{socket}, $self->{read}, 65536, length $self->{read};
		next if !defined $got && $!{EINTR};
		die $self->{error} // "connection to server was lost\n" unless $got;
	}
	return substr $self->{read}, 0, $count, '';
}

# Receive messages until the server waits for the next, and return the rows.
sub result
{
	my ($self) = @_;
	my @rows;

	delete $self->{error};
	while (1)
	{
		my ($type, $body) = $self->get;

		last if $type eq 'Z';
		if ($type eq 'D') { push @rows, row($body) }
		elsif ($type eq 'E') { $self->{error} = message($body) }
		elsif ($type eq 'N') { note(message($body)) }
		elsif ($type eq 'R') { die "the server wants a password\n" if unpack 'N', $body }
		# parameters, its key, columns, the end of a statement
		elsif ($type !~ /[SKTCI]/) { die "unexpected message '$type' of the server\n" }
	}
	die $self->{error} if defined $self->{error};
	return join '', @rows;
}

# A row as psql -At prints it.
sub row
{
	my ($body) = @_;
	my ($count, $at) = (unpack('n', $body), 2);
	my @fields;

	for (1 .. $count)
	{
		my $length = unpack 'l>', substr $body, $at, 4;
		push @fields, $length < 0 ? '' : substr $body, $at + 4, $length;
		$at += 4 + ($length < 0 ? 0 : $length);
	}
	return join('|', @fields) . "\n";
}

# An error or a notice, as psql prints it.
sub message
{
	my ($body) = @_;
	my %fields = map { substr($_, 0, 1) => substr $_, 1 } split /\0/, $body;

	return join '', "$fields{S}:  $fields{M}\n",
	  map { defined $fields{ $_->[0] } ? "$_->[1]:  $fields{ $_->[0] }\n" : () } ([ D => 'DETAIL' ], [ H => 'HINT' ], [ W => 'CONTEXT' ]);
}

sub DESTROY { local ($@, $!, $?); $_[0]->close; return }

1;
