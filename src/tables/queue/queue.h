/*
 * queue.h -- net.http_request_queue: waiting requests.
 *
 * Every function runs inside a transaction.  Rows leave the queue only
 * together with their response: see responses/record.h.
 */
#ifndef PGNET_QUEUE_H
#define PGNET_QUEUE_H

#include "postgres.h"

#include "lib/ilist.h"
#include "exchange.h"
#include "tables/queue/queue_row.h"

/* Insert a row as the tables' owner; its id.  Runs in: client backends. */
extern int64 pgnet_queue_insert(const QueueRow *row);

/* An id for a row that is not inserted yet.  Runs in: client backends. */
extern int64 pgnet_queue_next_id(void);

/* Is the row that is being inserted one of a call? */
extern bool pgnet_queue_is_inserting(void);

/* Reading rows: how, and what came of it.  Runs in: workers. */
typedef struct QueueRead
{
	Oid			table;			/* the queue as locked */
	size_t		max_bytes;		/* beside its URL, to read a row whole */
	MemoryContext parent;		/* of jobs */

	/*
	 * Jobs are appended here.  Larger ones come without their content (loaded
	 * = false); a row that cannot be sent comes decided, with an outcome.
	 */
	dlist_head	jobs;
	int			count;			/* rows that were met */
	int64		last_id;		/* of the last one */

	/*
	 * Rows whose time has not come and rows that were given up are left out.
	 * When the first of them is due; DT_NOEND: there were none.
	 */
	TimestampTz next_due;
	bool		left_out;		/* there were some */
	int64		count_after;	/* of those after this id ... */
	int			nscheduled;		/* ... how many were not given up */
} QueueRead;

/* Values of max_bytes: no row, those that are small, all. */
#define PGNET_READ_IDS 0
#define PGNET_READ_SMALL (32 * 1024)
#define PGNET_READ_WHOLE SIZE_MAX

extern void pgnet_queue_read_init(QueueRead *read, Oid table,
								  size_t max_bytes, MemoryContext parent);

/* Read the rows with from_id <= id, in order of id, at most limit. */
extern void pgnet_queue_scan(QueueRead *read, int64 from_id, int limit);

/* Read the rows with these ids.  The ids are put in order. */
extern void pgnet_queue_load(QueueRead *read, int64 *ids, int nids);

/* A place in the order of due and id. */
typedef struct DuePlace
{
	TimestampTz due;
	int64		id;
} DuePlace;

/*
 * Find rows that became due after a place until now, at most limit: their ids,
 * and how many.  The place moves behind them; *next_due says when there is more
 * to find: now, if there may be more, or DT_NOEND.  What was given up so long
 * ago that it is not kept any longer comes from the end of ids downwards;
 * *ngiven_up says how many.  Runs in: workers.
 */
extern int	pgnet_queue_find_due(DuePlace *place, TimestampTz now, int limit,
								 int64 *ids, int *ngiven_up,
								 TimestampTz *next_due);

/*
 * Remove rows that were given up and are not kept any longer; true: they are
 * gone.  Others stay that somebody else holds locked, or that a trigger keeps.
 */
extern bool pgnet_queue_remove_given_up(const int64 *ids, int nids,
										TimestampTz now);

#endif							/* PGNET_QUEUE_H */
