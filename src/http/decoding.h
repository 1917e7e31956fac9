/*
 * decoding.h -- how long transfers may decode in one turn of the engine.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_DECODING_H
#define PGNET_DECODING_H

#include "postgres.h"

#include "lib/ilist.h"

/* All transfers; one of zeros is at the start of a turn. */
typedef struct Decoding
{
	int64		spent_us;		/* in this turn */
	dlist_head	paused;			/* transfers that wait for the next */
	int			npaused;
} Decoding;

typedef struct DecodingMember DecodingMember;

/* One of them. */
struct DecodingMember
{
	void		(*go_on) (DecodingMember *member);	/* after a pause */
	bool		paused;
	dlist_node	node;			/* in paused */
};

/* Begin a turn, and let transfers go on that wait for it; how many. */
extern int	pgnet_decoding_turn(Decoding *decoding);

/* Is there time left in this turn?  If not, it pauses until go_on(). */
extern bool pgnet_decoding_has_time(Decoding *decoding, DecodingMember *member);

/* So much time went by. */
extern void pgnet_decoding_spend(Decoding *decoding, int64 microseconds);

/* A transfer ended. */
extern void pgnet_decoding_leave(Decoding *decoding, DecodingMember *member);

#endif							/* PGNET_DECODING_H */
