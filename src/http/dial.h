/*
 * dial.h -- making a connection: look the host up, connect to one of its
 * addresses, ask a proxy for a tunnel, agree on TLS.
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 */
#ifndef PGNET_DIAL_H
#define PGNET_DIAL_H

#include "postgres.h"

#include "lib/ilist.h"

#include "exchange.h"
#include "http/errors.h"
#include "http/poller.h"
#include "http/resolver.h"
#include "http/route.h"
#include "http/stream.h"
#include "http/timers.h"
#include "policy/networks.h"

/* What all dials of an engine share; pgnet_dials_init() sets the last ones. */
typedef struct DialOptions
{
	Poller	   *poller;
	Timers	   *timers;
	Resolver   *resolver;
	TlsStore   *tls;
	const Networks *denied_networks;
	const char *user_agent;		/* for proxies; "": none */

	/* close an idle connection; false if there is none */
	bool		(*spare) (void *arg);
	void	   *spare_arg;

	/* private */
	int64		handshakes_us;	/* spent with handshakes in this turn */
	dlist_head	postponed;		/* dials that go on in the next */
} DialOptions;

/* What a dial is at. */
typedef enum DialPhase
{
	PGNET_DIAL_LOOKUP,
	PGNET_DIAL_CONNECT,
	PGNET_DIAL_PROXY_TLS,		/* TLS with a proxy */
	PGNET_DIAL_TUNNEL,			/* CONNECT */
	PGNET_DIAL_TLS,
	PGNET_DIAL_READY,
	PGNET_DIAL_FAILED			/* see error, and failed_phase */
} DialPhase;

/* When phases ended, by pgnet_monotonic_us(); 0: they did not. */
typedef struct DialTimes
{
	int64		began_us;
	int64		resolved_us;
	int64		connected_us;
	int64		tls_us;			/* the last handshake */
} DialTimes;

typedef struct Dial Dial;

extern void pgnet_dials_init(DialOptions *options);

/* A turn begins: let those go on that were postponed; how many. */
extern int	pgnet_dials_turn(DialOptions *options);

/* It is ready, or has failed; the dial may be freed in there. */
typedef void (*DialDone) (Dial *dial, void *arg);

/* What there is to see of a dial. */
typedef struct DialResult
{
	DialPhase	phase;
	DialPhase	failed_phase;	/* that it was at when it failed */
	HttpError	error;
	HttpShortage shortage;		/* of PGNET_PROBLEM_SHORTAGE */
	bool		denied;			/* an address was, by denied_networks */
	Stream	   *stream;			/* when ready: whoever takes it sets NULL */
	int			fd;				/* of its socket */
	Address		peer;			/* that it leads to, or was tried last */
	bool		http2;			/* was agreed */
	DialTimes	times;
} DialResult;

/*
 * Begin; done is called later, never from within.  What the route points to has
 * to stay until then; holder pays for the lookup.  NULL: no memory.
 */
extern Dial *pgnet_dial_start(DialOptions *options, const Route *route,
							  Holder *holder, DialDone done, void *arg);
extern DialResult *pgnet_dial_result(Dial *dial);

/* All but what it is about is another's from now on; the key is the same. */
extern void pgnet_dial_hand_over(Dial *dial, const Route *route,
								 Holder *holder, void *arg);

/* End it, wherever it is; a stream that nobody took is closed. */
extern void pgnet_dial_free(Dial *dial);

#endif							/* PGNET_DIAL_H */
