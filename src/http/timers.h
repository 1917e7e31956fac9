/*
 * timers.h -- what is to be done when a time is over.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_TIMERS_H
#define PGNET_TIMERS_H

#include "postgres.h"

#include "lib/pairingheap.h"

typedef struct Timer Timer;

/* The time is over; the timer is not set any more, and may be set again. */
typedef void (*TimerDue) (Timer *timer);

/* One of zeros is not set; who has it sets due. */
struct Timer
{
	pairingheap_node node;
	int64		at_us;			/* by the clock of Timers */
	bool		set;
	TimerDue	due;
};

/*
 * All of them, by a clock that stands still while the process is busy with
 * other things than the network.
 */
typedef struct Timers
{
	pairingheap heap;
	int64		seen_us;		/* when the network was looked at last */
	int64		lost_us;		/* with other things, in all */
} Timers;

extern void pgnet_timers_init(Timers *timers);

/* The network is looked at from now on, or no more; sleep counts as looking. */
extern void pgnet_timers_look(Timers *timers);
extern void pgnet_timers_look_away(Timers *timers);

/* That clock, in microseconds since some time. */
extern int64 pgnet_timers_clock_us(const Timers *timers);

/* Set one, so many microseconds from now or to a time, or take it back. */
extern void pgnet_timer_set(Timers *timers, Timer *timer, int64 delay_us);
extern void pgnet_timer_set_at(Timers *timers, Timer *timer, int64 at_us);
extern void pgnet_timer_unset(Timers *timers, Timer *timer);

/* Call those whose time is over; how many. */
extern int	pgnet_timers_run(Timers *timers);

/* Milliseconds until the first is over, rounded up; -1: there is none. */
extern long pgnet_timers_due_ms(const Timers *timers);

/* A clock that nobody sets back, in microseconds. */
extern int64 pgnet_monotonic_us(void);

#endif							/* PGNET_TIMERS_H */
