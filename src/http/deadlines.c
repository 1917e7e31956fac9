/*
 * deadlines.c -- until when transfers may take.
 *
 * Runs in: workers.
 *
 * libcurl has timeouts, but judges by them before it looks at what has come.
 * A worker that records responses, with a trigger that sleeps perhaps, would
 * have requests time out that were answered meanwhile.  So sockets are read
 * first, and time in which the worker could not do that is given back.
 *
 * libcurl still has the timeout for having a connection, because it divides
 * that among the addresses of a host; see connect_again() of transfer.c.
 */
#include "postgres.h"

#include <time.h>

#include "http/deadlines.h"

/* Shorter absences are part of life. */
#define NOTICED_US ((int64) 100 * 1000)

static int	compare(const pairingheap_node *a, const pairingheap_node *b,
					void *arg);

/* Start with none. */
void
pgnet_deadlines_init(Deadlines *deadlines)
{
	*deadlines = (Deadlines) {
		.heap.ph_compare = compare,
		.seen_us = pgnet_monotonic_us()
	};
}

/* Look at the network: how long did nobody? */
void
pgnet_deadlines_look(Deadlines *deadlines)
{
	int64		away_us = pgnet_monotonic_us() - deadlines->seen_us;

	if (away_us >= NOTICED_US)
		deadlines->lost_us += away_us;
}

/* Look away. */
void
pgnet_deadlines_look_away(Deadlines *deadlines)
{
	deadlines->seen_us = pgnet_monotonic_us();
}

/* The time without what was lost. */
int64
pgnet_deadlines_clock_us(const Deadlines *deadlines)
{
	return pgnet_monotonic_us() - deadlines->lost_us;
}

/* Set one. */
void
pgnet_deadline_set(Deadlines *deadlines, Deadline *deadline, int timeout_ms)
{
	deadline->at_us = pgnet_deadlines_clock_us(deadlines) +
		(int64) timeout_ms * 1000;
	deadline->set = true;
	pairingheap_add(&deadlines->heap, &deadline->node);
}

/* Take it back. */
void
pgnet_deadline_unset(Deadlines *deadlines, Deadline *deadline)
{
	if (deadline->set)
		pairingheap_remove(&deadlines->heap, &deadline->node);
	deadline->set = false;
}

/* Find one that is over. */
Deadline *
pgnet_deadlines_due(Deadlines *deadlines)
{
	Deadline   *first;

	if (pairingheap_is_empty(&deadlines->heap))
		return NULL;
	first = pairingheap_container(Deadline, node,
								  pairingheap_first(&deadlines->heap));
	return first->at_us <= pgnet_deadlines_clock_us(deadlines) ? first : NULL;
}

/* How long is left of one? */
long
pgnet_deadline_left_ms(const Deadlines *deadlines, const Deadline *deadline)
{
	int64		left_us = deadline->at_us - pgnet_deadlines_clock_us(deadlines);

	return left_us <= 0 ? 0 : (long) ((left_us + 999) / 1000);
}

/* When is the first over? */
long
pgnet_deadlines_due_ms(const Deadlines *deadlines)
{
	pairingheap *heap = unconstify(pairingheap *, &deadlines->heap);
	const Deadline *first;

	if (pairingheap_is_empty(heap))
		return -1;
	first = pairingheap_container(Deadline, node, pairingheap_first(heap));
	return pgnet_deadline_left_ms(deadlines, first);
}

/* Microseconds since some time that stays the same. */
int64
pgnet_monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The heap's first is the greatest: the earliest. */
static int
compare(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	int64		one = pairingheap_const_container(Deadline, node, a)->at_us;
	int64		other = pairingheap_const_container(Deadline, node, b)->at_us;

	(void) arg;
	return one < other ? 1 : one > other ? -1 :
										   0;
}
