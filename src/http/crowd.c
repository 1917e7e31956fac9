/*
 * crowd.c -- what is done when answers on their way fill the memory for them.
 *
 * Runs in: workers.
 *
 * How large answers are is known when they come, and then there may be
 * thousands.  When those that are not recorded yet take too much memory, one
 * transfer goes on and the others pause: they are not read from, and TCP holds
 * their servers up.  So answers end one after the other instead of failing
 * together.
 */
#include "postgres.h"

#include "http/crowd.h"

/* In use by bodies: ask for no more. */
#define DENSE_BYTES (PGNET_CROWDED_BYTES / 2)

static bool is_crowded(const Crowd *crowd);
static bool has_stopped(const Crowd *crowd);
static bool can_pause(CURL *easy);

/* Start. */
void
pgnet_crowd_init(Crowd *crowd, size_t limit)
{
	*crowd = (Crowd) {.memory.limit = limit};
	dlist_init(&crowd->paused);
}

/* Is there enough on its way? */
bool
pgnet_crowd_is_dense(const Crowd *crowd)
{
	return crowd->memory.allocated >= DENSE_BYTES;
}

/* The first goes on, the others wait. */
bool
pgnet_crowd_lets_grow(Crowd *crowd, CrowdMember *member)
{
	if (!is_crowded(crowd) || !can_pause(member->easy))
		return true;
	if (crowd->first == NULL)
		crowd->first = member;
	if (crowd->first == member)
	{
		INSTR_TIME_SET_CURRENT(crowd->moved);
		return true;
	}
	member->paused = true;
	dlist_push_tail(&crowd->paused, &member->node);
	crowd->npaused++;
	return false;
}

/* Some go on when there is room; another one, when the first does not. */
int
pgnet_crowd_resume(Crowd *crowd)
{
	int			count = 0;

	/* one that goes on may pause at once and is behind the others then */
	for (int left = crowd->npaused; left > 0; left--)
	{
		dlist_node *node = dlist_head_node(&crowd->paused);
		CrowdMember *member = dlist_container(CrowdMember, node, node);

		if (is_crowded(crowd))
		{
			if (crowd->first != NULL && !has_stopped(crowd))
				break;
			crowd->first = member;
			INSTR_TIME_SET_CURRENT(crowd->moved);
		}
		dlist_delete(node);
		member->paused = false;
		crowd->npaused--;
		(void) curl_easy_pause(member->easy, CURLPAUSE_CONT);
		count++;
	}
	return count;
}

/* One less. */
void
pgnet_crowd_leave(Crowd *crowd, CrowdMember *member)
{
	if (crowd->first == member)
		crowd->first = NULL;
	if (!member->paused)
		return;
	member->paused = false;
	dlist_delete(&member->node);
	crowd->npaused--;
}

/* Is so much in use that only one goes on? */
static bool
is_crowded(const Crowd *crowd)
{
	return crowd->memory.allocated >= PGNET_CROWDED_BYTES;
}

/* Has the first brought nothing for too long? */
static bool
has_stopped(const Crowd *crowd)
{
	instr_time	since;

	INSTR_TIME_SET_CURRENT(since);
	INSTR_TIME_SUBTRACT(since, crowd->moved);
	return INSTR_TIME_GET_MILLISEC(since) >= PGNET_CROWD_PATIENCE_MS;
}

/* With HTTP/2, others on the same connection might have to wait as well. */
static bool
can_pause(CURL *easy)
{
	long		version = 0;

	(void) curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
	return version == CURL_HTTP_VERSION_1_0 || version == CURL_HTTP_VERSION_1_1;
}
