/*
 * crowd.h -- what is done when answers on their way fill the memory for them.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_CROWD_H
#define PGNET_CROWD_H

#include "postgres.h"

#include <curl/curl.h>

#include "lib/ilist.h"
#include "portability/instr_time.h"

#include "http/transfer_body.h"

/* With so much in use, one goes on and the others wait. */
#define PGNET_CROWDED_BYTES ((size_t) 256 * 1024 * 1024)

/* The one that may go on has to, within this time. */
#define PGNET_CROWD_PATIENCE_MS 100

/* A transfer that receives a body. */
typedef struct CrowdMember
{
	CURL	   *easy;
	bool		paused;
	dlist_node	node;			/* in paused */
} CrowdMember;

typedef struct Crowd
{
	BodyMemory	memory;
	const CrowdMember *first;	/* who goes on; NULL: nobody yet */
	instr_time	moved;			/* when it did last */
	dlist_head	paused;
	int			npaused;
} Crowd;

/* Start with nobody; limit is that of the memory. */
extern void pgnet_crowd_init(Crowd *crowd, size_t limit);

/* Is there so much that no more should be asked for? */
extern bool pgnet_crowd_is_dense(const Crowd *crowd);

/* May a transfer receive more?  If not, its callback pauses it. */
extern bool pgnet_crowd_lets_grow(Crowd *crowd, CrowdMember *member);

/* Let paused transfers go on, those there is room for; how many. */
extern int	pgnet_crowd_resume(Crowd *crowd);

/* A transfer ended. */
extern void pgnet_crowd_leave(Crowd *crowd, CrowdMember *member);

#endif							/* PGNET_CROWD_H */
