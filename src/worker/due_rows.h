/*
 * due_rows.h -- when is the next row of the queue due?
 *
 * Runs in: workers.
 *
 * The worker does not remember rows that are not due, only when the first of
 * them will be; then it finds them in the index on (due, id).  Times are those
 * of the wall clock, as in the rows, except where said.
 */
#ifndef PGNET_DUE_ROWS_H
#define PGNET_DUE_ROWS_H

#include "postgres.h"

#include "tables/queue/queue.h"

typedef struct DueRows
{
	DuePlace	place;			/* rows up to here were read */
	TimestampTz next;			/* when to read on; DT_NOEND: never */
	bool		from_start;		/* all due rows are being read again */
	bool		once_more;		/* and again after that */
} DueRows;

/* Begin with what becomes due from now on: a scan reads what is due already. */
extern void pgnet_due_rows_init(DueRows *rows);

/* A row of the queue is due at that time, which may have passed. */
extern void pgnet_due_rows_note(DueRows *rows, TimestampTz due);

/*
 * Rows were changed: read all due rows again, from the start.  If that is going
 * on, it is completed first: frequent changes must not keep it at the start.
 */
extern void pgnet_due_rows_look_again(DueRows *rows);

/* When to read, by pgnet_clock_now(), as now is; DT_NOEND: never. */
extern TimestampTz pgnet_due_rows_due(const DueRows *rows,
									  TimestampTz now);

/* Due rows were read up to a place; next is when there will be more. */
extern void pgnet_due_rows_read(DueRows *rows, DuePlace place,
								TimestampTz next);

/* The place after which to read rows that are due by wall_now. */
extern DuePlace pgnet_due_rows_begin(const DueRows *rows,
									 TimestampTz wall_now);

#endif							/* PGNET_DUE_ROWS_H */
