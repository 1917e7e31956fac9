/*
 * message.h -- a request as it goes over the wire, in either version.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_MESSAGE_H
#define PGNET_MESSAGE_H

#include "postgres.h"

#include "exchange.h"

/* One field; none has "Host", the length, or fields about the connection. */
typedef struct MessageField
{
	const char *name;
	const char *value;
} MessageField;

/* All of it is in the request's memory, or static. */
typedef struct Message
{
	const char *method;
	const char *scheme;			/* "http" or "https" */
	const char *authority;		/* the Host field, or :authority */
	const char *target;			/* origin-form; to a proxy, absolute-form */
	MessageField *fields;		/* in this order */
	void	   *memory;			/* what has them, and other texts of ours */
	int			nfields;
	bool		to_proxy;		/* which answers, or passes the answer on */
	bool		http10;			/* HTTP/1.0 is asked for */
	bool		has_body;		/* with a Content-Length, if it is 0 */
	const char *body;
	size_t		body_length;
} Message;

#endif							/* PGNET_MESSAGE_H */
