/*
 * plain_queue.h -- inserting into a queue that is as we made it.
 *
 * Runs in: client backends, inside a transaction.
 */
#ifndef PGNET_PLAIN_QUEUE_H
#define PGNET_PLAIN_QUEUE_H

#include "postgres.h"

#include "utils/rel.h"

#include "tables/request_queue.h"

/* What inserting into a plain queue needs to know of it. */
typedef struct PlainQueue
{
	bool		plain;			/* false: the rest says nothing */
	Oid			primary_key;	/* its one index, on id */
	Oid			id_sequence;
} PlainQueue;

/*
 * Is the table as CREATE EXTENSION made it, as far as an insert can tell?
 * Then nothing but our own code and PostgreSQL's takes part in one.
 */
extern PlainQueue pgnet_plain_queue_examine(Relation table, Oid method_type);

/*
 * Insert a row and make it visible to the next command; its id.  The table is
 * open and locked, and plain.  Throws when the transaction is read-only.
 */
extern int64 pgnet_plain_queue_insert(Relation table, const PlainQueue *queue,
									  const QueueRow *row);

#endif							/* PGNET_PLAIN_QUEUE_H */
