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

#include "exchange.h"

/* What all requests of an engine share. */
typedef struct SendingShared
{
	int			count;			/* under way, of those that went out */
	bool		closed;			/* nothing goes out for the first time */
} SendingShared;

/* One request. */
typedef struct Sending
{
	CURL	   *easy;
	HttpRequest *request;
	SendingShared *shared;
	bool		counted;		/* it went out at least once */
	bool		unanswered;		/* and no byte of an answer came since */
	bool		again;			/* that was not the first time */
	long		bytes_before;	/* out in all, when it went out last */
	bool		held_back;		/* not sent, since it was closed */
	bool		refused;		/* not sent again */
} Sending;

/* A connection is ready to take it: may it go? */
extern bool pgnet_sending_begin(Sending *sending);

/* The transfer is over. */
extern void pgnet_sending_end(Sending *sending);

#endif							/* PGNET_SENDING_H */
