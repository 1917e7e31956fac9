/*
 * resolver.h -- addresses of hosts, by c-ares.
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 */
#ifndef PGNET_RESOLVER_H
#define PGNET_RESOLVER_H

#include "postgres.h"

#include "account.h"
#include "exchange.h"
#include "http/address.h"
#include "http/errors.h"
#include "http/poller.h"
#include "http/timers.h"

/* Of a host no more than these are tried. */
#define PGNET_MAX_ADDRESSES 32

typedef struct Resolver Resolver;
typedef struct Lookup Lookup;

/* There are more addresses, or it is complete. */
typedef void (*LookupChanged) (Lookup *lookup);

/* One lookup; who starts it sets the first ones, and reads the next. */
struct Lookup
{
	LookupChanged changed;
	Holder	   *holder;			/* who pays */

	IpAddress  *addresses;		/* in the order of preference; ports are 0 */
	int			naddresses;
	bool		complete;		/* no more will come */
	HttpError	error;			/* why there is none, when complete */

	struct LookupState *state;	/* the resolver's; NULL: none is under way */
};

/* NULL, with *error, when c-ares or memory will not. */
extern Resolver *pgnet_resolver_create(Poller *poller, Timers *timers,
									   Account *account, const char **error);

/*
 * Find the addresses of a host: a name in ASCII, or an address of IP without
 * brackets.  What is known at once is there on return; of the rest
 * lookup->changed() tells, never from within this call.
 */
extern void pgnet_lookup_start(Resolver *resolver, Lookup *lookup,
							   const char *host, IpVersion ip_version);

/* End it at any time, and free what it has; also in changed(). */
extern void pgnet_lookup_end(Resolver *resolver, Lookup *lookup);

/* None of the addresses of a host could be connected to: do not keep them. */
extern void pgnet_resolver_forget(Resolver *resolver, const char *host);

/* Start lookups that waited for others to end, if there is room now. */
extern void pgnet_resolver_go_on(Resolver *resolver);

#endif							/* PGNET_RESOLVER_H */
