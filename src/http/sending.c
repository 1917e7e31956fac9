/*
 * sending.c -- may a request go out on a connection, for the first time or
 * again?
 *
 * Runs in: workers.
 *
 * When a connection that was used before ends without a response, libcurl
 * takes it that the server had closed it already, and sends the request again
 * on another, up to five times.  But the server may have received it.  So a
 * method that is not idempotent is not sent again, and another only once (RFC
 * 9110, section 9.2.2), on a connection of its own: a kept one could end the
 * same way.  Once a byte of a response has come nothing is sent again (RFC
 * 9112, section 9.3.1).  A request of which no byte went out, because the
 * connection had been reset, was not sent.
 */
#include "postgres.h"

#include "http/method.h"
#include "http/sending.h"

static bool may_repeat(Sending *sending, ConnectionUse use);
static void note_bytes(Sending *sending);
static void leave(Sending *sending);

/* Start with nothing sent. */
void
pgnet_sending_init(Sending *sending, Job *job,
				   SendingShared *shared)
{
	*sending = (Sending) {
		.job = job,
		.shared = shared,
		.fd = CURL_SOCKET_BAD,
	};
}

/* Decide. */
bool
pgnet_sending_begin(Sending *sending, const ConnectionEnds *ends, bool opened)
{
	curl_socket_t fd;
	ConnectionUse use = pgnet_connection_take(sending->shared->sockets,
											  sending->easy, ends, opened, &fd);

	note_bytes(sending);
	leave(sending);
	sending->held_back = sending->shared->closed && !sending->counted;
	sending->elsewhere = !sending->held_back && use == PGNET_CONNECTION_SPOILT;
	if (sending->held_back || sending->elsewhere ||
		(sending->unanswered && !may_repeat(sending, use)))
		return false;

	if (!sending->counted)
		sending->shared->count++;
	sending->counted = true;
	if (sending->unanswered)
		sending->job->metrics.attempts++;
	sending->again = sending->unanswered;
	sending->unanswered = true;
	if (use == PGNET_CONNECTION_KEPT_PLAIN)
	{
		sending->fd = fd;
		pgnet_sockets_tell(sending->shared->sockets, fd, &sending->answered);
	}
	return true;
}

/* Ask for another connection. */
void
pgnet_sending_elsewhere(Sending *sending)
{
	note_bytes(sending);
	leave(sending);
	sending->elsewhere = true;
}

/* Go on from there. */
void
pgnet_sending_go_on(Sending *sending, bool with_next_step)
{
	leave(sending);
	if (with_next_step)
		sending->again = sending->answered = false;
	sending->known = sending->elsewhere;
	sending->elsewhere = false;
	sending->bytes_before = 0;
}

/* Count it no more. */
void
pgnet_sending_end(Sending *sending)
{
	leave(sending);
	if (sending->counted)
		sending->shared->count--;
	sending->counted = false;
}

/*
 * The request went out, and no response came.  On a kept connection it does
 * not go out again: ask for another.
 */
static bool
may_repeat(Sending *sending, ConnectionUse use)
{
	sending->refused = sending->again || sending->answered ||
		!pgnet_method_is_idempotent(sending->job->request.method);
	sending->elsewhere = !sending->refused && use != PGNET_CONNECTION_NEW;
	return !sending->refused && !sending->elsewhere;
}

/* Did anything go out since this was asked last? */
static void
note_bytes(Sending *sending)
{
	long		bytes = 0;

	(void) curl_easy_getinfo(sending->easy, CURLINFO_REQUEST_SIZE, &bytes);
	if (bytes == sending->bytes_before && !sending->known)
		sending->unanswered = false;
	sending->bytes_before = bytes;
	sending->known = false;
}

/* Have nothing to do with a connection any more. */
static void
leave(Sending *sending)
{
	pgnet_sockets_tell_not(sending->shared->sockets, sending->fd,
						   &sending->answered);
	sending->fd = CURL_SOCKET_BAD;
}
