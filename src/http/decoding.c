/*
 * decoding.c -- how long transfers may decode in one turn of the engine.
 *
 * Runs in: workers.
 *
 * No signal arrives and no deadline is looked at while libcurl is at work, and
 * a server decides how much work its bytes are.  So when all transfers together
 * have decoded for some time, those that have more pause until the next turn:
 * they are not read from.  They take turns, and other transfers go on.
 *
 * Unlike in body_budget.c those over HTTP/2 pause as well: a turn is short, and
 * whoever waits with them has asked the same server.
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
	for (int left = decoding->npaused; left > 0; left--)
	{
		dlist_node *node = dlist_head_node(&decoding->paused);
		DecodingMember *member = dlist_container(DecodingMember, node, node);

		if (decoding->spent_us >= TURN_US)
			break;
		pgnet_decoding_leave(decoding, member);
		/* libcurl does nothing more about a transfer that fails here */
		member->failed = curl_easy_pause(member->easy, CURLPAUSE_CONT) !=
			CURLE_OK;
		if (member->failed)
			dlist_push_tail(&decoding->failed, &member->node);
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

/* The first that failed. */
DecodingMember *
pgnet_decoding_failed(Decoding *decoding)
{
	if (dlist_is_empty(&decoding->failed))
		return NULL;
	return dlist_head_element(DecodingMember, node, &decoding->failed);
}

/* It does not wait any more. */
void
pgnet_decoding_leave(Decoding *decoding, DecodingMember *member)
{
	if (member->paused || member->failed)
		dlist_delete(&member->node);
	if (member->paused)
		decoding->npaused--;
	member->paused = member->failed = false;
}
