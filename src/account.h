/*
 * account.h -- what is finite in a worker, and who has how much of it.
 *
 * Runs in: workers.  Nothing here throws.
 *
 * What a job takes is charged to its role, and to the role's part of its lane.
 * Roles share each pool by the rule of share.h, and what a role may have is
 * shared by its lanes in the same way.
 */
#ifndef PGNET_ACCOUNT_H
#define PGNET_ACCOUNT_H

#include "postgres.h"

typedef enum AccountPool
{
	PGNET_POOL_IN_FLIGHT,		/* requests in flight */
	PGNET_POOL_REQUEST_BYTES,	/* of those that are large */
	PGNET_POOL_RESPONSE_BYTES,	/* headers and bodies, until recorded */
	PGNET_POOL_UNRECORDED,		/* jobs in flight or finished */
	PGNET_POOL_IDS,				/* of rows that are known */
	PGNET_POOL_LOOKUPS			/* of hosts, under way */
} AccountPool;

#define PGNET_NPOOLS (PGNET_POOL_LOOKUPS + 1)

/* A role, a lane, or a role's part of a lane. */
typedef struct Party
{
	int64		has[PGNET_NPOOLS];
	int			nholders;		/* of a role: its parts of lanes */
} Party;

/* Who pays for a job. */
typedef struct Holder
{
	Party		own;			/* the role's part of the lane */
	Party	   *role;
	Party	   *lane;
} Holder;

typedef struct Account
{
	int64		limit[PGNET_NPOOLS];
	int64		used[PGNET_NPOOLS];
	int			nroles;			/* that have jobs */
	uint64		gives;			/* counts the times something was given back */
} Account;

/* May a role, or a role in one of its lanes, have amount more of a pool? */
extern bool pgnet_account_role_may(const Account *account, const Party *role,
								   AccountPool pool, int64 amount);
extern bool pgnet_account_may(const Account *account, const Holder *holder,
							  AccountPool pool, int64 amount);

/*
 * May a role, or only its part of a lane, have amount more of a part of the
 * pool for responses?  Each may always have a few.  The rest of the pool is for
 * what cannot be stopped.
 */
extern bool pgnet_account_role_receives(const Account *account,
										const Party *role, int64 amount);
extern bool pgnet_account_receives(const Account *account,
								   const Holder *holder, int64 amount);

/* A holder takes, or gives back; nobody asks whether it may. */
extern void pgnet_account_take(Account *account, Holder *holder,
							   AccountPool pool, int64 amount);
extern void pgnet_account_give(Account *account, Holder *holder,
							   AccountPool pool, int64 amount);

/* Has a party nothing at all? */
extern bool pgnet_party_is_empty(const Party *party);

#endif							/* PGNET_ACCOUNT_H */
