/*
 * preempt.c -- who leaves when background workers are short.
 *
 * Runs in: the launcher.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "launcher/preempt.h"
#include "shared/registry.h"

/*
 * How long a worker keeps its process while other databases wait: long enough
 * to be worth the start of a process and new connections.
 */
#define TURN_MS 2000

/* A worker that may be asked to yield. */
typedef struct Candidate
{
	DatabaseState *database;
	TimestampTz turn_ends;		/* when it may be asked; DT_NOBEGIN: idle */
} Candidate;

typedef struct Candidates
{
	Candidate  *all;
	int			count;
	int			nasked;			/* workers that were asked, and have not left */
	int			nasked_idle;	/* those of them that are idle */
} Candidates;

static void stop_asking(void);
static Candidates find_candidates(const WorkerPool *pool);
static int	compare_ends(const void *a, const void *b);

void
pgnet_preempt(const WorkerPool *pool, int waiting, TimestampTz now,
			  TimestampTz *due)
{
	Candidates	candidates = find_candidates(pool);

	if (waiting == 0 && candidates.nasked > 0)
		stop_asking();
	qsort(candidates.all, candidates.count, sizeof(Candidate), compare_ends);
	for (int i = 0; i < candidates.count; i++)
	{
		const Candidate *next = &candidates.all[i];
		bool		idle = next->turn_ends == DT_NOBEGIN;

		/* an idle one is asked even if busy ones were: they may refuse */
		if (i + (idle ? candidates.nasked_idle : candidates.nasked) >= waiting)
			continue;
		if (next->turn_ends > now)
		{
			*due = Min(*due, next->turn_ends);
			break;
		}
		elog(DEBUG1, "asking the pg_net worker of database %u to leave",
			 next->database->database);
		pgnet_database_request_yield(next->database, true);
	}
	pfree(candidates.all);
}

/* No database waits any more: workers that have not left yet may stay. */
static void
stop_asking(void)
{
	int			count = pgnet_registry_count();

	for (int i = 0; i < count; i++)
		pgnet_database_request_yield(pgnet_registry_at(i), false);
}

/* Workers that were not asked yet and have not refused; counts the others. */
static Candidates
find_candidates(const WorkerPool *pool)
{
	int			count = pgnet_registry_count();
	Candidates	found = {.all = palloc(sizeof(Candidate) * Max(count, 1))};

	for (int i = 0; i < count; i++)
	{
		DatabaseState *database = pgnet_registry_at(i);
		DatabaseSnapshot snapshot = pgnet_database_snapshot(database);
		const WorkerStatus *worker = &snapshot.worker;
		TimestampTz started;

		if (!OidIsValid(database->database) || worker->pid == 0)
			continue;
		found.nasked += worker->yield_requested;
		found.nasked_idle += worker->yield_requested && worker->idle;
		if (worker->yield_requested || worker->yield_refused)
			continue;
		started = pgnet_worker_pool_started(pool, i);
		found.all[found.count++] = (Candidate) {
			.database = database,
			.turn_ends = worker->idle ?
				DT_NOBEGIN :
				TimestampTzPlusMilliseconds(started, TURN_MS)
		};
	}
	return found;
}

/* qsort comparator */
static int
compare_ends(const void *a, const void *b)
{
	TimestampTz left = ((const Candidate *) a)->turn_ends;
	TimestampTz right = ((const Candidate *) b)->turn_ends;

	return left < right ? -1 : left > right;
}
