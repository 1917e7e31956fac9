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
 * How long a worker keeps its process when others wait for it: long enough to
 * be worth the start of a process and its new connections.
 */
#define TURN_MS 2000

/* A worker that may be asked to yield. */
typedef struct Candidate
{
	DatabaseState *database;
	TimestampTz turn_ends;		/* DT_NOBEGIN: it is idle */
} Candidate;

static void stop_asking(void);
static Candidate *find_candidates(const WorkerPool *pool, int *count,
								  int *nyielding);
static int	compare_ends(const void *a, const void *b);

void
pgnet_preempt(const WorkerPool *pool, int waiting, TimestampTz now,
			  TimestampTz *due)
{
	int			count;
	int			nyielding;
	Candidate  *candidates = find_candidates(pool, &count, &nyielding);

	if (waiting == 0 && nyielding > 0)
		stop_asking();
	qsort(candidates, count, sizeof(Candidate), compare_ends);
	for (int i = 0; i < count && nyielding + i < waiting; i++)
	{
		if (candidates[i].turn_ends > now)
		{
			*due = Min(*due, candidates[i].turn_ends);
			break;
		}
		pgnet_database_request_yield(candidates[i].database, true);
	}
	pfree(candidates);
}

/* Nobody waits any more: who has not left may stay. */
static void
stop_asking(void)
{
	int			count = pgnet_registry_count();

	for (int i = 0; i < count; i++)
		pgnet_database_request_yield(pgnet_registry_at(i), false);
}

/* The workers that could yield and were not asked; how many were? */
static Candidate *
find_candidates(const WorkerPool *pool, int *count, int *nyielding)
{
	int			ndatabases = pgnet_registry_count();
	Candidate  *candidates = palloc(sizeof(Candidate) * Max(ndatabases, 1));

	*count = *nyielding = 0;
	for (int i = 0; i < ndatabases; i++)
	{
		DatabaseState *database = pgnet_registry_at(i);
		WorkerStatus worker = pgnet_database_snapshot(database).worker;
		TimestampTz started;

		if (!OidIsValid(database->database) || worker.pid == 0)
			continue;
		*nyielding += worker.yield_requested;
		if (worker.yield_requested || worker.yield_refused)
			continue;
		started = pgnet_worker_pool_started(pool, i);
		candidates[(*count)++] = (Candidate) {
			.database = database,
			.turn_ends = worker.idle ?
				DT_NOBEGIN :
				TimestampTzPlusMilliseconds(started, TURN_MS)
		};
	}
	return candidates;
}

/* qsort comparator */
static int
compare_ends(const void *a, const void *b)
{
	TimestampTz left = ((const Candidate *) a)->turn_ends;
	TimestampTz right = ((const Candidate *) b)->turn_ends;

	return left < right ? -1 : left > right;
}
