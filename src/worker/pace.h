/*
 * pace.h -- how many rows to take at a time.
 *
 * Runs in: workers.  What others hung on the tables may take any time for a
 * row, and the network waits meanwhile.  So a transaction takes one row first,
 * then more at a time, until its time is over; and how many it gets at most
 * follows from how long those before it took.
 */
#ifndef PGNET_PACE_H
#define PGNET_PACE_H

#include "postgres.h"

/* All zero: there is no reason to take fewer than there are. */
typedef struct Pace
{
	int			limit;			/* rows of a transaction; 0: any number */
	int			piece_limit;	/* rows at a time within it; 0: any number */
} Pace;

/* One transaction, while it goes on. */
typedef struct PaceRun
{
	const Pace *pace;
	int64		start_us;
	int			tried;			/* rows */
	int			piece;			/* rows of the next piece, if time allows */
} PaceRun;

/* How many rows a transaction may take, of at most max. */
extern int	pgnet_pace_rows(const Pace *pace, int max);

/* A transaction did so many rows and took so long, commit included. */
extern void pgnet_pace_done(Pace *pace, int rows, int64 took_us);

/* One that should do rows failed as a whole, or took too long. */
extern void pgnet_pace_failed(Pace *pace, int rows, bool too_long);

/* Did pieces fail?  Then rows are taken singly, until all goes well again. */
extern void pgnet_pace_pieces(Pace *pace, bool failed);

/*
 * Begin a transaction; then, how many of the rows left to take next, 0 when
 * its time is over; and say when a piece has failed, to take its rows singly.
 */
extern void pgnet_pace_begin(PaceRun *run, const Pace *pace);
extern int	pgnet_pace_next(PaceRun *run, int left);
extern void pgnet_pace_piece_failed(PaceRun *run);
extern int64 pgnet_pace_took_us(const PaceRun *run);

#endif							/* PGNET_PACE_H */
