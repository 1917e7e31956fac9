# What a dump keeps of rules, rights and secrets, where it is restored into a
# server without the roles: nothing becomes allowed that was denied.

use strict;
use warnings;

use File::Basename qw(dirname);
use IPC::Run ();
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $source = new_node('source');
my $target = new_node('target');
my $dir = PostgreSQL::Test::Utils::tempdir('dumps');

use constant CALL => q(select net.http_get('http://api.test/'));
use constant REFUSED => qr/^42501: GET requests to \S+ are not allowed for this role (Rule|No rule)/;

# What a role's statement prints, or its error with SQLSTATE and detail.
sub as
{
	my ($node, $database, $role, $sql) = @_;
	my ($status, $out, $err) = $node->psql($database, "\\set VERBOSITY verbose\nbegin; set local session authorization $role;\n$sql; rollback");
	return $out if $status == 0;
	my ($message) = $err =~ /ERROR:  (.*)/;
	my ($detail) = $err =~ /DETAIL:  (.*)/;
	return join ' ', $message, $detail // '';
}

# A database of the source, with the extension and what these statements do.
sub make
{
	my ($database, @sql) = @_;
	sql_in($source, 'postgres', "create database $database");
	sql_in($source, $database, join ";\n", 'create extension pg_net', @sql);
	return;
}

# Dump a database in each way, and restore it into one of the target; their
# names, by the way.  Errors do not end it, as they do not by default.
sub restore
{
	my ($database, @options) = @_;
	my %restored;

	for my $way ('plain', 'custom')
	{
		my $file = "$dir/$database.$way";
		my $to = $restored{$way} = "${database}_$way";
		$source->command_ok([ 'pg_dump', @options, '-F', $way, '-f', $file, '-d', $source->connstr($database) ], "pg_dump, $way");
		sql_in($target, 'postgres', "create database $to template template0");
		my @command = $way eq 'plain' ? ('psql', '-qX', '-f', $file) : ('pg_restore', $file);
		IPC::Run::run([ @command, '-d', $target->connstr($to) ], '>', \my $out, '2>', \my $err);
		note($err);
	}
	return %restored;
}

# The query of a document under a heading.
sub documented
{
	my ($file, $column) = @_;
	my ($query) = slurp_file(dirname(__FILE__) . "/../../docs/$file") =~ /```sql\n(select [^`]*\b\Q$column\E\b[^`]*)```/;
	return $query // die "no query with $column in $file\n";
}

my $without_role = documented('reference.md', 'position::text');
my $who_may_call = documented('operations.md', 'public_may_call');

# As many numbers of roles are given out there as here.
sql_in($source, 'postgres', 'create role reporting; create role app; create role gone; create role bystander');
sql_in($target, 'postgres', 'create role bystander');

subtest 'a denial alone' => sub {
	make('alone', q(insert into net.access_rule (position, allow, role) values (10, false, 'reporting')));
	my %restored = restore('alone');
	for my $way (sort keys %restored)
	{
		my $database = $restored{$way};
		is(sql_in($target, $database, 'select position, allow, role from net.access_rule'), '10|f|reporting', "$way: the rule is there");
		like(as($target, $database, 'bystander', CALL), REFUSED, 'nothing is allowed, as before');
		is(sql_in($target, $database, $without_role), 'access_rule|10|reporting', 'the name without a role is found');
	}
	sql_in($target, 'postgres', 'create role reporting');
	like(as($target, $restored{$_}, 'reporting', CALL), qr/Rule 10 of net\.access_rule denies it/, "$_: the role, when there is one, is denied") for sort keys %restored;
	sql_in($target, 'postgres', 'drop role reporting');
};

subtest 'a denial before what is allowed' => sub {
	make('before', q(insert into net.access_rule (position, allow, role, host) values (10, false, 'reporting', '*'), (20, true, 'app', '*'), (30, true, null, 'api.test')));
	my %restored = restore('before');
	sql_in($target, 'postgres', 'create role reporting');
	for my $way (sort keys %restored)
	{
		my $database = $restored{$way};
		like(as($target, $database, 'reporting', CALL), REFUSED, "$way: the role is denied what it was");
		like(as($target, $database, 'bystander', CALL), qr/^\d+$/, 'another may what it could');
		like(as($target, $database, 'bystander', CALL =~ s/api/other/r), REFUSED, 'and not what app could');
		is(sql_in($target, $database, $without_role), 'access_rule|20|app', 'the name without a role is found');
	}
	sql_in($target, 'postgres', 'drop role reporting');
};

subtest 'a role that was dropped' => sub {
	my $number = sql_in($source, 'postgres', q(select oid from pg_roles where rolname = 'gone'));
	make('dropped', q(insert into net.access_rule (position, allow, role) values (10, true, 'gone')),
		q(insert into net.secret (name, value, roles, host) values ('key', 'x', '{gone}', 'api.test')));
	sql_in($source, 'postgres', 'drop role gone');
	my %restored = restore('dropped');

	# another role gets the number of that one
	$target->stop;
	$target->command_ok([ 'pg_resetwal', '-o', $number, $target->data_dir ], 'the next number is that of the role');
	$target->start;
	sql_in($target, 'postgres', qq(create role stranger; create role "$number"));
	is(sql_in($target, 'postgres', q(select oid from pg_roles where rolname = 'stranger')), $number, 'which a stranger gets');
	for my $way (sort keys %restored)
	{
		my $database = $restored{$way};
		is(sql_in($target, $database, 'select role from net.access_rule'), 'gone', "$way: the rule has a name");
		sql_in($target, $database, q(insert into net.secret (name, value, roles, host) values ('key', 'x', '{gone}', 'api.test')));
		my $with_secret = q(select net.http_get('https://api.test/', headers := jsonb_build_object('X', net.secret('key'))));
		for my $role ('stranger', qq("$number"))
		{
			like(as($target, $database, $role, CALL), REFUSED, "$role is not taken for it");
			sql_in($target, $database, q(update net.access_rule set role = null));
			like(as($target, $database, $role, $with_secret), qr/^42501: secret "key" does not exist or is not granted to this role/, 'nor for the one of the secret');
			sql_in($target, $database, q(update net.access_rule set role = 'gone'));
		}
	}
};

# What a dump does not have, as the documentation says.
subtest 'what users add' => sub {
	make('changed', 'select net.set_durable(true)', 'alter table net._http_response add column note text', 'create index mine on net.http_request_queue (queued)',
		'create function public.look() returns trigger language plpgsql as $$ begin return new; end $$',
		'create trigger look after insert on net._http_response for each row execute function public.look()',
		'create policy mine on net._http_response for select using (true)', 'grant delete on net._http_response to pg_monitor');
	my %restored = restore('changed');
	for my $way (sort keys %restored)
	{
		is(sql_in($target, $restored{$way}, q(select (select count(*) from pg_class where relname = 'mine'),
				(select count(*) from pg_trigger where tgname = 'look'), (select count(*) from pg_policy where polname = 'mine'),
				(select count(*) from pg_attribute where attrelid = 'net._http_response'::regclass and attname = 'note'),
				(select string_agg(relpersistence, '') from pg_class where relname in ('_http_response', 'http_request_queue')),
				has_table_privilege('pg_monitor', 'net._http_response', 'delete'))),
			'0|0|0|0|uu|t', "$way: indexes, triggers, policies, columns and durability are not dumped, grants are");
	}
};

subtest 'endpoints' => sub {
	sql_in($source, 'postgres', 'create role billing');
	make('endpoints', q(insert into net.endpoint (name, url, roles) values ('pay', 'http://api.test', '{billing}'), ('any', 'http://api.test/', '{public}'), ('ours', 'http://api.test', '{}')));
	my %restored = restore('endpoints');
	for my $way (sort keys %restored)
	{
		my $database = $restored{$way};
		my $to = sub { return as($target, $database, $_[0], CALL =~ s{http://api.test}{net://$_[1]}r) };
		is(sql_in($target, $database, 'select name, url, roles from net.endpoint order by name'),
			join("\n", 'any|http://api.test/|{public}', 'ours|http://api.test|{}', 'pay|http://api.test|{billing}'), "$way: they are there");
		is(sql_in($target, $database, $without_role), 'endpoint|pay|billing', 'the name without a role is found');
		like($to->('bystander', $_), qr/^42501: endpoint "$_" does not exist or is not granted/, "$_ is not for strangers") for 'pay', 'ours';
		like($to->('bystander', 'any'), qr/^\d+$/, 'what was for everybody is');
	}
	sql_in($target, 'postgres', 'create role billing');
	like(as($target, $restored{$_}, 'billing', CALL =~ s{http://api.test}{net://pay}r), qr/^\d+$/, "$_: the role, when there is one, may use its own") for sort keys %restored;
};

subtest '--schema-only' => sub {
	make('bare', q(insert into net.access_rule (position, allow, role) values (10, false, 'reporting')),
		'revoke execute on function net.http_get from public', 'grant execute on function net.http_get to bystander');
	my %restored = restore('bare', '--schema-only');
	for my $way (sort keys %restored)
	{
		my $database = $restored{$way};
		is(sql_in($target, $database, 'select count(*) from net.access_rule'), 0, "$way: there are no rules");
		like(as($target, $database, 'stranger', CALL), qr/^42501: permission denied for function http_get/, 'a REVOKE is there');
		like(as($target, $database, 'bystander', CALL), qr/^\d+$/, 'without rules what is granted is allowed');
		sql_in($target, 'postgres', "alter database $database set pg_net.require_access_rule = on");
		like(as($target, $database, 'bystander', CALL), qr/^42501: .* No rule of net\.access_rule allows it\.$/, 'but not if a rule is required');
		sql_in($target, $database, 'select net.worker_restart()');
		sql_in($target, $database, 'select net.wait_until_running()');
		my $id = sql_in($target, $database, q(insert into net.http_request_queue (method, url, timeout_milliseconds) values ('GET', 'http://api.test/', 1000) returning id));
		sql_in($target, $database, 'select net.wake()');
		like(wait_response($target, $id, undef, $database)->{error_msg}, qr/No rule of net\.access_rule allows it\.$/, 'nor from the queue');
	}
};

subtest 'REVOKE, and GRANT to a role that is missing' => sub {
	make('acl', 'revoke execute on function net.http_get from public', 'grant execute on function net.http_get to app');
	my %restored = restore('acl');
	for my $way (sort keys %restored)
	{
		my $database = $restored{$way};
		my $may = as($target, $database, 'bystander', CALL) =~ /^\d+$/;
		is(!!(sql_in($target, $database, $who_may_call) =~ /^net\.http_get\(/m), !!$may, "$way: the query says who may call: " . ($may ? 'everybody' : 'not everybody'));
	}
	sql_in($target, 'postgres', 'create role app');
	my $database = 'acl_again';
	sql_in($target, 'postgres', "create database $database template template0");
	$target->command_ok([ 'pg_restore', '--exit-on-error', '-d', $target->connstr($database), "$dir/acl.custom" ], 'with the role there first');
	unlike(sql_in($target, $database, $who_may_call), qr/^net\.http_get\(/m, 'not everybody may');
	like(as($target, $database, 'app', CALL), qr/^\d+$/, 'but the role may');
};

$source->stop;
$target->stop;
done_testing();
