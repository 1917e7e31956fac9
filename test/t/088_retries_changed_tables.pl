# What 080_retries.pl tests, with columns, indexes and triggers of users on the
# tables.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PgNetTest;
use Test::More;

our $changes = <<'END';
create table audit (op text, id bigint, at timestamptz default clock_timestamp());
create function audit() returns trigger language plpgsql as $$
begin
	insert into public.audit (op, id) values (tg_op, case tg_op when 'DELETE' then old.id else new.id end);
	return null;
end $$;
create function mark() returns trigger language plpgsql as $$
begin
	new.note := 'marked';
	return new;
end $$;
alter table net.http_request_queue add column note text default 'none',
	add column twice bigint generated always as (timeout_milliseconds::bigint * 2) stored;
alter table net._http_response add column note text default 'none';
create index on net.http_request_queue (note, due);
create index on net.http_request_queue ((failures->0->>'status')) where gave_up is not null;
create index on net._http_response (note);
create trigger audit after insert or update or delete on net.http_request_queue for each row execute function audit();
create trigger audit after insert or update or delete on net._http_response for each row execute function audit();
create trigger mark before insert or update on net.http_request_queue for each row execute function mark();
alter table net.http_request_queue enable always trigger mark;
create trigger mark before insert on net._http_response for each row execute function mark();
END

my $file = dirname(abs_path(__FILE__)) . '/080_retries.pl';
do $file or die $@ || "$file: $!";
