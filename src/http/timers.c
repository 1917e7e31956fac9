/*
 * timers.c -- what is to be done when a time is over.
 *
 * Runs in: workers.
 *
 * A worker that records responses, with a trigger that sleeps perhaps, must
 * not have requests time out that were answered meanwhile.  So sockets are read
 * first, and time in which the worker could not do that is given back.
 */
#include "postgres.h"

#include <time.h>

#include "http/timers.h"

/* Shorter absences are part of life. */
#define NOTICED_US ((int64) 100 * 1000)

static int	compare(const pairingheap_node *a, const pairingheap_node *b,
					void *arg);
static Timer *first_timer(const Timers *timers);

/* Start with none. */
void
pgnet_timers_init(Timers *timers)
{
	*timers = (Timers) {
		.heap.ph_compare = compare,
		.seen_us = pgnet_monotonic_us()
	};
}

/* Look at the network: how long did nobody? */
void
pgnet_timers_look(Timers *timers)
{
	int64		away_us = pgnet_monotonic_us() - timers->seen_us;

	if (away_us >= NOTICED_US)
		timers->lost_us += away_us;
}

/* Look away. */
void
pgnet_timers_look_away(Timers *timers)
{
	timers->seen_us = pgnet_monotonic_us();
}

/* The time without what was lost. */
int64
pgnet_timers_clock_us(const Timers *timers)
{
	return pgnet_monotonic_us() - timers->lost_us;
}

void
pgnet_timer_set(Timers *timers, Timer *timer, int64 delay_us)
{
	pgnet_timer_set_at(timers, timer, pgnet_timers_clock_us(timers) + delay_us);
}

void
pgnet_timer_set_at(Timers *timers, Timer *timer, int64 at_us)
{
	pgnet_timer_unset(timers, timer);
	timer->at_us = at_us;
	timer->set = true;
	pairingheap_add(&timers->heap, &timer->node);
}

/* Take it back. */
void
pgnet_timer_unset(Timers *timers, Timer *timer)
{
	if (timer->set)
		pairingheap_remove(&timers->heap, &timer->node);
	timer->set = false;
}

/* Timers that are set meanwhile for now at the earliest wait. */
int
pgnet_timers_run(Timers *timers)
{
	int64		now_us;
	int			count = 0;
	Timer	   *timer = first_timer(timers);

	if (timer == NULL)
		return 0;
	now_us = pgnet_timers_clock_us(timers);
	for (; timer != NULL && timer->at_us <= now_us; count++)
	{
		pgnet_timer_unset(timers, timer);
		timer->due(timer);
		timer = first_timer(timers);
	}
	return count;
}

long
pgnet_timers_due_ms(const Timers *timers)
{
	const Timer *first = first_timer(timers);
	int64		left_us;

	if (first == NULL)
		return -1;
	left_us = first->at_us - pgnet_timers_clock_us(timers);
	return left_us <= 0 ? 0 : (long) ((left_us + 999) / 1000);
}

/* Microseconds since some time that stays the same. */
int64
pgnet_monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The next one that is due; NULL: none is set. */
static Timer *
first_timer(const Timers *timers)
{
	pairingheap *heap = unconstify(pairingheap *, &timers->heap);

	if (pairingheap_is_empty(heap))
		return NULL;
	return pairingheap_container(Timer, node, pairingheap_first(heap));
}

/* The heap's first is the greatest: the earliest. */
static int
compare(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	int64		one = pairingheap_const_container(Timer, node, a)->at_us;
	int64		other = pairingheap_const_container(Timer, node, b)->at_us;

	(void) arg;
	return one < other ? 1 : one > other ? -1 :
										   0;
}
