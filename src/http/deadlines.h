/*
 * deadlines.h -- until when transfers may take.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_DEADLINES_H
#define PGNET_DEADLINES_H

#include "postgres.h"

#include "lib/pairingheap.h"

/* Of one transfer; one of zeros is not set. */
typedef struct Deadline
{
	pairingheap_node node;
	int64		at_us;			/* by the clock of Deadlines */
	bool		set;
} Deadline;

/*
 * All of them, by a clock that stands still while the process is busy with
 * other things than the network.
 */
typedef struct Deadlines
{
	pairingheap heap;
	int64		seen_us;		/* when the network was looked at last */
	int64		lost_us;		/* with other things, in all */
} Deadlines;

extern void pgnet_deadlines_init(Deadlines *deadlines);

/* The network is looked at from now on, or no more; sleep counts as looking. */
extern void pgnet_deadlines_look(Deadlines *deadlines);
extern void pgnet_deadlines_look_away(Deadlines *deadlines);

/* That clock, in microseconds since some time. */
extern int64 pgnet_deadlines_clock_us(const Deadlines *deadlines);

/* Set one, so many milliseconds from now, or take it back. */
extern void pgnet_deadline_set(Deadlines *deadlines, Deadline *deadline,
							   int timeout_ms);
extern void pgnet_deadline_unset(Deadlines *deadlines, Deadline *deadline);

/* The first that is over, which stays set; NULL: none. */
extern Deadline *pgnet_deadlines_due(Deadlines *deadlines);

/* Milliseconds until one that is set is over, rounded up; 0: it is. */
extern long pgnet_deadline_left_ms(const Deadlines *deadlines,
								   const Deadline *deadline);

/* Milliseconds until the first is over, rounded up; -1: there is none. */
extern long pgnet_deadlines_due_ms(const Deadlines *deadlines);

/* A clock that nobody sets back, in microseconds. */
extern int64 pgnet_monotonic_us(void);

#endif							/* PGNET_DEADLINES_H */
