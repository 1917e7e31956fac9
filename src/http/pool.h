/*
 * pool.h -- connections that are kept, and who may use which.
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 */
#ifndef PGNET_POOL_H
#define PGNET_POOL_H

#include "postgres.h"

#include "lib/ilist.h"

#include "http/connection.h"
#include "http/dial.h"

/* How long an idle connection is kept, as libcurl does. */
#define PGNET_KEPT_IDLE_US ((int64) 118 * 1000000)

typedef struct Origin Origin;
typedef struct Borrower Borrower;

/* Who wants a connection. */
struct Borrower
{
	const Route *route;
	Holder	   *holder;
	bool		fresh;			/* not one of HTTP/1.1 that was used before */

	/*
	 * Here is one with room: begin an exchange on it, or leave it.  NULL: none
	 * could be made.  What came of a dial is in dialed, for as long as this
	 * takes; NULL: the connection was there.
	 */
	void		(*ready) (Borrower *borrower, Connection *connection,
						 const DialResult *dialed);

	/* the pool's */
	Origin	   *origin;			/* where it waits; NULL: it does not */
	Dial	   *dial;			/* for its own; NULL: for that of another: */
	bool		took_over;		/* it began for another */
	dlist_node	node;			/* in the list of those */
};

/* Of a hash table of origins. */
#define PGNET_POOL_BUCKETS 4096

typedef struct Pool
{
	DialOptions dials;
	Connections connections;
	int			max_open;		/* connections to be kept, in use or not */
	int			nopen;
	dlist_head	idle;			/* the one longest idle first */
	dlist_head	open;			/* all, idle or not: see keeper */
	Timer		timer;			/* when the first has been idle too long */
	dlist_head	origins[PGNET_POOL_BUCKETS];
} Pool;

/* Start with none, after dials and the first fields of connections were set. */
extern void pgnet_pool_init(Pool *pool, int max_open);

/*
 * Keep another number.  Those in use may be more; then none is kept that is
 * idle.
 */
extern void pgnet_pool_set_max_open(Pool *pool, int max_open);

/* Find or make one for a borrower; ready() may be called before it returns. */
extern void pgnet_pool_borrow(Pool *pool, Borrower *borrower);

/* A borrower wants none any more. */
extern void pgnet_pool_leave(Pool *pool, Borrower *borrower);

/* Close all that are idle. */
extern void pgnet_pool_close_idle(Pool *pool);

/* Use none again that leads to a network that is denied now. */
extern void pgnet_pool_retire_denied(Pool *pool);

/* What the dial for a borrower is at; NULL: there is none, or not its own. */
extern const DialResult *pgnet_borrower_dial(const Borrower *borrower);

#endif							/* PGNET_POOL_H */
