# Where requests may go: the same attacks with no network denied, where they
# succeed; with those denied by default; and with the list for untrusted
# callers of docs/operations.md.
#
# The test runs itself again in namespaces of its own: there it has the
# addresses of a cloud's metadata service, and a name server.

use strict;
use warnings;

# Before anything opens a file or a log.  New namespaces have no network, not
# even lo's.
BEGIN
{
	my @namespaces = qw(unshare --map-current-user --keep-caps --net --mount);
	my $lo_up = 'PATH=$PATH:/usr/sbin:/sbin; ip link set lo up';

	if (!$ENV{PGNET_NAMESPACES} && system("@namespaces sh -c '$lo_up' 2>/dev/null") == 0)
	{
		$ENV{PGNET_NAMESPACES} = 1;
		exec @namespaces, 'sh', '-c', qq($lo_up; exec "\$@"), 'sh', $^X, map({ "-I$_" } @INC), $0;
	}
}

use File::Basename qw(dirname);
use IPC::Run ();
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'no namespaces here' unless $ENV{PGNET_NAMESPACES};

# Somebody's server in the internet, the metadata service of a cloud, a
# service inside; the port is theirs in our namespace.
use constant OUTSIDE => '192.0.2.1';
use constant METADATA => '169.254.169.254';
use constant INSIDE => '10.0.0.1';
use constant PROBE => '192.0.2.99';
use constant NAT64_OUTSIDE => '64:ff9b:1::c000:201';
use constant PORT => 8080;

# An address that both lists deny, to see that the worker has the setting.
use constant DENIED => qr/^could not connect: pg_net.denied_networks denies an address of the host$/;

$ENV{PATH} .= ':/usr/sbin:/sbin';
system_or_bail('ip', 'address', 'add', $_, 'dev', 'lo')
  for OUTSIDE, METADATA, INSIDE, qw(64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::1 fe80::1/64 fd00:ec2::254 fc00::1),
  qw(64:ff9b:1::a9fe:a9fe 64:ff9b:1:0:a9:fea9:fe00:0 64:ff9b:1:a9:fe:a9fe:: 64:ff9b:1:a9fe:a9:fe00::),
  qw(2001:0:c000:201::5601:5601 fd01::5efe:a9fe:a9fe fd01::200:5efe:a9fe:a9fe), NAT64_OUTSIDE;

my $outside = start_http_server('--address' => OUTSIDE, '--port' => PORT);
my %inside = map { $_ => start_http_server('--address' => $_, '--port' => PORT) } METADATA, INSIDE, '127.0.0.1', '::';

# Names, by a server that changes its answers.
my $dir = PostgreSQL::Test::Utils::tempdir('dns');
append_to_file("$dir/names", <<"END");
outside.test @{[OUTSIDE]}
metadata.test @{[METADATA]}
inside.test @{[INSIDE]}
both.test @{[OUTSIDE]} @{[METADATA]}
nat64.test 64:ff9b::a9fe:a9fe
END
append_to_file("$dir/resolv.conf", "nameserver 127.0.0.1\noptions timeout:2 attempts:2\n");
system_or_bail('mount', '--bind', "$dir/resolv.conf", '/etc/resolv.conf');
my $lib = dirname($INC{'PgNetTest.pm'});
my $said = '';
my $dns = IPC::Run::start([ "$lib/dns-server", "$dir/names" ], '<', \undef, '>', \$said);
wait_for('the name server', sub { $dns->pump_nb; $said =~ /listening/ });

# Were they obeyed, everything would go to the metadata service.
local @ENV{qw(http_proxy HTTP_PROXY all_proxy ALL_PROXY)} = ('http://' . METADATA . ':' . PORT) x 4;
my $node = new_node('networks', init => { extra => ['--locale=C.UTF-8'] });

sub get
{
	my ($url) = @_;
	$url =~ s/'/''/g;
	return request($node, "select net.http_get('$url', timeout_milliseconds := 60000)");
}

# Set the list, and wait until the worker has it.
sub deny
{
	my ($list) = @_;
	sql(defined $list ? "alter system set pg_net.denied_networks = '$list'" : 'alter system reset pg_net.denied_networks');
	sql('select net.worker_restart()');
	sql('select net.wait_until_running()');
	return;
}

# The same without a new worker.
sub deny_by_reload
{
	my ($list) = @_;
	sql("alter system set pg_net.denied_networks = '$list'");
	sql('select pg_reload_conf()');
	wait_for('the worker to read the setting',
		sub { return (get('http://' . PROBE . '/')->{error_msg} =~ DENIED) == ($list =~ PROBE) });
	return;
}

# A redirect from the outside.
sub redirect { return "http://outside.test:@{[PORT]}/redirect-to?status=$_[1]&url=$_[0]" }

# Each leads to the metadata service, and gets its answer.
my $M = METADATA;
my %metadata = (
	'the address' => "http://$M:8080/echo",
	'a number' => 'http://2852039166:8080/echo',
	'hexadecimal' => 'http://0xa9fea9fe:8080/echo',
	'octal' => 'http://0251.0376.0251.0376:8080/echo',
	'two parts' => 'http://169.16689662:8080/echo',
	'mixed' => 'http://0xa9.254.43518:8080/echo',
	'digits of full width' => "http://\x{ef}\x{bc}\x{91}69.254.169.254:8080/echo",
	'percent escapes' => 'http://169.254.169.%32%35%34:8080/echo',
	'IPv4-mapped' => "http://[::ffff:$M]:8080/echo",
	'IPv4-mapped in hexadecimal' => 'http://[::ffff:a9fe:a9fe]:8080/echo',
	'NAT64' => 'http://[64:ff9b::a9fe:a9fe]:8080/echo',
	"NAT64 with a network's own prefix" => 'http://[64:ff9b:1::a9fe:a9fe]:8080/echo',
	'one of 64 bits' => 'http://[64:ff9b:1:0:a9:fea9:fe00:0]:8080/echo',
	'one of 56 bits' => 'http://[64:ff9b:1:a9:fe:a9fe::]:8080/echo',
	'one of 48 bits' => 'http://[64:ff9b:1:a9fe:a9:fe00::]:8080/echo',
	'6to4' => 'http://[2002:a9fe:a9fe::1]:8080/echo',
	'Teredo' => 'http://[2001:0:c000:201::5601:5601]:8080/echo',
	'ISATAP' => 'http://[fd01::5efe:a9fe:a9fe]:8080/echo',
	'ISATAP with a public address' => 'http://[fd01::200:5efe:a9fe:a9fe]:8080/echo',
	'link-local IPv6' => 'http://[fe80::1%25lo]:8080/echo',
	'AWS by IPv6' => 'http://[fd00:ec2::254]:8080/echo',
	'a name' => 'http://metadata.test:8080/echo',
	'a name in capitals with a dot' => 'http://METADATA.Test.:8080/echo',
	'a name of wide letters' => "http://\x{ef}\x{bd}\x{8d}etadata.test:8080/echo",
	'a name for a NAT64 address' => 'http://nat64.test:8080/echo',
	'a user that looks like a host' => "http://outside.test\@$M:8080/echo",
	'a user and a password, too' => "http://outside.test:8080\@$M:8080/echo",
	'a redirect' => redirect("http://$M:8080/echo", 302),
	'a redirect that keeps the method' => redirect("http://$M:8080/echo", 307),
	'a redirect to a name' => redirect('http://metadata.test:8080/echo', 301),
	'a redirect without a scheme' => redirect("//$M:8080/echo", 302),
	'a redirect to a redirect' => redirect("http://outside.test:8080/redirect-to?url=http://$M:8080/echo", 303));

# And these to a service inside.
my %inside_urls = (
	'loopback' => 'http://127.0.0.1:8080/echo',
	'localhost' => 'http://localhost:8080/echo',
	'loopback as a number' => 'http://2130706433:8080/echo',
	'loopback in hexadecimal' => 'http://0x7f.1:8080/echo',
	'loopback, IPv4-mapped' => 'http://[::ffff:127.0.0.1]:8080/echo',
	'another loopback by IPv6' => 'http://[::1]:8080/echo',
	'nobody' => 'http://0.0.0.0:8080/echo',
	'nobody by IPv6' => 'http://[::]:8080/echo',
	'nobody as a digit' => 'http://0:8080/echo',
	'a private network' => 'http://inside.test:8080/echo',
	'a private network by IPv6' => 'http://[fc00::1]:8080/echo',
	'a redirect inside' => redirect('http://127.1:8080/echo', 302));

sub reaches
{
	my ($name, $url) = @_;
	my $row = get($url);
	is($row->{status_code}, 200, "$name leads there") or diag("$url: " . ($row->{error_msg} // ''));
	return;
}

sub is_denied
{
	my ($name, $url) = @_;
	my $row = get($url);
	is($row->{status_code}, undef, "$name leads nowhere");
	like($row->{error_msg}, DENIED, 'as its response says');
	return;
}

sub arrived { return scalar map { $_->arrivals_of(qr{^/echo|^http:}) } values %inside }

subtest 'nothing is denied' => sub {
	deny('');
	reaches($_, $metadata{$_}) for sort keys %metadata;
	reaches($_, $inside_urls{$_}) for sort keys %inside_urls;
	is(arrived(), keys(%metadata) + keys(%inside_urls), 'all those reached what is inside');
};

subtest 'the default' => sub {
	deny(undef);
	my $before = arrived();
	is_denied($_, $metadata{$_}) for sort keys %metadata;
	is(arrived(), $before, 'nothing reached the metadata service');
	reaches($_, $inside_urls{$_}) for sort keys %inside_urls;
	my $row = get('http://outside.test:8080/echo');
	is($row->{status_code}, 200, 'the internet is there');
};

subtest 'the zeros of a prefix' => sub {
	deny('0.0.0.0/8, 127.0.0.0/8');
	reaches('an address of NAT64', 'http://[' . NAT64_OUTSIDE . ']:8080/echo');
	is_denied('the same with loopback inside', 'http://[64:ff9b:1::7f00:1]:8080/echo');
};

# The address that is connected to is not that of the target.
subtest 'a proxy, and other ways for all' => sub {
	my $before = arrived();
	my %ways = (
		'a proxy' => { proxy => "http://@{[OUTSIDE]}:8080", no_proxy => 'outside.test' });
	my $set = sub {
		my (%values) = @_;
		sql(defined $values{$_} ? "alter system set pg_net.$_ = '$values{$_}'" : "alter system reset pg_net.$_") for sort keys %values;
		deny(undef);
	};

	for my $way (sort keys %ways)
	{
		$set->(%{ $ways{$way} });
		is_denied("$way: $_", $metadata{$_}) for sort grep { !/name|wide/ && $metadata{$_} !~ /metadata\.test/ } keys %metadata;
		isnt(get('http://metadata.test:8080/echo')->{status_code}, undef, 'a name is looked up at the other end');
		isnt(get('http://192.0.2.77:8080/echo')->{status_code}, undef, 'an address that is not denied is asked for there');
		$set->(map { $_ => undef } keys %{ $ways{$way} });
	}
	is(arrived(), $before, 'nothing reached the metadata service');

	sql("insert into net.endpoint (name, url, connect_to) values ('inside', 'http://outside.test:8080/echo', '$M:8080'), ('routed', 'http://$M:8080/echo/routed', '@{[OUTSIDE]}:8080'),"
		  . " ('name', 'http://outside.test:8080/echo', 'metadata.test:8080'), ('socket', 'http://$M/', 'unix:$dir/nobody')");
	for my $name ('inside', 'name')
	{
		is_denied("an endpoint whose connect_to leads there by its $name", "net://$name");
	}
	is(arrived(), $before, 'nothing reached the metadata service');
	is(get('net://routed')->{status_code}, 200, 'one with the address, and another to connect to');
	is(scalar($outside->arrivals_of('/echo/routed')), 1, 'leads there');
	unlike(get('net://socket')->{error_msg}, DENIED, 'a socket has no address');
};

subtest 'the list for untrusted callers' => sub {
	my ($list) = slurp_file("$lib/../../docs/operations.md") =~ /pg_net\.denied_networks =\s*'([^;]*)';/;
	# the networks of documentation are the internet here
	$list =~ s{'192\.0\.2\.0/24',\s*}{};
	deny($list);
	my $before = arrived();
	is_denied($_, $metadata{$_}) for sort keys %metadata;
	is_denied($_, $inside_urls{$_}) for sort keys %inside_urls;
	is(arrived(), $before, 'nothing reached anything inside');
	my $row = get('http://outside.test:8080/echo');
	is($row->{status_code}, 200, 'the internet is there') or diag($row->{error_msg});
};

subtest 'a name that changes its address' => sub {
	# as the attacker's server says after the first look
	append_to_file("$dir/names", "$_.test @{[OUTSIDE]} then @{[METADATA]}\n") for qw(rebind rebind2);

	for my $try ([ 'rebind', '' ], [ 'rebind2', METADATA ])
	{
		my ($name, $list) = @$try;
		deny($list);
		is(get("http://$name.test:8080/status/201")->{status_code}, 201, 'the first time it is outside');
		# another worker, since libcurl remembers addresses for a minute
		deny($list);
		my $row = get("http://$name.test:8080/echo/$name");
		if ($list eq '')
		{
			is($row->{status_code}, 200, 'the second time it is inside');
			is(scalar($inside{+METADATA}->arrivals_of("/echo/$name")), 1, 'where it arrives');
			next;
		}
		like($row->{error_msg}, DENIED, 'the second time it is denied');
		is(scalar($inside{+METADATA}->arrivals_of("/echo/$name")), 0, 'and does not arrive');
	}

	is(get('http://both.test:8080/echo/both')->{status_code}, 200, 'of two addresses the allowed one is used');
	is(scalar($outside->arrivals_of('/echo/both')), 1, 'where it arrives');
};

subtest 'connections that were open before' => sub {
	my $inside = $inside{+INSIDE};
	my $url = 'http://' . INSIDE . ':8080';
	my $list = INSIDE . ', ' . PROBE;

	deny('');
	is(get("$url/status/202")->{status_code}, 202, 'one is open');
	deny_by_reload($list);
	is_denied('an idle connection', "$url/echo/idle");
	is(scalar($inside->arrivals_of('/echo/idle')), 0, 'and nothing arrives');

	deny_by_reload('');
	my $gate = "$dir/gate";
	my $id = sql("select net.http_get('$url/wait?file=$gate', timeout_milliseconds := 170000)");
	$inside->wait_arrivals("/wait?file=$gate");
	deny_by_reload($list);
	append_to_file($gate, '');
	is(wait_response($node, $id)->{status_code}, 200, 'a request in flight goes on');
	is_denied('its connection', "$url/echo/busy");
	is(scalar($inside->arrivals_of('/echo/busy')), 0, 'and nothing arrives');

	# a name of two addresses, the one of which was in use
	append_to_file("$dir/names", "two.test @{[INSIDE]} @{[OUTSIDE]}\n");
	deny_by_reload(OUTSIDE);
	is(get('http://two.test:8080/echo/two')->{status_code}, 200, 'one of two addresses is connected to');
	is(scalar($inside->arrivals_of('/echo/two')), 1, 'the one that is allowed');
	deny_by_reload($list);
	my $row = get('http://two.test:8080/echo/two');
	is($row->{status_code}, 200, 'then it is the other') or diag($row->{error_msg});
	is(scalar($outside->arrivals_of('/echo/two')), 1, 'that is allowed');
};

subtest 'other schemes' => sub {
	deny('');
	append_to_file("$dir/secret", 'secret');
	for my $url ("file://$dir/secret", "gopher://$M:8080/_GET", "ftp://$M/", "dict://$M:8080/", "FILE:///etc/passwd")
	{
		my $row = get(redirect($url, 302));
		is($row->{status_code}, undef, "a redirect to $url is no answer");
		like($row->{error_msg}, qr/^redirect to a scheme that is not supported: /, 'but an error');
	}
};

subtest 'proxies of the environment' => sub {
	my $environment = sql('create temp table environment (line text);', "copy environment from program 'env';", 'table environment');
	like($environment, qr/^http_proxy=http:\/\/$M/m, 'the server has them');
	is(scalar(map { $_->arrivals_of(qr{^http:}) } values %inside), 0, 'and never used one');
};

$node->stop;
$dns->signal('TERM');
$dns->finish;
done_testing();
