/*
 * decoding.c -- how long transfers may decode in one turn of the engine.
 *
 * Runs in: workers.
 *
 * A server decides how much work its bytes are.  So when all transfers together
 * have decoded for some time, those that have more pause until the next turn:
 * they are not read from.  They take turns, and other transfers go on.
 */
#include "postgres.h"

#include "http/decoding.h"

/* For a turn; the last piece of it may take some 30 ms more. */
#define TURN_US 10000

/* Go on, in the order in which they paused, while there is time. */
int
pgnet_decoding_turn(Decoding *decoding)
{
	int			count = 0;

	decoding->spent_us = 0;
	/* one that goes on may pause at once and is behind the others then */
	for (int left = decoding->npaused; left > 0 && decoding->npaused > 0;
		 left--)
	{
		dlist_node *node = dlist_head_node(&decoding->paused);
		DecodingMember *member = dlist_container(DecodingMember, node, node);

		if (decoding->spent_us >= TURN_US)
			break;
		pgnet_decoding_leave(decoding, member);
		member->go_on(member);
		count++;
	}
	return count;
}

/* Pause when the time is over. */
bool
pgnet_decoding_has_time(Decoding *decoding, DecodingMember *member)
{
	if (decoding->spent_us < TURN_US)
		return true;
	member->paused = true;
	dlist_push_tail(&decoding->paused, &member->node);
	decoding->npaused++;
	return false;
}

/* Less is left. */
void
pgnet_decoding_spend(Decoding *decoding, int64 microseconds)
{
	decoding->spent_us += microseconds;
}

/* It does not wait any more. */
void
pgnet_decoding_leave(Decoding *decoding, DecodingMember *member)
{
	if (!member->paused)
		return;
	dlist_delete(&member->node);
	decoding->npaused--;
	member->paused = false;
}
