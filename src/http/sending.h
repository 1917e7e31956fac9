/*
 * sending.h -- may a request go out on a connection, for the first time or
 * again?
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_SENDING_H
#define PGNET_SENDING_H

#include "postgres.h"

#include <curl/curl.h>

#include "job.h"
#include "http/connections.h"
#include "http/sockets.h"

/* What all requests of an engine share. */
typedef struct SendingShared
{
	Sockets    *sockets;
	int			count;			/* under way, of those that went out */
	bool		closed;			/* nothing goes out for the first time */
} SendingShared;

/* One request. */
typedef struct Sending
{
	CURL	   *easy;
	Job		   *job;
	SendingShared *shared;
	curl_socket_t fd;			/* of the connection it is on, if known */
	bool		counted;		/* it went out at least once */
	bool		unanswered;		/* and no line of a response came since */
	bool		answered;		/* but some byte of one did */
	bool		again;			/* that was not the first time */
	bool		known;			/* that, whatever bytes_before is */
	long		bytes_before;	/* out in all, when it went out last */
	bool		elsewhere;		/* not sent on this connection: take another */
	bool		held_back;		/* not sent, since it was closed */
	bool		refused;		/* not sent again */
} Sending;

/* Before anything else; shared lives as long. */
extern void pgnet_sending_init(Sending *sending, Job *job,
							   SendingShared *shared);

/*
 * A connection is ready to take it, perhaps one opened for it: may it go?  If
 * elsewhere is set afterwards, on another one: see pgnet_sending_go_on().
 */
extern bool pgnet_sending_begin(Sending *sending, const ConnectionEnds *ends,
								bool opened);

/* A connection was there, but must not take it: take another. */
extern void pgnet_sending_elsewhere(Sending *sending);

/* libcurl gets it again: with the next step of a redirect, or as it was. */
extern void pgnet_sending_go_on(Sending *sending, bool with_next_step);

/* The transfer is over. */
extern void pgnet_sending_end(Sending *sending);

#endif							/* PGNET_SENDING_H */
