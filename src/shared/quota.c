/*
 * quota.c -- how much of each role waits.
 *
 * Runs in: client backends (take) and workers (give, set).
 *
 * A call counts its row before it is committed, because sessions do not see
 * each other's uncommitted rows.  There is a counter for each pair of database
 * and role that has something queued; unused ones are removed when there are
 * many.  A transaction looks its counter up once, and uses it until it ends.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/dshash.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "shared/area.h"
#include "shared/quota.h"

/* With fewer counters, unused ones are kept: they may be used again. */
#define MANY_COUNTERS 1000

typedef struct QuotaKey
{
	Oid			database;
	Oid			role;
} QuotaKey;

typedef struct QuotaCounter
{
	QuotaKey	key;
	pg_atomic_uint32 users;		/* open transactions that point here */
	pg_atomic_uint64 rows;
	pg_atomic_uint64 bytes;
} QuotaCounter;

typedef struct Quotas
{
	AreaTable	table;
	pg_atomic_uint32 count;		/* of its counters */
	pg_atomic_uint32 aborts;	/* that took something back */
} Quotas;

static Quotas *quotas = NULL;

/* What one level of the transaction has taken of one role's quota. */
typedef struct Taken
{
	struct Taken *next;
	QuotaCounter *counter;		/* which counts us as a user */
	int			level;			/* of nested subtransactions */
	uint64		rows;
	uint64		bytes;
} Taken;

/* Of this transaction, in its memory context; the innermost level first. */
static Taken *taken = NULL;

static dshash_table *table(void);
static Taken *taken_of(Oid role);
static QuotaCounter *use_counter(Oid role);
static QuotaCounter *lock_counter(Oid role, bool make);
static void unlock_counter(QuotaCounter *counter);
static bool is_of_use(QuotaCounter *counter);
static int	compare_oids(const void *a, const void *b);
static void remove_current(dshash_seq_status *scan);
static void at_end(XactEvent event, void *arg);
static void at_subtransaction_end(SubXactEvent event, SubTransactionId id,
								  SubTransactionId parent, void *arg);
static void join(int level);
static void forget(bool give_back);
static void lower(pg_atomic_uint64 *number, uint64 by);

Size
pgnet_quota_memory_size(void)
{
	return sizeof(Quotas);
}

void
pgnet_quota_memory_init(void *memory, int lock_tranche)
{
	quotas = memory;
	pg_atomic_init_u32(&quotas->count, 0);
	pg_atomic_init_u32(&quotas->aborts, 0);
	pgnet_area_table_create(&quotas->table, sizeof(QuotaKey),
							sizeof(QuotaCounter), lock_tranche);
}

/* Attached until the process exits. */
static dshash_table *
table(void)
{
	static dshash_table *attached = NULL;

	if (attached == NULL)
		attached = pgnet_area_table_attach(&quotas->table);
	return attached;
}

bool
pgnet_quota_take(Oid role, uint64 size, uint64 max_rows, uint64 max_bytes,
				 uint64 *rows, uint64 *bytes)
{
	Taken	   *mine = taken_of(role);

	*rows = pg_atomic_fetch_add_u64(&mine->counter->rows, 1);
	*bytes = pg_atomic_fetch_add_u64(&mine->counter->bytes, size);
	if ((max_rows == 0 || *rows < max_rows) &&
		(max_bytes == 0 || *bytes + size <= max_bytes))
	{
		mine->rows++;
		mine->bytes += size;
		return true;
	}
	lower(&mine->counter->rows, 1);
	lower(&mine->counter->bytes, size);
	return false;
}

int
pgnet_quota_taken(QuotaTaken **list)
{
	int			count = 0;

	for (Taken *t = taken; t != NULL; t = t->next)
		count++;
	*list = palloc(sizeof(QuotaTaken) * Max(count, 1));
	count = 0;
	for (Taken *t = taken; t != NULL; t = t->next)
		if (t->rows > 0)
			(*list)[count++] = (QuotaTaken) {
				.role = t->counter->key.role,
				.rows = t->rows,
				.bytes = t->bytes
			};
	return count;
}

void
pgnet_quota_give(Oid role, uint64 rows, int64 bytes)
{
	QuotaCounter *counter = lock_counter(role, false);

	if (counter == NULL)
		return;
	lower(&counter->rows, rows);
	if (bytes > 0)
		lower(&counter->bytes, bytes);
	else
		pg_atomic_fetch_add_u64(&counter->bytes, -bytes);
	unlock_counter(counter);
}

uint32
pgnet_quota_aborts(void)
{
	return pg_atomic_read_u32(&quotas->aborts);
}

void
pgnet_quota_set(Oid role, uint64 rows, uint64 bytes)
{
	QuotaCounter *counter = lock_counter(role, true);

	pg_atomic_write_u64(&counter->rows, rows);
	pg_atomic_write_u64(&counter->bytes, bytes);
	unlock_counter(counter);
}

void
pgnet_quota_keep_only(const Oid *sorted_roles, int nroles)
{
	dshash_seq_status scan;
	QuotaCounter *counter;

	dshash_seq_init(&scan, table(), true);
	while ((counter = dshash_seq_next(&scan)) != NULL)
	{
		if (counter->key.database != MyDatabaseId ||
			(nroles > 0 &&
			 bsearch(&counter->key.role, sorted_roles, nroles, sizeof(Oid),
					 compare_oids) != NULL))
			continue;
		pg_atomic_write_u64(&counter->rows, 0);
		pg_atomic_write_u64(&counter->bytes, 0);
		if (!is_of_use(counter))
			remove_current(&scan);
	}
	dshash_seq_term(&scan);
}

int64
pgnet_quota_rows(Oid database)
{
	dshash_seq_status scan;
	QuotaCounter *counter;
	int64		rows = 0;

	if (pg_atomic_read_u32(&quotas->count) == 0)
		return 0;
	dshash_seq_init(&scan, table(), false);
	while ((counter = dshash_seq_next(&scan)) != NULL)
		if (counter->key.database == database)
			rows += (int64) pg_atomic_read_u64(&counter->rows);
	dshash_seq_term(&scan);
	return rows;
}

/* Nobody is connected to the database. */
void
pgnet_quota_forget(Oid database)
{
	dshash_seq_status scan;
	QuotaCounter *counter;

	if (pg_atomic_read_u32(&quotas->count) == 0)
		return;
	dshash_seq_init(&scan, table(), true);
	while ((counter = dshash_seq_next(&scan)) != NULL)
		if (counter->key.database == database)
			remove_current(&scan);
	dshash_seq_term(&scan);
}

/* What this level has taken of a role's quota; nothing yet at first. */
static Taken *
taken_of(Oid role)
{
	static bool registered = false;
	int			level = GetCurrentTransactionNestLevel();
	Taken	   *found = taken;

	while (found != NULL && found->level == level &&
		   found->counter->key.role != role)
		found = found->next;
	if (found != NULL && found->level == level)
		return found;
	if (!registered)
	{
		RegisterXactCallback(at_end, NULL);
		RegisterSubXactCallback(at_subtransaction_end, NULL);
		registered = true;
	}
	/* allocate first: nothing may fail between using and noting it */
	found = MemoryContextAllocZero(TopTransactionContext, sizeof(Taken));
	found->counter = use_counter(role);
	found->level = level;
	found->next = taken;
	taken = found;
	return found;
}

/* Find a counter, and keep others from removing it. */
static QuotaCounter *
use_counter(Oid role)
{
	QuotaCounter *counter = lock_counter(role, true);

	pg_atomic_fetch_add_u32(&counter->users, 1);
	dshash_release_lock(table(), counter);
	return counter;
}

/* Lock the counter of a role of our database; NULL if there is none. */
static QuotaCounter *
lock_counter(Oid role, bool make)
{
	QuotaKey	key = {.database = MyDatabaseId, .role = role};
	QuotaCounter *counter;
	bool		found = true;

	if (!make)
		return dshash_find(table(), &key, true);
	counter = dshash_find_or_insert(table(), &key, &found);
	if (!found)
	{
		pg_atomic_init_u32(&counter->users, 0);
		pg_atomic_init_u64(&counter->rows, 0);
		pg_atomic_init_u64(&counter->bytes, 0);
		pg_atomic_fetch_add_u32(&quotas->count, 1);
	}
	return counter;
}

/* Unlock a counter, or remove it if it is unused and there are many. */
static void
unlock_counter(QuotaCounter *counter)
{
	if (is_of_use(counter) ||
		pg_atomic_read_u32(&quotas->count) < MANY_COUNTERS)
	{
		dshash_release_lock(table(), counter);
		return;
	}
	pg_atomic_fetch_sub_u32(&quotas->count, 1);
	dshash_delete_entry(table(), counter);
}

/* The counter is locked. */
static bool
is_of_use(QuotaCounter *counter)
{
	return pg_atomic_read_u32(&counter->users) > 0 ||
		pg_atomic_read_u64(&counter->rows) > 0 ||
		pg_atomic_read_u64(&counter->bytes) > 0;
}

/* For bsearch(). */
static int
compare_oids(const void *a, const void *b)
{
	Oid			left = *(const Oid *) a;
	Oid			right = *(const Oid *) b;

	return left < right ? -1 : left > right;
}

/* Remove the counter that a scan is at. */
static void
remove_current(dshash_seq_status *scan)
{
	pg_atomic_fetch_sub_u32(&quotas->count, 1);
	dshash_delete_current(scan);
}

/* XactCallback.  What a committed transaction took, the worker gives back. */
static void
at_end(XactEvent event, void *arg)
{
	(void) arg;
	switch (event)
	{
		case XACT_EVENT_ABORT:
			if (taken != NULL)
				pg_atomic_fetch_add_u32(&quotas->aborts, 1);
			while (taken != NULL)
				forget(true);
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
			while (taken != NULL)
				forget(false);
			break;
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			break;
	}
}

/* SubXactCallback. */
static void
at_subtransaction_end(SubXactEvent event, SubTransactionId id,
					  SubTransactionId parent, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();

	(void) id;
	(void) parent;
	(void) arg;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
		join(level);
	if (event == SUBXACT_EVENT_ABORT_SUB)
		while (taken != NULL && taken->level >= level)
			forget(true);
}

/* Add what a subtransaction took to what its parent took. */
static void
join(int level)
{
	Taken	  **place = &taken;

	for (Taken *t = taken; t != NULL && t->level >= level; t = *place)
	{
		Taken	   *above = t->next;

		while (above != NULL && above->level >= level - 1 &&
			   (above->level >= level || above->counter != t->counter))
			above = above->next;
		if (above == NULL || above->level != level - 1)
		{
			t->level = level - 1;
			place = &t->next;
			continue;
		}
		above->rows += t->rows;
		above->bytes += t->bytes;
		*place = t->next;
		pg_atomic_fetch_sub_u32(&t->counter->users, 1);
		pfree(t);
	}
}

/* Remove the first of what was taken from the list. */
static void
forget(bool give_back)
{
	Taken	   *first = taken;

	taken = first->next;
	if (give_back)
	{
		lower(&first->counter->rows, first->rows);
		lower(&first->counter->bytes, first->bytes);
	}
	pg_atomic_fetch_sub_u32(&first->counter->users, 1);
}

/* Subtract, but not below 0: the worker may have counted anew meanwhile. */
static void
lower(pg_atomic_uint64 *number, uint64 by)
{
	uint64		before = pg_atomic_read_u64(number);

	while (!pg_atomic_compare_exchange_u64(number, &before,
										   before > by ? before - by : 0))
		;
}
