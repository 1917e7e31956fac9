/*
 * due_rows.h -- when is the next row of the queue due?
 *
 * Runs in: workers.  Rows that wait for their time are not known to the worker:
 * it knows when the first of them is due, and finds them in the index then.
 * Times are those of the wall clock, as in the rows.
 */
#ifndef PGNET_DUE_ROWS_H
#define PGNET_DUE_ROWS_H

#include "postgres.h"

#include "tables/queue/queue.h"

typedef struct DueRows
{
	DuePlace	place;			/* what became due until here was read */
	TimestampTz next;			/* when there is more; DT_NOEND: never */
	bool		from_start;		/* all that is due is being read again */
	bool		once_more;		/* and again after that */
} DueRows;

/* Begin: whoever reads the whole queue now reads what is due. */
extern void pgnet_due_rows_init(DueRows *rows);

/* A row is due then, or was due already. */
extern void pgnet_due_rows_note(DueRows *rows, TimestampTz due);

/*
 * Somebody changed rows: read all that is due again, but to the end before it
 * begins anew.
 */
extern void pgnet_due_rows_look_again(DueRows *rows);

/* When to read, by pgnet_clock_now(), which is now; DT_NOEND: never. */
extern TimestampTz pgnet_due_rows_due(const DueRows *rows,
									  TimestampTz now);

/* What is due was read up to a place; when there is more. */
extern void pgnet_due_rows_read(DueRows *rows, DuePlace place,
								TimestampTz next);

/* Where to begin to read what is due until now, by the wall clock. */
extern DuePlace pgnet_due_rows_begin(const DueRows *rows,
									 TimestampTz wall_now);

#endif							/* PGNET_DUE_ROWS_H */
