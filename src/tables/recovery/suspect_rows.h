/*
 * suspect_rows.h -- net._suspect: who was in flight when the worker died.
 *
 * Runs in: workers, inside a transaction with the tables locked.
 */
#ifndef PGNET_SUSPECT_ROWS_H
#define PGNET_SUSPECT_ROWS_H

#include "postgres.h"

typedef struct SuspectRow
{
	int64		id;
	int			deaths;			/* of the worker that count for the request */
	int			beside;			/* and that do not, since others were there */
} SuspectRow;

/* What a worker finds when it begins. */
typedef struct Inquest
{
	bool		died;			/* the worker before, or the whole server */
	int64		last_waiting;	/* if so, the highest id; PG_INT64_MIN: none */
	SuspectRow *rows;			/* those with deaths, in the current context */
	int			nrows;
} Inquest;

/*
 * Hold the inquest.  died says whether the worker before is known to have
 * died, and alive whether it lived when the server crashed, which is found out
 * here.  Deaths are counted, and nothing is in flight any more.
 */
extern void pgnet_suspect_rows_inquire(bool died, bool alive,
									   Inquest *inquest);

/*
 * Write down that requests are about to be sent, alone or not, and forget
 * others; or that those in flight are not alone any more.
 */
extern void pgnet_suspect_rows_write(const int64 *sent, int nsent, bool alone,
									 const int64 *cleared, int ncleared);
extern void pgnet_suspect_rows_join(void);

#endif							/* PGNET_SUSPECT_ROWS_H */
