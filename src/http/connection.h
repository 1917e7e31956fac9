/*
 * connection.h -- an open connection, and the exchanges on it.
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 *
 * With HTTP/1.1 there is one exchange at a time, with HTTP/2 there are many.
 */
#ifndef PGNET_CONNECTION_H
#define PGNET_CONNECTION_H

#include "postgres.h"

#include "lib/ilist.h"

#include "http/address.h"
#include "http/errors.h"
#include "http/http1_response.h"
#include "http/http2.h"
#include "http/message.h"
#include "http/poller.h"
#include "http/response_sink.h"
#include "http/stream.h"

/* How an exchange ended. */
typedef enum ExchangeEnd
{
	PGNET_EXCHANGE_COMPLETE,	/* the response is whole */
	PGNET_EXCHANGE_STOPPED,		/* the sink wanted no more of it */
	PGNET_EXCHANGE_NOT_PROCESSED,	/* the request may be sent again */
	PGNET_EXCHANGE_FAILED		/* see error */
} ExchangeEnd;

typedef struct Connection Connection;
typedef struct Exchange Exchange;

/* A request and its response; who begins it sets the first ones. */
struct Exchange
{
	Message		message;
	ResponseSink *sink;

	/*
	 * It is over.  It may be begun again in there, on this connection or
	 * another, or freed.
	 */
	void		(*done) (Exchange *exchange, ExchangeEnd end);

	Connection *connection;		/* NULL: on none */
	HttpError	error;
	bool		reused;			/* another exchange was on the connection */
	bool		begun;			/* a byte of a response came */
	bool		needs_http1;	/* not processed, and over HTTP/2 never will */
	bool		paused;			/* the sink did not take what came */
	bool		sent;			/* the socket took some of it */
	uint64		body_sent;		/* bytes of the body */
	uint64		came_before;	/* bytes, on the connection */
	Http2Stream stream;			/* with HTTP/2 */
};

/* All connections of an engine. */
typedef struct Connections
{
	Poller	   *poller;
	size_t		max_head_bytes;

	/*
	 * One has room for more exchanges than before, or is of no use any more.
	 * It may be closed in there.
	 */
	void		(*changed) (Connection *connection, void *arg);
	void	   *arg;

	dlist_head	to_go_on;		/* private: those with something to do */
} Connections;

struct Connection
{
	/* of whoever keeps it */
	void	   *keeper;
	dlist_node	open_node;
	dlist_node	node;			/* in a list, if: */
	bool		listed;
	dlist_node	idle_node;		/* in another, if: */
	bool		idle;
	int64		idle_since_us;
	uint64		idle_since_look;	/* of the poller */

	/* for everybody to see */
	Address		peer;
	bool		http2;

	/* private */
	Connections *all;
	Watch		watch;
	Stream	   *stream;
	dlist_node	go_on_node;		/* in to_go_on, if: */
	bool		goes_on;
	bool		used;			/* an exchange was begun on it */
	bool		lost;			/* nothing more can be done with it */
	bool		retired;		/* takes no more exchanges */
	int			busy;			/* its own code is running, so deep: */
	bool		closing;		/* it is closed after that */
	bool		write_failed;
	bool		write_waits;	/* until more is read than: */
	uint64		read_before;

	/* HTTP/1.1 */
	Exchange   *exchange;		/* NULL: it is idle */
	Http1Response response;
	bool		answered;		/* it is whole, but not the request */
	char	   *head;			/* what was not sent of the head, or NULL */
	size_t		head_length;
	size_t		head_body;		/* bytes of the body that are behind it */
	size_t		head_sent;
	char	   *kept;			/* what the sink did not take, or NULL */
	size_t		kept_length;

	/* HTTP/2 */
	Http2	   *session;
	char	   *output;			/* what was not sent of it, or NULL */
	size_t		output_length;
	size_t		output_sent;
};

/*
 * A connection on a stream with a socket, which are closed with it.  NULL: no
 * memory; the stream stays the caller's then.
 */
extern Connection *pgnet_connection_create(Connections *all, Stream *stream,
										   int fd, bool http2,
										   const Address *peer);

/* Close it; exchanges that are on it are forgotten. */
extern void pgnet_connection_close(Connection *connection);

/* May another exchange be begun on it now? */
extern bool pgnet_connection_has_room(const Connection *connection);

/* Will it ever take one? */
extern bool pgnet_connection_is_usable(const Connection *connection);

/* Is none on it? */
extern bool pgnet_connection_is_idle(const Connection *connection);

/*
 * Has anything arrived since its last exchange ended, or its end (RFC 9112,
 * section 9.2)?  Asks the kernel.
 */
extern bool pgnet_connection_is_quiet(Connection *connection);

/* Take no more exchanges: it is closed when the last one is over. */
extern void pgnet_connection_retire(Connection *connection);

/* Begin an exchange; false: there is no memory, or no room. */
extern bool pgnet_connection_begin(Connection *connection, Exchange *exchange);

/* End an exchange that is on a connection, without done(). */
extern void pgnet_exchange_cancel(Exchange *exchange);

/* The sink of an exchange that paused may have room again. */
extern void pgnet_exchange_resume(Exchange *exchange);

/* Start with none, after the first fields were set. */
extern void pgnet_connections_init(Connections *all);

/* Do what could not be done at once: once in a turn; how many. */
extern int	pgnet_connections_go_on(Connections *all);

#endif							/* PGNET_CONNECTION_H */
