/*
 * plain_queue.h -- a queue that is as we made it, without the executor.
 *
 * Runs in: client backends and workers, inside a transaction.
 */
#ifndef PGNET_PLAIN_QUEUE_H
#define PGNET_PLAIN_QUEUE_H

#include "postgres.h"

#include "utils/rel.h"

#include "job.h"
#include "tables/plain_table.h"
#include "tables/request_queue.h"

/* What is known of a queue that may be plain. */
typedef struct PlainQueue
{
	Oid			primary_key;	/* its one index, on id; or InvalidOid */
	bool		takes_rows;		/* it is, as far as an insert can tell */
	Oid			id_sequence;	/* where ids come from then */
	bool		gives_rows;		/* it is, as far as a delete can tell */
} PlainQueue;

/*
 * Is the table as CREATE EXTENSION made it?  Then nothing but our own code and
 * PostgreSQL's takes part in an insert or a delete.
 */
extern PlainQueue pgnet_plain_queue_examine(Relation table, Oid method_type,
											const OwnTriggers *own);

/*
 * Insert a row and make it visible to the next command; its id.  The table is
 * open and locked, and takes rows.  Throws when the transaction is read-only.
 * Runs in: client backends.
 */
extern int64 pgnet_plain_queue_insert(Relation table, const PlainQueue *queue,
									  const QueueRow *row);

/*
 * Remove the rows of requests that are where they were when they were read;
 * how many.  The others have moved, are gone or in somebody's hands.  The
 * table is open and locked, and gives rows.  Runs in: workers.
 */
extern int	pgnet_plain_queue_remove(Relation table,
									 Job *const *jobs,
									 int njobs);

#endif							/* PGNET_PLAIN_QUEUE_H */
