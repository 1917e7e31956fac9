/*
 * quota.c -- how much of each role waits.
 *
 * Runs in: client backends (take) and workers (give, set).
 *
 * A call counts its row at once, before it is committed: else sessions that
 * do not see each other's rows would each find room.  Counters are found by
 * hashing, are given out without a lock, and stay until the server stops.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "shared/memory.h"
#include "shared/quota.h"

/* What one level of the transaction has taken of one role's quota. */
typedef struct Taken
{
	struct Taken *next;
	QuotaCounter *counter;
	int			level;			/* of nested subtransactions */
	uint64		rows;
	uint64		bytes;
} Taken;

/* Of this transaction, in its memory context; the innermost level first. */
static Taken *taken = NULL;

static QuotaCounter *find_counter(Oid role);
static void note(QuotaCounter *counter, uint64 size);
static void at_end(XactEvent event, void *arg);
static void at_subtransaction_end(SubXactEvent event, SubTransactionId id,
								  SubTransactionId parent, void *arg);
static void give_back(const Taken *from);
static void lower(pg_atomic_uint64 *number, uint64 by);

/* Count a row. */
bool
pgnet_quota_take(Oid role, uint64 size, uint64 max_rows, uint64 max_bytes,
				 uint64 *rows, uint64 *bytes)
{
	QuotaCounter *counter = find_counter(role);

	if (counter == NULL)
		return true;
	*rows = pg_atomic_fetch_add_u64(&counter->rows, 1);
	*bytes = pg_atomic_fetch_add_u64(&counter->bytes, size);
	if ((max_rows == 0 || *rows < max_rows) &&
		(max_bytes == 0 || *bytes + size <= max_bytes))
	{
		note(counter, size);
		return true;
	}
	lower(&counter->rows, 1);
	lower(&counter->bytes, size);
	return false;
}

/* A row is gone. */
void
pgnet_quota_give(Oid role, uint64 size)
{
	QuotaCounter *counter = find_counter(role);

	if (counter == NULL)
		return;
	lower(&counter->rows, 1);
	lower(&counter->bytes, size);
}

/* Nothing waits. */
void
pgnet_quota_clear(void)
{
	for (int i = 0; i < PGNET_MAX_QUOTAS; i++)
	{
		QuotaCounter *counter = &pgnet_shared->quotas[i];

		if (pg_atomic_read_u64(&counter->whose) >> 32 != MyDatabaseId)
			continue;
		pg_atomic_write_u64(&counter->rows, 0);
		pg_atomic_write_u64(&counter->bytes, 0);
	}
}

/* So much waits. */
void
pgnet_quota_set(Oid role, uint64 rows, uint64 bytes)
{
	QuotaCounter *counter = find_counter(role);

	if (counter == NULL)
		return;
	pg_atomic_write_u64(&counter->rows, rows);
	pg_atomic_write_u64(&counter->bytes, bytes);
}

/* The counter of a role of our database; NULL when all are given away. */
static QuotaCounter *
find_counter(Oid role)
{
	static uint64 last_key = 0;
	static QuotaCounter *last = NULL;
	uint64		key = (uint64) MyDatabaseId << 32 | role;
	uint32		start = hash_bytes((unsigned char *) &key, sizeof(key));

	if (key == last_key)
		return last;
	for (int i = 0; i < PGNET_MAX_QUOTAS; i++)
	{
		QuotaCounter *counter =
			&pgnet_shared->quotas[(start + i) % PGNET_MAX_QUOTAS];
		uint64		whose = 0;

		/* whose it is afterwards: nobody's before, so ours, or as it was */
		if (pg_atomic_compare_exchange_u64(&counter->whose, &whose, key) ||
			whose == key)
		{
			last_key = key;
			last = counter;
			return counter;
		}
	}
	return NULL;
}

/* Remember what to give back. */
static void
note(QuotaCounter *counter, uint64 size)
{
	static bool registered = false;
	int			level = GetCurrentTransactionNestLevel();

	if (!registered)
	{
		RegisterXactCallback(at_end, NULL);
		RegisterSubXactCallback(at_subtransaction_end, NULL);
		registered = true;
	}
	if (taken == NULL || taken->counter != counter || taken->level != level)
	{
		Taken	   *first = MemoryContextAllocZero(TopTransactionContext,
												   sizeof(Taken));

		first->next = taken;
		first->counter = counter;
		first->level = level;
		taken = first;
	}
	taken->rows++;
	taken->bytes += size;
}

/* A transaction ends: what it took is the worker's to give, or given back. */
static void
at_end(XactEvent event, void *arg)
{
	(void) arg;
	switch (event)
	{
		case XACT_EVENT_ABORT:
			for (; taken != NULL; taken = taken->next)
				give_back(taken);
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
			taken = NULL;
			break;
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			break;
	}
}

/* A level ends: what it took is the one's above, or given back. */
static void
at_subtransaction_end(SubXactEvent event, SubTransactionId id,
					  SubTransactionId parent, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();

	(void) id;
	(void) parent;
	(void) arg;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
		for (Taken *t = taken; t != NULL && t->level >= level; t = t->next)
			t->level = level - 1;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		for (; taken != NULL && taken->level >= level; taken = taken->next)
			give_back(taken);
}

/* Give back what a level took. */
static void
give_back(const Taken *from)
{
	lower(&from->counter->rows, from->rows);
	lower(&from->counter->bytes, from->bytes);
}

/* Subtract, but stay at 0: somebody may have counted anew. */
static void
lower(pg_atomic_uint64 *number, uint64 by)
{
	uint64		before = pg_atomic_read_u64(number);

	while (!pg_atomic_compare_exchange_u64(number, &before,
										   before > by ? before - by : 0))
		;
}
