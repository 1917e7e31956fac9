/*
 * given_up.c -- how much is kept of what was given up, for each receiver.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "clock.h"
#include "tables/queue/given_up_rows.h"
#include "worker/counting.h"
#include "worker/given_up.h"

/*
 * What is kept of a lane; when there is more, a tenth less, so that it is some
 * time until the next removal.
 */
#define MAX_ROWS 100000
#define MAX_BYTES ((int64) 1024 * 1024 * 1024)

/* With less on disk there cannot be too much: so little is no row. */
#define LEAST_ROW_BYTES 64

/* The duration of a step; how many rows are read between looks at it. */
#define STEP_US 10000
#define STEP_ROWS 500

/* The pause between steps while the network is busy. */
#define BUSY_PAUSE_US 100000

/*
 * The pause between counts, as a multiple of how long the last one took, or of
 * the least duration.
 */
#define LEAST_COUNT_US 100000
#define COUNT_PAUSE_FACTOR 10

/* What was given up of a lane. */
typedef struct LaneGivenUp
{
	uint64		lane;			/* hash key: must be first */
	int64		rows;			/* to be kept, so far; or too many */
	int64		bytes;
	bool		over;			/* rows and bytes say how much is to go */
	int64		removed;
	char		host[64];		/* for the log; the end may be cut off */
} LaneGivenUp;

static void work(void *given_up);
static void begin_count(GivenUp *given_up);
static void count_row(GivenUp *given_up, const GivenUpRow *row);
static void end_count(GivenUp *given_up);
static int	choose(GivenUp *given_up, const GivenUpRow *rows, int nrows,
				   int64 *ids);
static void say_removed(const GivenUp *given_up);
static void end(GivenUp *given_up);

void
pgnet_given_up_note(GivenUp *given_up, const Job *job)
{
	if (job->delivery.disposition == PGNET_GAVE_UP)
		given_up->recorded = true;
}

TimestampTz
pgnet_given_up_due(const GivenUp *given_up, const TableGuard *guard, bool busy)
{
	TimestampTz due = DT_NOEND;

	if (!OidIsValid(guard->queue))
		return DT_NOEND;
	if (given_up->phase != GIVEN_UP_IDLE)
		due = DT_NOBEGIN;
	else if (given_up->recorded)
		due = given_up->not_before;
	if (busy)
		due = Max(due, given_up->stepped + BUSY_PAUSE_US);
	return pgnet_backoff_after(&given_up->backoff, due);
}

void
pgnet_given_up_run(GivenUp *given_up, TableGuard *guard)
{
	TimestampTz start = pgnet_clock_now();

	if (!pgnet_table_guard_try(guard, &given_up->backoff,
							   "limit what was given up", work, given_up))
	{
		/* what was rolled back is not known: count again */
		end(given_up);
		given_up->recorded = true;
		return;
	}
	given_up->stepped = pgnet_clock_now();
	given_up->spent_us += given_up->stepped - start;
	if (given_up->phase != GIVEN_UP_IDLE)
		return;
	given_up->not_before = given_up->stepped +
		COUNT_PAUSE_FACTOR * Max(given_up->spent_us, LEAST_COUNT_US);
	given_up->spent_us = 0;
}

void
pgnet_given_up_forget(GivenUp *given_up)
{
	end(given_up);
	*given_up = (GivenUp) {0};
}

/* TableWork: begin, or do a step. */
static void
work(void *arg)
{
	GivenUp    *given_up = arg;
	TimestampTz until = pgnet_clock_now() + STEP_US;
	GivenUpRow *rows = palloc(sizeof(GivenUpRow) * STEP_ROWS);
	int64	   *ids = palloc(sizeof(int64) * STEP_ROWS);

	if (given_up->phase == GIVEN_UP_IDLE)
	{
		given_up->recorded = false;
		if (pgnet_queue_disk_size() < (uint64) MAX_ROWS * LEAST_ROW_BYTES)
			return;
		begin_count(given_up);
	}
	do
	{
		bool		at_end;
		int			nrows = pgnet_given_up_read(&given_up->place, STEP_ROWS,
												rows, &at_end);
		int			nids = 0;

		if (given_up->phase == GIVEN_UP_REMOVING)
			nids = choose(given_up, rows, nrows, ids);
		else
			for (int i = 0; i < nrows; i++)
				count_row(given_up, &rows[i]);
		/* what is locked or kept by a trigger is left for the next count */
		if (nids > 0)
		{
			if (pgnet_queue_remove_given_up(ids, nids, DT_NOEND))
				pgnet_counting_removed(nids);
		}
		if (given_up->phase == GIVEN_UP_COUNTING && at_end)
			end_count(given_up);
		else if (given_up->phase == GIVEN_UP_REMOVING &&
				 (at_end || given_up->nover == 0))
		{
			say_removed(given_up);
			end(given_up);
		}
	} while (given_up->phase != GIVEN_UP_IDLE && pgnet_clock_now() < until);
}

static void
begin_count(GivenUp *given_up)
{
	HASHCTL		control = {
		.keysize = sizeof(uint64),
		.entrysize = sizeof(LaneGivenUp),
		.hcxt = TopMemoryContext
	};

	given_up->lanes = hash_create("pg_net given up", 64, &control,
								  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	given_up->nover = 0;
	given_up->place = (DuePlace) {.due = DT_NOBEGIN, .id = PG_INT64_MIN};
	given_up->phase = GIVEN_UP_COUNTING;
}

static void
count_row(GivenUp *given_up, const GivenUpRow *row)
{
	bool		found;
	LaneGivenUp *lane = hash_search(given_up->lanes, &row->lane, HASH_ENTER,
									&found);

	if (!found)
	{
		*lane = (LaneGivenUp) {.lane = row->lane};
		strlcpy(lane->host, row->host, sizeof(lane->host));
	}
	lane->rows++;
	lane->bytes += row->bytes;
}

/* All are counted: how much is to go? */
static void
end_count(GivenUp *given_up)
{
	HASH_SEQ_STATUS scan;
	LaneGivenUp *lane;

	hash_seq_init(&scan, given_up->lanes);
	while ((lane = hash_seq_search(&scan)) != NULL)
	{
		lane->over = lane->rows > MAX_ROWS || lane->bytes > MAX_BYTES;
		lane->rows -= MAX_ROWS - MAX_ROWS / 10;
		lane->bytes -= MAX_BYTES - MAX_BYTES / 10;
		if (lane->over)
			given_up->nover++;
	}
	given_up->place = (DuePlace) {.due = DT_NOBEGIN, .id = PG_INT64_MIN};
	given_up->phase = GIVEN_UP_REMOVING;
	if (given_up->nover == 0)
		end(given_up);
}

/* The ids of those that are to go; how many. */
static int
choose(GivenUp *given_up, const GivenUpRow *rows, int nrows, int64 *ids)
{
	int			nids = 0;

	for (int i = 0; i < nrows; i++)
	{
		LaneGivenUp *lane = hash_search(given_up->lanes, &rows[i].lane,
										HASH_FIND, NULL);

		if (lane == NULL || !lane->over)
			continue;
		ids[nids++] = rows[i].id;
		lane->removed++;
		lane->rows--;
		lane->bytes -= rows[i].bytes;
		lane->over = lane->rows > 0 || lane->bytes > 0;
		if (!lane->over)
			given_up->nover--;
	}
	return nids;
}

static void
say_removed(const GivenUp *given_up)
{
	HASH_SEQ_STATUS scan;
	const LaneGivenUp *lane;

	hash_seq_init(&scan, given_up->lanes);
	while ((lane = hash_seq_search(&scan)) != NULL)
		if (lane->removed > 0)
			ereport(LOG,
					errmsg("pg_net removed the oldest " INT64_FORMAT
						   " requests to %s that were given up",
						   lane->removed, lane->host),
					errdetail("Of one receiver, it keeps %d of them, and %d MB.",
							  MAX_ROWS, (int) (MAX_BYTES >> 20)));
}

/* The count is over. */
static void
end(GivenUp *given_up)
{
	if (given_up->lanes != NULL)
		hash_destroy(given_up->lanes);
	given_up->lanes = NULL;
	given_up->phase = GIVEN_UP_IDLE;
}
