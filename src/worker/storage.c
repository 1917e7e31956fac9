/*
 * storage.c -- how much is stored of a role's responses, and who has too much.
 *
 * Runs in: workers.
 *
 * Responses are removed in many ways: they expire, and users delete them.  So
 * the size is counted from time to time; between counts the size of what is
 * recorded, before compression, is added.  That sum is too high, and a response
 * left out by mistake is worse than one stored by mistake.  So only a count
 * decides that a role has too much, unless the sum is twice the limit.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "policy/retry.h"
#include "settings.h"
#include "tables/responses/stored_size.h"
#include "worker/storage.h"

/* The duration of a step of a count; blocks to count between looks at it. */
#define STEP_US 10000
#define STEP_BLOCKS 64

/* The pause between steps while the network is busy. */
#define BUSY_PAUSE_US 100000

/*
 * The pause between counts, as a multiple of how long the last one took, or of
 * the least duration; the shorter one is for when a role may have too much.
 */
#define LEAST_COUNT_US 20000
#define COUNT_PAUSE_FACTOR 50
#define URGENT_PAUSE_FACTOR 5

/* What is known of a role. */
typedef struct RoleStorage
{
	Oid			role;
	uint64		bytes;			/* at the last count, and recorded since */
	uint64		counted;		/* so far in the current count */
	uint64		meanwhile;		/* recorded since that began */
	bool		full;			/* its responses are stored without bodies */
	bool		said_full;		/* that was logged */
} RoleStorage;

static uint64 limit_bytes(void);
static RoleStorage *find_role(Storage *storage, Oid role, HASHACTION action);
static void set_full(Storage *storage, RoleStorage *role, bool full);
static void work(void *storage);
static void begin_count(Storage *storage);
static void count_blocks(Storage *storage);
static void end_count(Storage *storage);
static void say_full(const RoleStorage *role);
static void say_room(const RoleStorage *role);
static void say_room_for_all(const Storage *storage);

/* 0: no limit */
static uint64
limit_bytes(void)
{
	return (uint64) pgnet_setting_max_stored_size << 20;
}

void
pgnet_storage_judge(Storage *storage, Job *job)
{
	RoleStorage *role;

	if (storage->nfull == 0)
		return;
	role = find_role(storage, job->role, HASH_FIND);
	if (role != NULL && role->full)
	{
		MemoryContext before = MemoryContextSwitchTo(job->request.context);

		job->outcome.not_stored =
			psprintf("headers and body are not stored: the stored responses of the role exceed pg_net.max_stored_size_per_role (%d MB)",
					 pgnet_setting_max_stored_size);
		MemoryContextSwitchTo(before);
	}
}

void
pgnet_storage_note(Storage *storage, const Job *job)
{
	const HttpOutcome *outcome = &job->outcome;
	const Delivery *delivery = &job->delivery;
	uint64		size = PGNET_STORED_ROW_BYTES;
	RoleStorage *role;

	if (delivery->disposition == PGNET_AGAIN ||
		(delivery->drops_success && delivery->callback == NULL &&
		 pgnet_is_success(outcome)))
		return;
	storage->recorded = true;
	if (storage->roles == NULL)
		return;
	if (outcome->not_stored == NULL)
	{
		size += outcome->content_len;
		if (delivery->context != NULL)
			size += VARSIZE_ANY(delivery->context);
		if (delivery->log != NULL)
			size += VARSIZE_ANY(delivery->log);
	}
	role = find_role(storage, job->role, HASH_ENTER);
	role->bytes += size;
	role->meanwhile += size;
	if (role->bytes >= 2 * limit_bytes())
		set_full(storage, role, true);
	else if (role->bytes >= limit_bytes() && !role->full)
		storage->urgent = true;
}

/* While a role has too much, count again: users may delete responses. */
TimestampTz
pgnet_storage_due(const Storage *storage, const TableGuard *guard,
				  bool busy)
{
	TimestampTz due = DT_NOEND;

	if (limit_bytes() == 0 || !OidIsValid(guard->queue))
		return DT_NOEND;
	if (storage->counting)
		due = DT_NOBEGIN;
	else if (storage->urgent)
		due = storage->not_before_urgent;
	else if (storage->recorded || storage->nfull > 0)
		due = storage->not_before;
	if (busy)
		due = Max(due, storage->stepped + BUSY_PAUSE_US);
	return pgnet_backoff_after(&storage->backoff, due);
}

void
pgnet_storage_run(Storage *storage, TableGuard *guard)
{
	TimestampTz start = pgnet_clock_now();
	TimestampTz end;
	int64		pause_us;

	if (!pgnet_table_guard_try(guard, &storage->backoff, "count stored responses",
							   work, storage))
	{
		/* the size is looked at again; a count goes on where it was */
		storage->recorded = true;
		return;
	}
	storage->stepped = end = pgnet_clock_now();
	storage->spent_us += end - start;
	if (storage->counting)
		return;
	pause_us = Max(storage->spent_us, LEAST_COUNT_US);
	storage->not_before = end + COUNT_PAUSE_FACTOR * pause_us;
	storage->not_before_urgent = end + URGENT_PAUSE_FACTOR * pause_us;
	storage->spent_us = 0;
}

void
pgnet_storage_forget(Storage *storage)
{
	if (storage->roles != NULL)
		hash_destroy(storage->roles);
	*storage = (Storage) {.recorded = true};
}

/* As hash_search(): HASH_ENTER makes an entry, HASH_FIND may return NULL. */
static RoleStorage *
find_role(Storage *storage, Oid role, HASHACTION action)
{
	bool		found;
	RoleStorage *entry = hash_search(storage->roles, &role, action, &found);

	if (action == HASH_ENTER && !found)
		*entry = (RoleStorage) {.role = role};
	return entry;
}

static void
set_full(Storage *storage, RoleStorage *role, bool full)
{
	if (role->full != full)
		storage->nfull += full ? 1 : -1;
	role->full = full;
}

/* TableWork of pgnet_storage_run(): compare the disk size, or count on. */
static void
work(void *arg)
{
	Storage    *storage = arg;
	BlockNumber blocks;

	if (!storage->counting)
	{
		storage->recorded = storage->urgent = false;
		if (pgnet_responses_disk_size(&blocks) < limit_bytes())
		{
			say_room_for_all(storage);
			pgnet_storage_forget(storage);
			storage->recorded = false;
			return;
		}
		storage->blocks = blocks;
		begin_count(storage);
	}
	count_blocks(storage);
	if (storage->next >= storage->blocks)
		end_count(storage);
}

static void
begin_count(Storage *storage)
{
	HASHCTL		control = {
		.keysize = sizeof(Oid),
		.entrysize = sizeof(RoleStorage),
		.hcxt = TopMemoryContext
	};
	HASH_SEQ_STATUS scan;
	RoleStorage *role;

	if (storage->roles == NULL)
		storage->roles = hash_create("pg_net stored", 64, &control,
									 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	hash_seq_init(&scan, storage->roles);
	while ((role = hash_seq_search(&scan)) != NULL)
		role->counted = role->meanwhile = 0;
	storage->next = 0;
	storage->counting = true;
}

static void
count_blocks(Storage *storage)
{
	TimestampTz until = pgnet_clock_now() + STEP_US;

	do
	{
		BlockNumber last = Min(storage->next + STEP_BLOCKS, storage->blocks);
		StoredSize *sizes;
		int			nroles;

		sizes = pgnet_responses_count(storage->next, last, &nroles);
		for (int i = 0; i < nroles; i++)
			find_role(storage, sizes[i].role, HASH_ENTER)->counted +=
				sizes[i].bytes;
		pfree(sizes);
		storage->next = last;
	} while (storage->next < storage->blocks && pgnet_clock_now() < until);
}

static void
say_full(const RoleStorage *role)
{
	const char *name = GetUserNameFromId(role->role, true);

	ereport(WARNING,
			errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			errmsg("pg_net stores no more response bodies of role \"%s\"",
				   name ? name : "-"),
			errdetail("Its stored responses have " UINT64_FORMAT " MB, and pg_net.max_stored_size_per_role is %d MB.",
					  role->bytes >> 20, pgnet_setting_max_stored_size));
}

static void
say_room(const RoleStorage *role)
{
	const char *name = GetUserNameFromId(role->role, true);

	ereport(LOG,
			errmsg("pg_net stores response bodies of role \"%s\" again",
				   name ? name : "-"));
}

static void
say_room_for_all(const Storage *storage)
{
	HASH_SEQ_STATUS scan;
	const RoleStorage *role;

	if (storage->roles == NULL)
		return;
	hash_seq_init(&scan, storage->roles);
	while ((role = hash_seq_search(&scan)) != NULL)
		if (role->said_full)
			say_room(role);
}

/* All blocks are counted: decide which roles have too much. */
static void
end_count(Storage *storage)
{
	HASH_SEQ_STATUS scan;
	RoleStorage *role;

	hash_seq_init(&scan, storage->roles);
	while ((role = hash_seq_search(&scan)) != NULL)
	{
		role->bytes = role->counted + role->meanwhile;
		set_full(storage, role, role->bytes >= limit_bytes());
		if (role->full && !role->said_full)
			say_full(role);
		if (!role->full && role->said_full)
			say_room(role);
		role->said_full = role->full;
		if (role->bytes == 0)
			(void) hash_search(storage->roles, &role->role, HASH_REMOVE, NULL);
	}
	storage->counting = false;
}
