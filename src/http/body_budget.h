/*
 * body_budget.h -- memory for responses, and who may have more of it.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_BODY_BUDGET_H
#define PGNET_BODY_BUDGET_H

#include "postgres.h"

#include "lib/ilist.h"
#include "portability/instr_time.h"

#include "account.h"

/* Whoever is the only one of its role to go on has to, within this time. */
#define PGNET_BODY_PATIENCE_MS 100

typedef struct BodyReceiver BodyReceiver;

/* A transfer that receives a response. */
struct BodyReceiver
{
	void		(*go_on) (BodyReceiver *receiver);	/* after a pause */
	Holder	   *holder;			/* who pays for it */
	size_t		taken;			/* bytes, of PGNET_POOL_RESPONSE_BYTES */
	size_t		received;		/* bytes of the body */
	bool		listed;			/* it has taken some, and receives */
	dlist_node	node;			/* in receivers */

	bool		paused;
	size_t		wanted;			/* when it paused */
	dlist_node	paused_node;	/* in paused */

	bool		first;			/* it goes on, others of its role wait */
	dlist_node	first_node;		/* in firsts */
	size_t		moved_bytes;	/* that it had received */
	instr_time	moved;			/* then */

	bool		evicted;		/* to be ended, since it or others need room */
	dlist_node	evicted_node;	/* in evicted */
};

/* All of them. */
typedef struct BodyBudget
{
	Account    *account;
	int64		highest;		/* in use, until somebody sets it to 0 */
	dlist_head	receivers;
	dlist_head	paused;
	int			npaused;
	dlist_head	firsts;
	dlist_head	evicted;
	int64		promised;		/* bytes of those that are evicted */
} BodyBudget;

/* Start with nobody. */
extern void pgnet_body_budget_init(BodyBudget *budget, Account *account);

/*
 * Take memory; false when all is in use and this transfer has most of it.  If
 * another has more, that one is evicted instead.
 */
extern bool pgnet_body_budget_take(BodyBudget *budget, BodyReceiver *receiver,
								   size_t bytes);

/* Give memory back; also when the transfer is over. */
extern void pgnet_body_budget_give(BodyBudget *budget, BodyReceiver *receiver,
								   size_t bytes);

/*
 * May a transfer receive more now, which will take so many bytes?  If not, it
 * pauses until go_on() is called.
 */
extern bool pgnet_body_budget_lets_grow(BodyBudget *budget,
										BodyReceiver *receiver, size_t bytes);

/* Let paused transfers go on, those there is room for; how many. */
extern int	pgnet_body_budget_resume(BodyBudget *budget);

/* The next one that is to be ended now; NULL: none. */
extern BodyReceiver *pgnet_body_budget_evict(BodyBudget *budget);

/* A transfer is over; what it has taken stays so. */
extern void pgnet_body_budget_leave(BodyBudget *budget, BodyReceiver *receiver);

#endif							/* PGNET_BODY_BUDGET_H */
