/*
 * batch.h -- what one transaction records.
 *
 * Runs in: workers.
 */
#ifndef PGNET_BATCH_H
#define PGNET_BATCH_H

#include "postgres.h"

#include "lib/ilist.h"

#include "job.h"
#include "tables/responses/record.h"
#include "worker/pace.h"
#include "worker/table_guard.h"

/* Large enough that a commit costs little, small enough to be quick. */
#define PGNET_BATCH_REQUESTS 500
#define PGNET_BATCH_BYTES ((size_t) 16 * 1024 * 1024)

/* One that could not be recorded, and why. */
typedef struct BatchFailure
{
	Job		   *job;
	ErrorData  *error;
} BatchFailure;

typedef struct Batch
{
	TableGuard *guard;
	const Pace *pace;
	Job		   *jobs[PGNET_BATCH_REQUESTS];
	int			count;
	RecordMode	mode;
	int			seconds;		/* limit of a batch of one request */
	bool		looks_first;	/* whose rows somebody else has locked */
	MemoryContext context;		/* for errors: the caller's */

	/* result: the first are recorded, those after them were not tried */
	int			nrecorded;
	BatchFailure failures[PGNET_BATCH_REQUESTS];
	int			nfailures;
	bool		piece_failed;	/* and its rows were tried singly */
	int64		took_us;		/* with the commit */
} Batch;

/*
 * Fill an empty batch with at most max jobs of a list, in its order; a slow job
 * is alone.  If the list has more, a holder gets a share of the batch first.
 * last, which may be freed, is the holder that comes last where a batch is
 * small.
 */
extern void pgnet_batch_fill(Batch *batch, const dlist_head *list, int max,
							 const Holder *last);

/*
 * Record as many jobs as there is time for, in one transaction.  If the
 * transaction fails as a whole, *error says why, and none is recorded.
 */
extern GuardResult pgnet_batch_record(Batch *batch, ErrorData **error);

#endif							/* PGNET_BATCH_H */
