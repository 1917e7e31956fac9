/*
 * account.c -- what is finite in a worker, and who has how much of it.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "account.h"
#include "share.h"

/* The part of the pool of responses that is shared, */
#define SHARED_RESPONSE_BYTES ((int64) 256 * 1024 * 1024)

/* and what everybody may have. */
#define FEW_RESPONSE_BYTES ((int64) 1024 * 1024)

static int64 share_of_role(const Account *account, const Party *role,
						   AccountPool pool, int64 limit);
static int64 share_in_lane(const Account *account, const Holder *holder,
						   AccountPool pool, int64 limit);

bool
pgnet_account_role_may(const Account *account, const Party *role,
					   AccountPool pool, int64 amount)
{
	return role->has[pool] + amount <= share_of_role(account, role, pool,
													 account->limit[pool]);
}

bool
pgnet_account_may(const Account *account, const Holder *holder,
				  AccountPool pool, int64 amount)
{
	return pgnet_account_role_may(account, holder->role, pool, amount) &&
		holder->own.has[pool] + amount <= share_in_lane(account, holder, pool,
														account->limit[pool]);
}

bool
pgnet_account_role_receives(const Account *account, const Party *role,
							int64 amount)
{
	AccountPool pool = PGNET_POOL_RESPONSE_BYTES;
	int64		share = share_of_role(account, role, pool,
									  SHARED_RESPONSE_BYTES);

	return role->has[pool] + amount <= Max(share, FEW_RESPONSE_BYTES);
}

bool
pgnet_account_receives(const Account *account, const Holder *holder,
					   int64 amount)
{
	AccountPool pool = PGNET_POOL_RESPONSE_BYTES;
	int64		share = share_in_lane(account, holder, pool,
									  SHARED_RESPONSE_BYTES);

	return holder->own.has[pool] + amount <= Max(share, FEW_RESPONSE_BYTES);
}

/* What a role may have of a limit. */
static int64
share_of_role(const Account *account, const Party *role, AccountPool pool,
			  int64 limit)
{
	return pgnet_share(limit, account->used[pool] - role->has[pool],
					   account->nroles <= 1 ? PGNET_REST_OF_ONE :
											  PGNET_REST_OF_ROLES);
}

/* What it may have of that in one lane. */
static int64
share_in_lane(const Account *account, const Holder *holder, AccountPool pool,
			  int64 limit)
{
	const Party *role = holder->role;

	return pgnet_share(share_of_role(account, role, pool, limit),
					   role->has[pool] - holder->own.has[pool],
					   role->nholders <= 1 ? PGNET_REST_OF_ONE :
											 PGNET_REST_OF_LANES);
}

void
pgnet_account_take(Account *account, Holder *holder, AccountPool pool,
				   int64 amount)
{
	account->used[pool] += amount;
	holder->own.has[pool] += amount;
	holder->role->has[pool] += amount;
	holder->lane->has[pool] += amount;
}

void
pgnet_account_give(Account *account, Holder *holder, AccountPool pool,
				   int64 amount)
{
	pgnet_account_take(account, holder, pool, -amount);
	Assert(holder->own.has[pool] >= 0);
	account->gives++;
}

bool
pgnet_party_is_empty(const Party *party)
{
	for (int i = 0; i < PGNET_NPOOLS; i++)
		if (party->has[i] != 0)
			return false;
	return true;
}
