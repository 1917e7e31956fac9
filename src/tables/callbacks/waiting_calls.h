/*
 * waiting_calls.h -- rows of net._http_response that a function is to be
 * called with.
 *
 * Runs in: the process of the callbacks, and workers, inside a transaction.
 *
 * All of this is safe where a role's functions have run: it is done as the
 * owner of the tables, with a search_path of our own, and no trigger of users
 * takes part.
 */
#ifndef PGNET_WAITING_CALLS_H
#define PGNET_WAITING_CALLS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/itemptr.h"

/* So many deaths of the process in a call are enough. */
#define PGNET_MAX_CALLBACK_DEATHS 3

/* A row that is locked until the transaction ends. */
typedef struct WaitingCall
{
	ItemPointerData tid;
	int64		id;
	TimestampTz created;
	char	   *callback;		/* in the current memory context */
	int			deaths;
	bool		dropped;		/* the row goes when the call has succeeded */
} WaitingCall;

/*
 * Lock the oldest row of a role whose id is higher than after and not among
 * not_yet, among those with deaths or those without; false when there is none
 * that nobody else holds.
 */
extern bool pgnet_waiting_call_lock(Oid role, int64 after, bool with_deaths,
									const int64 *not_yet, int nnot_yet,
									WaitingCall *call);

/* The whole row as a net._http_response, and that type. */
extern Datum pgnet_waiting_call_row(const WaitingCall *call, Oid *type);

/*
 * The call succeeded; it failed for good; so many deaths are to be written
 * down.  The function may have changed or removed the row itself.
 */
extern void pgnet_waiting_call_succeeded(const WaitingCall *call);
extern void pgnet_waiting_call_failed(const WaitingCall *call,
									  const char *error);
extern void pgnet_waiting_call_set_deaths(const WaitingCall *call, int deaths);

/* A death that was written down in the response with this id was none. */
extern void pgnet_waiting_call_spare(int64 id);

/*
 * The next role that has rows, in a circle by oid, that one last; false when
 * there is none.  *role is InvalidOid when only rows of nobody are left.
 */
extern bool pgnet_waiting_calls_next_role(Oid after, Oid *role);

/* How many rows there are. */
extern int64 pgnet_waiting_calls_count(void);

/* Give up rows of a role that does not exist; whether there may be more. */
extern bool pgnet_waiting_calls_give_up(Oid role);

/*
 * In a copy of a database: give up what waited before that transaction made it;
 * how many rows.
 */
extern int	pgnet_waiting_calls_give_up_copied(TransactionId made_by);

#endif							/* PGNET_WAITING_CALLS_H */
