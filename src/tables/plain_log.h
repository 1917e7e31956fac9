/*
 * plain_log.h -- inserting into a response table that is as we made it.
 *
 * Runs in: workers, inside a transaction.
 */
#ifndef PGNET_PLAIN_LOG_H
#define PGNET_PLAIN_LOG_H

#include "postgres.h"

#include "utils/rel.h"

#include "job.h"
#include "tables/plain_table.h"

/* Its indexes, on id and on created. */
#define PGNET_LOG_INDEXES 2

/* What inserting into a plain response table needs to know of it. */
typedef struct PlainLog
{
	bool		plain;			/* false: the rest says nothing */
	Oid			indexes[PGNET_LOG_INDEXES];
} PlainLog;

/* Is the table as CREATE EXTENSION made it, as far as an insert can tell? */
extern PlainLog pgnet_plain_log_examine(Relation table,
										const OwnTriggers *own);

/*
 * Insert the outcomes of requests and make them visible to the next command.
 * The table is open and locked, and plain.
 */
extern void pgnet_plain_log_insert(Relation table, const PlainLog *log,
								   Job *const *jobs, int njobs);

#endif							/* PGNET_PLAIN_LOG_H */
