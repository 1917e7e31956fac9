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
#include "worker/access.h"
#include "worker/pace.h"

/* Enough to make a commit cheap, little enough to be quick. */
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
	TableAccess *access;
	const Pace *pace;
	Job		   *jobs[PGNET_BATCH_REQUESTS];
	int			count;
	RecordMode	mode;
	int			seconds;		/* it may take, if it is one request */
	MemoryContext context;		/* of errors: the caller's */

	/* what came of it: the first are recorded, the others were not tried */
	int			nrecorded;
	BatchFailure failures[PGNET_BATCH_REQUESTS];
	int			nfailures;
	bool		piece_failed;	/* perhaps for one of them */
	int64		took_us;		/* with the commit */
} Batch;

/*
 * Fill an empty batch with at most max requests of a list, those that came
 * first, a slow one alone.  Where there are more, their holders share it, and
 * the last one, which may be gone, comes last.
 */
extern void pgnet_batch_fill(Batch *batch, const dlist_head *list, int max,
							 const Holder *last);

/*
 * Record as many requests as there is time for.  When the transaction fails
 * as a whole, *error says why, and none is recorded.
 */
extern AccessResult pgnet_batch_record(Batch *batch, ErrorData **error);

#endif							/* PGNET_BATCH_H */
