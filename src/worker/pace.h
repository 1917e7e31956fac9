/*
 * pace.h -- how many rows to take at a time.
 *
 * Runs in: workers.  Triggers and constraints of users may take any time for a
 * row, and the network waits meanwhile.  So a transaction processes one row
 * first, then pieces that grow, until its time is used up; and the most that it
 * gets follows from how long earlier ones took.
 */
#ifndef PGNET_PACE_H
#define PGNET_PACE_H

#include "postgres.h"

/* All zero: no limits. */
typedef struct Pace
{
	int			limit;			/* rows of a transaction; 0: any number */
	int			piece_limit;	/* rows at a time within it; 0: any number */
} Pace;

/* One transaction. */
typedef struct PaceRun
{
	const Pace *pace;
	int64		start_us;
	int			tried;			/* rows */
	int			piece;			/* rows of the next piece, if time allows */
} PaceRun;

/* How many rows a transaction may process, at most max. */
extern int	pgnet_pace_rows(const Pace *pace, int max);

/* A transaction processed rows and took so long, with its commit. */
extern void pgnet_pace_done(Pace *pace, int rows, int64 took_us);

/* One of so many rows failed as a whole, perhaps because it took too long. */
extern void pgnet_pace_failed(Pace *pace, int rows, bool too_long);

/* Did pieces fail?  Then rows are processed singly until none fails. */
extern void pgnet_pace_pieces(Pace *pace, bool failed);

/*
 * Begin a transaction.  _next(): how many of the rows that are left to process
 * next, 0 if the time is used up.  _piece_failed(): the rows of the last piece
 * come again, singly.
 */
extern void pgnet_pace_begin(PaceRun *run, const Pace *pace);
extern int	pgnet_pace_next(PaceRun *run, int left);
extern void pgnet_pace_piece_failed(PaceRun *run);
extern int64 pgnet_pace_took_us(const PaceRun *run);

#endif							/* PGNET_PACE_H */
