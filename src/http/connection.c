/*
 * connection.c -- an open connection, and the exchanges on it.
 *
 * Runs in: workers.
 *
 * Bytes belong to the exchange they answer, or to nobody: whatever comes on a
 * connection of HTTP/1.1 while no response is awaited ends it (RFC 9112,
 * sections 6.3 and 9.2).  So an idle one is watched.
 *
 * What is done for one connection at a time is bounded.  The rest is done in
 * the next turn, after what the others have.
 */
#include "postgres.h"

#include <unistd.h>

#include "http/connection.h"
#include "http/http1_request.h"

/* What is read or written at a time, and how often in a turn. */
#define BUFFER_BYTES 65536
#define READS_IN_A_TURN 16
#define BYTES_IN_A_TURN ((size_t) BUFFER_BYTES * 16)

/* Of TLS there may be another record behind one of this size. */
#define RECORD_BYTES 16384

/*
 * For all of them: nothing stays there.  While what was read is looked at,
 * something may be written.
 */
static char input[BUFFER_BYTES];
static char output[BUFFER_BYTES];

static void ready(Watch *watch, uint32 events);
static void go_on(Connection *connection, bool readable);
static void go_on_http1(Connection *connection, bool readable);
static void enter(Connection *connection);
static void leave(Connection *connection);
static void do_later(Connection *connection);
static void watch_it(Connection *connection);
static bool has_more_to_write(const Connection *connection);
static void lose(Connection *connection);
static void look_at_idle(Connection *connection);
static bool begin_http1(Connection *connection, Exchange *exchange);
static size_t fill_output(const Message *message, char **head,
						  size_t *head_length);
static bool keep_head(Connection *connection, const char *rest, size_t length,
					  size_t body_length);
static void send_http1(Connection *connection);
static bool is_sent(const Connection *connection);
static ssize_t write_some(Connection *connection, const char *bytes,
						  size_t length);
static void receive_http1(Connection *connection);
static bool take_http1(Connection *connection, const char *bytes,
					   size_t length);
static void end_answered(Connection *connection);
static bool keep_rest(Connection *connection, const char *bytes, size_t length);
static void end_of_stream(Connection *connection);
static void finish_http1(Connection *connection, ExchangeEnd end);
static void forget_http1(Connection *connection);
static bool begin_http2(Connection *connection, Exchange *exchange);
static void receive_http2(Connection *connection);
static void send_http2(Connection *connection);
static bool send_rest(Connection *connection);
static void keep_rest_of_output(Connection *connection, const char *rest,
								size_t length);
static void end_http2(Connection *connection, const HttpError *error);
static void stream_done(Http2Stream *stream, Http2End end);

void
pgnet_connections_init(Connections *all)
{
	dlist_init(&all->to_go_on);
}

Connection *
pgnet_connection_create(Connections *all, Stream *stream, int fd, bool http2,
						const Address *peer)
{
	Connection *connection = calloc(1, sizeof(Connection));

	if (connection == NULL)
		return NULL;
	connection->all = all;
	connection->stream = stream;
	connection->watch = (Watch) {.fd = fd, .ready = ready};
	connection->peer = *peer;
	connection->http2 = http2;
	if (http2)
		connection->session = pgnet_http2_create(all->max_head_bytes);
	if ((http2 && connection->session == NULL) ||
		!pgnet_watch_for(all->poller, &connection->watch, EPOLLIN))
	{
		if (connection->session != NULL)
			pgnet_http2_free(connection->session);
		free(connection);
		return NULL;
	}
	if (http2)
		do_later(connection);
	return connection;
}

/* Where its own code is running it goes on to the end of that. */
void
pgnet_connection_close(Connection *connection)
{
	connection->closing = true;
	if (connection->busy > 0)
		return;
	if (connection->goes_on)
		dlist_delete(&connection->go_on_node);
	pgnet_watch_end(connection->all->poller, &connection->watch);
	forget_http1(connection);
	if (connection->session != NULL)
		pgnet_http2_free(connection->session);
	free(connection->output);
	pgnet_stream_close(connection->stream);
	free(connection);
}

bool
pgnet_connection_has_room(const Connection *connection)
{
	if (!pgnet_connection_is_usable(connection))
		return false;
	return connection->http2 ? pgnet_http2_room(connection->session) > 0 :
							   connection->exchange == NULL;
}

bool
pgnet_connection_is_usable(const Connection *connection)
{
	return !connection->lost && !connection->retired && !connection->closing &&
		!(connection->http2 && pgnet_http2_is_closing(connection->session));
}

bool
pgnet_connection_is_idle(const Connection *connection)
{
	return connection->http2 ? pgnet_http2_streams(connection->session) == 0 :
							   connection->exchange == NULL;
}

bool
pgnet_connection_is_quiet(Connection *connection)
{
	return pgnet_stream_is_quiet(connection->stream);
}

void
pgnet_connection_retire(Connection *connection)
{
	connection->retired = true;
}

bool
pgnet_connection_begin(Connection *connection, Exchange *exchange)
{
	exchange->error = (HttpError) {0};
	exchange->reused = connection->used;
	exchange->begun = exchange->paused = exchange->sent = false;
	exchange->needs_http1 = false;
	exchange->body_sent = 0;
	exchange->came_before = connection->stream->bytes_in;
	if (!(connection->http2 ? begin_http2(connection, exchange) :
							  begin_http1(connection, exchange)))
		return false;
	exchange->connection = connection;
	connection->used = true;
	return true;
}

/*
 * If nothing has come since it began, perhaps nothing will: the other machine
 * may be gone, or a firewall may have forgotten the connection.  TCP may take a
 * quarter of an hour to notice, and one of HTTP/2 would take all requests.
 */
void
pgnet_exchange_cancel(Exchange *exchange)
{
	Connection *connection = exchange->connection;

	if (connection == NULL)
		return;
	enter(connection);
	exchange->connection = NULL;
	if (connection->http2)
	{
		pgnet_http2_cancel(connection->session, &exchange->stream);
		if (connection->stream->bytes_in == exchange->came_before)
			pgnet_connection_retire(connection);
		do_later(connection);
	}
	else
	{
		forget_http1(connection);
		lose(connection);
	}
	connection->all->changed(connection, connection->all->arg);
	leave(connection);
}

void
pgnet_exchange_resume(Exchange *exchange)
{
	Connection *connection = exchange->connection;

	exchange->paused = false;
	if (connection == NULL)
		return;
	enter(connection);
	if (connection->http2)
	{
		pgnet_http2_resume(connection->session, &exchange->stream);
		do_later(connection);
		connection->all->changed(connection, connection->all->arg);
	}
	else
	{
		char	   *kept = connection->kept;

		connection->kept = NULL;
		if (kept == NULL ||
			take_http1(connection, kept, connection->kept_length))
			do_later(connection);
		free(kept);
	}
	leave(connection);
}

/* Those that have more to do then have it in the next turn. */
int
pgnet_connections_go_on(Connections *all)
{
	dlist_head	now;
	int			count = 0;

	if (dlist_is_empty(&all->to_go_on))
		return 0;
	dlist_init(&now);
	while (!dlist_is_empty(&all->to_go_on))
		dlist_push_tail(&now, dlist_pop_head_node(&all->to_go_on));
	for (; !dlist_is_empty(&now); count++)
	{
		Connection *connection =
			dlist_container(Connection, go_on_node, dlist_pop_head_node(&now));

		connection->goes_on = false;
		go_on(connection, false);
	}
	return count;
}

/* WatchReady: of whatever. */
static void
ready(Watch *watch, uint32 events)
{
	go_on((Connection *) ((char *) watch - offsetof(Connection, watch)),
		  (events & ~EPOLLOUT) != 0);
}

/* Do what can be done now. */
static void
go_on(Connection *connection, bool readable)
{
	enter(connection);
	readable = readable || connection->stream->wants_write ||
		pgnet_stream_has_pending(connection->stream);
	if (connection->http2)
	{
		if (readable)
			receive_http2(connection);
		send_http2(connection);
		connection->all->changed(connection, connection->all->arg);
	}
	else if (connection->exchange == NULL)
	{
		if (readable)
			look_at_idle(connection);
	}
	else
		go_on_http1(connection, readable);
	leave(connection);
}

/* The same with HTTP/1.1, while there is an exchange. */
static void
go_on_http1(Connection *connection, bool readable)
{
	send_http1(connection);
	if (connection->answered)
	{
		/* and nothing else may come */
		if (readable && !pgnet_stream_is_quiet(connection->stream))
			lose(connection);
		end_answered(connection);
	}
	else if (readable)
		receive_http1(connection);
}

/* Its code is running: it may be closed meanwhile. */
static void
enter(Connection *connection)
{
	connection->busy++;
}

/* It is not any more. */
static void
leave(Connection *connection)
{
	if (--connection->busy > 0)
		return;
	if (connection->closing)
		pgnet_connection_close(connection);
	else
		watch_it(connection);
}

/* Go on in the next turn, whether the socket is ready or not. */
static void
do_later(Connection *connection)
{
	if (connection->goes_on)
		return;
	connection->goes_on = true;
	dlist_push_tail(&connection->all->to_go_on, &connection->go_on_node);
}

/* Watch for what it waits for. */
static void
watch_it(Connection *connection)
{
	uint32		events = EPOLLIN;

	if (connection->lost ||
		(connection->exchange != NULL && connection->exchange->paused))
		events = 0;
	else if (connection->stream->wants_write || has_more_to_write(connection))
		events |= EPOLLOUT;
	/* else it stands still, and its exchanges end by their time */
	(void) pgnet_watch_for(connection->all->poller, &connection->watch, events);
}

/*
 * Is there something to be written when there is room?  TLS may have to read
 * first, as when the server negotiates anew, however much room there is.
 */
static bool
has_more_to_write(const Connection *connection)
{
	if (connection->write_waits &&
		connection->stream->bytes_in == connection->read_before)
		return false;
	return connection->output != NULL ||
		(!connection->write_failed && !is_sent(connection));
}

/* Nothing more can be done with it. */
static void
lose(Connection *connection)
{
	connection->lost = connection->retired = true;
}

/* Something came for nobody; what is only TLS's does not count. */
static void
look_at_idle(Connection *connection)
{
	if (pgnet_stream_is_quiet(connection->stream))
		return;
	lose(connection);
	connection->all->changed(connection, connection->all->arg);
}

/* Send as much of a request as the socket takes. */
static bool
begin_http1(Connection *connection, Exchange *exchange)
{
	const Message *message = &exchange->message;
	char	   *head = NULL;
	size_t		head_length;
	size_t		length = fill_output(message, &head, &head_length);
	ssize_t		written;

	if (length == 0)
		return false;
	connection->exchange = exchange;
	connection->answered = false;
	connection->response = (Http1Response) {
		.sink = exchange->sink,
		.to_head = strcmp(message->method, "HEAD") == 0,
		.by_proxy = message->to_proxy,
		.max_head_bytes = connection->all->max_head_bytes
	};
	pgnet_http1_response_init(&connection->response);
	written = write_some(connection, head ? head : output, length);
	/* with the body, if it was: what was written is written again: stream.h */
	if ((size_t) written < head_length &&
		!keep_head(connection, (head ? head : output) + written,
				   length - written, length - head_length))
	{
		free(head);
		connection->exchange = NULL;
		lose(connection);
		return false;
	}
	if ((size_t) written > head_length)
		exchange->body_sent = written - head_length;
	free(head);
	send_http1(connection);
	watch_it(connection);
	return true;
}

/*
 * Write the head of a message to output, with the body if there is room for
 * both, or else to memory of its own.  Returns the length; 0: out of memory.
 */
static size_t
fill_output(const Message *message, char **head, size_t *head_length)
{
	size_t		length = pgnet_http1_request_head(message, output,
												  BUFFER_BYTES);

	*head_length = length;
	if (length > BUFFER_BYTES)
	{
		*head = malloc(length);
		if (*head == NULL)
			return 0;
		return pgnet_http1_request_head(message, *head, length);
	}
	if (message->body_length == 0 ||
		message->body_length > BUFFER_BYTES - length)
		return length;
	memcpy(output + length, message->body, message->body_length);
	return length + message->body_length;
}

/* Keep what was not sent of a head, and of a body behind it. */
static bool
keep_head(Connection *connection, const char *rest, size_t length,
		  size_t body_length)
{
	connection->head = malloc(length);
	if (connection->head == NULL)
		return false;
	memcpy(connection->head, rest, length);
	connection->head_length = length;
	connection->head_body = body_length;
	connection->head_sent = 0;
	return true;
}

/* Send what is left of the request, as much as the socket takes. */
static void
send_http1(Connection *connection)
{
	Exchange   *exchange = connection->exchange;
	const Message *message = &exchange->message;

	if (connection->head != NULL)
	{
		connection->head_sent +=
			write_some(connection, connection->head + connection->head_sent,
					   connection->head_length - connection->head_sent);
		if (connection->head_sent < connection->head_length)
			return;
		free(connection->head);
		connection->head = NULL;
		exchange->body_sent = connection->head_body;
	}
	if (exchange->body_sent < message->body_length)
		exchange->body_sent +=
			write_some(connection, message->body + exchange->body_sent,
					   message->body_length - exchange->body_sent);
}

/* Is all of the request out? */
static bool
is_sent(const Connection *connection)
{
	const Exchange *exchange = connection->exchange;

	return exchange == NULL ||
		(connection->head == NULL &&
		 exchange->body_sent == exchange->message.body_length);
}

/*
 * Write; how much of it went out.  That the connection has failed is seen when
 * it is read from, perhaps after a response (RFC 9112, section 9.5).
 */
static ssize_t
write_some(Connection *connection, const char *bytes, size_t length)
{
	size_t		done = 0;
	uint64		before = connection->stream->bytes_out;

	connection->write_waits = false;
	/* one write of a socket takes no more than its buffer */
	while (done < Min(length, BYTES_IN_A_TURN) && !connection->write_failed)
	{
		ssize_t		written = pgnet_stream_write(connection->stream,
												 bytes + done, length - done);

		if (written == PGNET_STREAM_AGAIN)
		{
			connection->write_waits = !connection->stream->wants_write;
			connection->read_before = connection->stream->bytes_in;
			break;
		}
		if (written < 0)
			connection->write_failed = true;
		else
			done += written;
	}
	if (connection->exchange != NULL &&
		connection->stream->bytes_out != before)
		connection->exchange->sent = true;
	return done;
}

/* Read what has come, up to the end of the response. */
static void
receive_http1(Connection *connection)
{
	const Exchange *exchange = connection->exchange;

	for (int i = 0; i < READS_IN_A_TURN; i++)
	{
		ssize_t		length;

		if (connection->exchange != exchange || exchange->paused)
			return;
		length = pgnet_stream_read(connection->stream, input, BUFFER_BYTES);
		if (length == PGNET_STREAM_AGAIN)
			return;
		if (length <= 0)
		{
			end_of_stream(connection);
			return;
		}
		if (!take_http1(connection, input, length))
			return;
		/* the poller tells of more, but not of what TLS has */
		if (length < RECORD_BYTES &&
			!pgnet_stream_has_pending(connection->stream))
			return;
	}
	if (connection->exchange == exchange &&
		pgnet_stream_has_pending(connection->stream))
		do_later(connection);
}

/* Take some bytes; true: there may be more. */
static bool
take_http1(Connection *connection, const char *bytes, size_t length)
{
	Http1Response *response = &connection->response;
	size_t		taken = 0;
	Http1Status status = pgnet_http1_response_take(response, bytes, length,
												   &taken);

	connection->exchange->begun = response->begun;
	switch (status)
	{
		case PGNET_HTTP1_MORE:
			return true;
		case PGNET_HTTP1_PAUSED:
			connection->exchange->paused = true;
			if (keep_rest(connection, bytes + taken, length - taken))
				return false;
			pgnet_error_set(&connection->exchange->error,
							PGNET_PROBLEM_MEMORY, "out of memory");
			finish_http1(connection, PGNET_EXCHANGE_FAILED);
			return false;
		case PGNET_HTTP1_COMPLETE:
			/* what is behind the end is nobody's */
			if (taken < length || !response->keep_alive ||
				pgnet_stream_has_pending(connection->stream))
				lose(connection);
			connection->answered = true;
			end_answered(connection);
			return false;
		case PGNET_HTTP1_STOPPED:
			lose(connection);
			finish_http1(connection, PGNET_EXCHANGE_STOPPED);
			return false;
		case PGNET_HTTP1_FAILED:
			break;
	}
	connection->exchange->error = response->error;
	lose(connection);
	finish_http1(connection, PGNET_EXCHANGE_FAILED);
	return false;
}

/*
 * The response is whole.  What is left of the request goes out before that is
 * the end, unless the server does not want it (RFC 9112, section 9.3).
 */
static void
end_answered(Connection *connection)
{
	bool		is_error = connection->response.status >= 400;

	if (!is_sent(connection))
	{
		if (!connection->lost && !connection->write_failed && !is_error)
			return;
		lose(connection);
	}
	finish_http1(connection, PGNET_EXCHANGE_COMPLETE);
}

/* Keep bytes that the sink did not take. */
static bool
keep_rest(Connection *connection, const char *bytes, size_t length)
{
	connection->kept = malloc(Max(length, 1));
	if (connection->kept == NULL)
	{
		lose(connection);
		return false;
	}
	memcpy(connection->kept, bytes, length);
	connection->kept_length = length;
	return true;
}

/*
 * No more will come.  A request of which nothing went out, since the connection
 * had been lost before, may be sent again.
 */
static void
end_of_stream(Connection *connection)
{
	Exchange   *exchange = connection->exchange;
	Http1Response *response = &connection->response;
	ExchangeEnd end = PGNET_EXCHANGE_COMPLETE;

	lose(connection);
	if (pgnet_http1_response_end(response, &connection->stream->error) !=
		PGNET_HTTP1_COMPLETE)
	{
		exchange->error = response->error;
		end = exchange->sent ? PGNET_EXCHANGE_FAILED :
							   PGNET_EXCHANGE_NOT_PROCESSED;
	}
	finish_http1(connection, end);
}

/* An exchange is over. */
static void
finish_http1(Connection *connection, ExchangeEnd end)
{
	Exchange   *exchange = connection->exchange;

	exchange->connection = NULL;
	exchange->paused = false;
	forget_http1(connection);
	connection->all->changed(connection, connection->all->arg);
	exchange->done(exchange, end);
}

/* Free what there is of an exchange. */
static void
forget_http1(Connection *connection)
{
	if (connection->exchange != NULL)
		pgnet_http1_response_free(&connection->response);
	connection->exchange = NULL;
	free(connection->head);
	free(connection->kept);
	connection->head = connection->kept = NULL;
}

/* Submit a request; it goes out with others in this turn. */
static bool
begin_http2(Connection *connection, Exchange *exchange)
{
	exchange->stream = (Http2Stream) {
		.message = &exchange->message,
		.sink = exchange->sink,
		.done = stream_done
	};
	if (!pgnet_http2_submit(connection->session, &exchange->stream))
		return false;
	do_later(connection);
	return true;
}

/* Read what has come for all streams. */
static void
receive_http2(Connection *connection)
{
	HttpError	error = {0};

	for (int i = 0; i < READS_IN_A_TURN && !connection->lost; i++)
	{
		ssize_t		length = pgnet_stream_read(connection->stream, input,
											   BUFFER_BYTES);

		if (length == PGNET_STREAM_AGAIN)
			return;
		if (length <= 0)
			end_http2(connection, &connection->stream->error);
		else if (!pgnet_http2_receive(connection->session, input, length,
									  &error))
			end_http2(connection, &error);
		else if (length < RECORD_BYTES &&
				 !pgnet_stream_has_pending(connection->stream))
			break;
	}
	if (!connection->lost && pgnet_stream_has_pending(connection->stream))
		do_later(connection);
}

/* Send what there is to say, in as few pieces as possible. */
static void
send_http2(Connection *connection)
{
	size_t		length;
	size_t		all = 0;

	if (!send_rest(connection))
		return;
	while (!connection->lost && !connection->closing &&
		   (length = pgnet_http2_output(connection->session, output,
										BUFFER_BYTES)) > 0)
	{
		size_t		written = write_some(connection, output, length);

		all += length;

		if (written < length)
		{
			keep_rest_of_output(connection, output + written, length - written);
			break;
		}
		if (all >= BYTES_IN_A_TURN)
		{
			do_later(connection);
			break;
		}
	}
	if (connection->write_failed && !connection->lost)
		end_http2(connection, &connection->stream->error);
}

/* Send what the socket did not take before; true: all of it went out. */
static bool
send_rest(Connection *connection)
{
	if (connection->output == NULL)
		return true;
	connection->output_sent +=
		write_some(connection, connection->output + connection->output_sent,
				   connection->output_length - connection->output_sent);
	if (connection->output_sent < connection->output_length)
	{
		if (connection->write_failed && !connection->lost)
			end_http2(connection, &connection->stream->error);
		return false;
	}
	free(connection->output);
	connection->output = NULL;
	return true;
}

/* Keep what the socket did not take. */
static void
keep_rest_of_output(Connection *connection, const char *rest, size_t length)
{
	connection->output = malloc(length);
	if (connection->output == NULL)
	{
		end_http2(connection, &(HttpError) {.problem = PGNET_PROBLEM_MEMORY});
		return;
	}
	memcpy(connection->output, rest, length);
	connection->output_length = length;
	connection->output_sent = 0;
}

/* The connection is lost, and with it what is on it. */
static void
end_http2(Connection *connection, const HttpError *error)
{
	lose(connection);
	pgnet_http2_end(connection->session, error);
}

/* done of Http2Stream. */
static void
stream_done(Http2Stream *stream, Http2End end)
{
	static const ExchangeEnd ends[] = {
		[PGNET_HTTP2_COMPLETE] = PGNET_EXCHANGE_COMPLETE,
		[PGNET_HTTP2_STOPPED] = PGNET_EXCHANGE_STOPPED,
		[PGNET_HTTP2_NOT_PROCESSED] = PGNET_EXCHANGE_NOT_PROCESSED,
		[PGNET_HTTP2_FAILED] = PGNET_EXCHANGE_FAILED
	};
	Exchange   *exchange =
		(Exchange *) ((char *) stream - offsetof(Exchange, stream));

	exchange->connection = NULL;
	exchange->error = stream->error;
	exchange->begun = stream->begun;
	exchange->needs_http1 = stream->needs_http1;
	exchange->sent = stream->sent;
	exchange->body_sent = stream->body_sent;
	exchange->done(exchange, ends[end]);
}
