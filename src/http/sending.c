/*
 * sending.c -- may a request go out on a connection, for the first time or
 * again?
 *
 * Runs in: workers.
 *
 * When a connection that was used before ends without an answer, libcurl takes
 * it that the server had closed it already, and sends the request again on
 * another, up to five times.  It may as well have been received.  So a method
 * that is not idempotent is not sent again, and another only once (RFC 9110,
 * section 9.2.2).  One of which no byte went out, because the connection had
 * been reset, was not sent.
 */
#include "postgres.h"

#include "http/method.h"
#include "http/sending.h"

/* Decide. */
bool
pgnet_sending_begin(Sending *sending)
{
	long		bytes = 0;

	(void) curl_easy_getinfo(sending->easy, CURLINFO_REQUEST_SIZE, &bytes);
	if (bytes == sending->bytes_before)
		sending->unanswered = false;
	sending->bytes_before = bytes;

	sending->held_back = sending->shared->closed && !sending->counted;
	if (sending->unanswered)
		sending->refused = sending->again ||
			!pgnet_method_is_idempotent(sending->request->method);
	if (sending->held_back || sending->refused)
		return false;

	if (!sending->counted)
		sending->shared->count++;
	sending->counted = true;
	if (sending->unanswered)
		sending->request->metrics.attempts++;
	sending->again = sending->unanswered;
	sending->unanswered = true;
	return true;
}

/* Count it no more. */
void
pgnet_sending_end(Sending *sending)
{
	if (sending->counted)
		sending->shared->count--;
	sending->counted = false;
}
