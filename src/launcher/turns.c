/*
 * turns.c -- whose turn it is when background workers are short.
 *
 * Runs in: the launcher.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "launcher/turns.h"
#include "shared/slots.h"

/*
 * How long a worker keeps its place when others wait for it: long enough to
 * be worth the start of a process and its new connections.
 */
#define TURN_MS 2000

/* A worker, as it may have to leave. */
typedef struct Turn
{
	WorkerSlot *slot;
	TimestampTz end;			/* DT_NOBEGIN: it is idle */
} Turn;

static int	find_turns(const Posts *posts, Turn *turns, int *nleaving);
static int	compare_ends(const void *a, const void *b);

/* See who leaves. */
void
pgnet_turns_end(const Posts *posts, int waiting, TimestampTz now,
				TimestampTz *due)
{
	Turn	   *turns = palloc(sizeof(Turn) * Max(pgnet_slots_count(), 1));
	int			nleaving;
	int			nturns = find_turns(posts, turns, &nleaving);

	/* nobody waits any more: who has not left may stay */
	if (waiting == 0 && nleaving > 0)
		for (int i = 0; i < pgnet_slots_count(); i++)
			pgnet_slot_set_turn_over(pgnet_slots_at(i), false);

	qsort(turns, nturns, sizeof(Turn), compare_ends);
	for (int i = 0; i < nturns && nleaving + i < waiting; i++)
	{
		if (turns[i].end > now)
		{
			*due = Min(*due, turns[i].end);
			break;
		}
		pgnet_slot_set_turn_over(turns[i].slot, true);
	}
	pfree(turns);
}

/* The workers that do not leave already; how many do? */
static int
find_turns(const Posts *posts, Turn *turns, int *nleaving)
{
	int			count = pgnet_slots_count();
	int			nturns = 0;

	*nleaving = 0;
	for (int i = 0; i < count; i++)
	{
		WorkerSlot *slot = pgnet_slots_at(i);
		bool		idle;
		bool		over;

		if (!OidIsValid(slot->database) ||
			!pgnet_slot_is_busy(slot, &idle, &over))
			continue;
		if (over)
			(*nleaving)++;
		else
			turns[nturns++] = (Turn) {
				.slot = slot,
				.end = idle ? DT_NOBEGIN :
							  TimestampTzPlusMilliseconds(
								  pgnet_posts_started(posts, i), TURN_MS)
			};
	}
	return nturns;
}

/* qsort comparator */
static int
compare_ends(const void *a, const void *b)
{
	TimestampTz left = ((const Turn *) a)->end;
	TimestampTz right = ((const Turn *) b)->end;

	return left < right ? -1 : left > right;
}
