/*
 * transfer.c -- one request on one libcurl handle.
 *
 * Runs in: workers.
 *
 * A redirect is a step of its own on the same handle.  A response's body is in
 * memory from malloc(), which can grow without throwing and mostly without
 * copying; it goes with the request's memory context.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "utils/memutils.h"

#include "exchange.h"
#include "http/destination.h"
#include "http/handle.h"
#include "http/header_section.h"
#include "http/metrics.h"
#include "http/outcome.h"
#include "http/redirect.h"
#include "http/sending.h"
#include "http/setup.h"
#include "http/shortage.h"
#include "http/transfer.h"

struct Transfer
{
	HttpRequest *request;
	const TransferOptions *options;
	Hop			hop;
	Setup		setup;
	bool		redirected;		/* the answer is a redirect to be followed */
	bool		too_many;		/* but there were too many */
	const char *refusal;		/* but why it was not */
	bool		out_of_time;
	bool		unprepared;		/* see error_detail */
	TransferBody body;
	CrowdMember member;
	Deadline	deadline;
	HeaderSection headers;
	Sending		sending;
	ShortageWatch watch;
	Destination destination;
	char		error_detail[CURL_ERROR_SIZE];
	MemoryContextCallback free_body;
};

static bool has_status(CURL *easy);
static void end_transfer(Transfer *transfer, CURL *easy);
static bool prepare(Transfer *transfer, CURL *easy);
static bool set_callbacks(Transfer *transfer);
static size_t max_response_bytes(const HttpRequest *request,
								 const HttpDefaults *defaults);
static int	max_redirects(const Transfer *transfer);
static const char *location(const Transfer *transfer);
static bool is_followed(const Transfer *transfer);
static int	before_sending(void *arg, char *remote_ip, char *local_ip,
						   int remote_port, int local_port);
static size_t receive_header(char *bytes, size_t size, size_t count, void *arg);
static size_t receive_body(char *bytes, size_t size, size_t count, void *arg);
static void begin_body(Transfer *transfer);
static void free_body(void *arg);

#define SET(option, value) PGNET_SETUP(&transfer->setup, option, value)

/* Prepare a request. */
Transfer *
pgnet_transfer_create(CURL *easy, HttpRequest *request,
					  const TransferOptions *options)
{
	Transfer   *transfer;

	transfer = MemoryContextAllocExtended(request->context, sizeof(Transfer),
										  MCXT_ALLOC_NO_OOM | MCXT_ALLOC_ZERO);
	if (transfer == NULL)
	{
		pgnet_outcome_not_sent(request, PGNET_SHORT_OF_MEMORY, ENOMEM);
		return NULL;
	}
	transfer->request = request;
	transfer->options = options;
	transfer->watch.sockets = options->sockets;
	transfer->sending.request = request;
	transfer->sending.shared = options->sending;
	transfer->destination.request = request;
	transfer->destination.watch = &transfer->watch;
	transfer->destination.denied_networks = options->denied_networks;
	transfer->hop = pgnet_hop_first(request);
	transfer->headers.max_bytes = options->max_header_bytes;
	transfer->body.limit = max_response_bytes(request, options->defaults);
	transfer->body.memory = &options->crowd->memory;

	if (prepare(transfer, easy))
	{
		pgnet_deadline_set(options->deadlines, &transfer->deadline,
						   request->timeout_ms);
		return transfer;
	}

	if (transfer->setup.refused == CURLE_OUT_OF_MEMORY)
		pgnet_outcome_not_sent(request, PGNET_SHORT_OF_MEMORY, ENOMEM);
	else
		pgnet_outcome_failed(request, "%s", transfer->error_detail);
	end_transfer(transfer, easy);
	return NULL;
}

/* Find the transfer of a handle. */
Transfer *
pgnet_transfer_of(CURL *easy)
{
	char	   *transfer = NULL;

	(void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
	return (Transfer *) transfer;
}

/* End the time of a transfer. */
Transfer *
pgnet_transfer_due(Deadline *deadline, CURL **easy)
{
	char	   *start = (char *) deadline - offsetof(Transfer, deadline);
	Transfer   *transfer = (Transfer *) start;

	transfer->out_of_time = true;
	*easy = transfer->setup.easy;
	return transfer;
}

/* Take the step a redirect asks for. */
bool
pgnet_transfer_follow(Transfer *transfer, CURL **handle, CURLcode result)
{
	HttpRequest *request = transfer->request;
	Hop		   *hop = &transfer->hop;
	CURL	   *easy = *handle;
	long		status = 0;

	if (result != CURLE_OK || !transfer->redirected)
		return false;
	transfer->too_many = hop->number >= max_redirects(transfer);
	if (transfer->too_many)
		return false;
	(void) curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	transfer->refusal = pgnet_redirect_follow(hop, request, status,
											  location(transfer));
	if (transfer->refusal != NULL)
		return false;
	hop->timeout_ms = (int) pgnet_deadline_left_ms(transfer->options->deadlines,
												   &transfer->deadline);
	transfer->out_of_time = hop->timeout_ms <= 0;
	if (transfer->out_of_time)
		return false;

	pgnet_metrics_add(request, easy);
	request->metrics.final_url = hop->url;
	transfer->redirected = false;
	pgnet_header_section_clear(&transfer->headers);
	transfer->sending.again = false;
	transfer->sending.bytes_before = 0;
	transfer->destination.denied = false;
	easy = pgnet_handle_renew(easy);
	if (easy != NULL)
		*handle = easy;
	transfer->unprepared = easy == NULL || !prepare(transfer, easy);
	return !transfer->unprepared;
}

/* Take the result over. */
HttpRequest *
pgnet_transfer_finish(Transfer *transfer, CURL *easy, CURLcode result)
{
	HttpRequest *request = transfer->request;

	if (transfer->sending.held_back)
		pgnet_outcome_not_sent(request, PGNET_SHORT_OF_NOTHING, 0);
	else if (!transfer->sending.unanswered && transfer->headers.lines == 0 &&
			 result != CURLE_OK &&
			 pgnet_shortage_explains(&transfer->watch, result,
									 transfer->error_detail))
		pgnet_outcome_not_sent(request, transfer->watch.shortage,
							   transfer->watch.shortage_errno);
	else if (transfer->too_many)
		pgnet_outcome_failed(request,
							 "Number of redirects hit maximum amount: %d",
							 transfer->hop.number);
	else if (transfer->refusal != NULL)
		pgnet_outcome_failed(request, "%s", transfer->refusal);
	else if (transfer->unprepared)
		pgnet_outcome_failed(request, "%s", transfer->error_detail);
	else if (transfer->out_of_time)
		pgnet_outcome_timed_out(request, easy, 0);
	else if (result == CURLE_OK && !transfer->headers.complete)
		pgnet_outcome_failed(request, "Server closed the connection within "
									  "the response headers");
	else if (result == CURLE_OK && !has_status(easy))
		pgnet_outcome_error(request, easy, CURLE_WEIRD_SERVER_REPLY, "");
	else if (result == CURLE_OK && !transfer->body.broken)
		pgnet_outcome_answered(request, easy, &transfer->headers,
							   &transfer->body);
	else if (pgnet_destination_problem(&transfer->destination) != NULL)
		pgnet_outcome_failed(request, "%s", pgnet_destination_problem(&transfer->destination));
	else if (result == CURLE_OPERATION_TIMEDOUT)
		pgnet_outcome_timed_out(request, easy,
								transfer->setup.connect_timeout_ms);
	else if (transfer->body.too_large)
		pgnet_outcome_failed(request, "response body is larger than %zu bytes",
							 transfer->body.limit);
	else if (transfer->body.no_room)
		pgnet_outcome_failed(request, "the worker's memory for responses is used up");
	else if (transfer->headers.too_large)
		pgnet_outcome_failed(request, "response headers are larger than %zu bytes or %d lines",
							 transfer->headers.max_bytes,
							 PGNET_MAX_HEADER_LINES);
	else if (transfer->sending.refused)
		pgnet_outcome_error(request, easy, CURLE_GOT_NOTHING, "");
	else if (result == CURLE_OK || result == CURLE_WRITE_ERROR)
		pgnet_outcome_failed(request, "out of memory");
	else
		pgnet_outcome_error(request, easy, result, transfer->error_detail);
	request->outcome.bad_url = result == CURLE_URL_MALFORMAT &&
		transfer->hop.number == 0;
	if (request->outcome.kind != PGNET_OUTCOME_NOT_SENT)
		pgnet_metrics_add(request, easy);
	/* others may have that memory */
	if (request->outcome.kind != PGNET_OUTCOME_ANSWERED)
		pgnet_body_free(&transfer->body);
	end_transfer(transfer, easy);
	return request;
}

/*
 * Is the status one (RFC 9110, section 15)?  libcurl 7.88 takes the digits of
 * "HTTP/2222222222.1 200" for it (lib/http.c).
 */
static bool
has_status(CURL *easy)
{
	long		status = 0;

	(void) curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	return status >= 0 && status <= 999;
}

/*
 * Free what libcurl holds of a transfer.  What we hold goes with the request,
 * but for one that is sent later: it may be tried many times.
 */
static void
end_transfer(Transfer *transfer, CURL *easy)
{
	pgnet_crowd_leave(transfer->options->crowd, &transfer->member);
	pgnet_deadline_unset(transfer->options->deadlines, &transfer->deadline);
	pgnet_setup_free(&transfer->setup);
	pgnet_sending_end(&transfer->sending);
	if (transfer->request->outcome.kind != PGNET_OUTCOME_NOT_SENT)
		return;
	/* it points to the transfer */
	curl_easy_reset(easy);
	pfree(transfer);
}

/* Take a step, the first or another; false when an option was refused. */
static bool
prepare(Transfer *transfer, CURL *easy)
{
	Setup	   *setup = &transfer->setup;

	transfer->watch.easy = transfer->sending.easy = easy;
	transfer->member.easy = easy;
	pgnet_setup_free(setup);
	*setup = (Setup) {.easy = easy, .urls = transfer->options->urls};
	transfer->error_detail[0] = '\0';
	if (set_callbacks(transfer) &&
		pgnet_setup_hop(setup, transfer->request, &transfer->hop,
						transfer->options->defaults))
	{
		transfer->destination.to_unix_socket = setup->to_unix_socket;
		return true;
	}
	snprintf(transfer->error_detail, sizeof(transfer->error_detail),
			 "could not set %s: %s", setup->refused_option,
			 curl_easy_strerror(setup->refused));
	return false;
}

/* How large the body of the response may be. */
static size_t
max_response_bytes(const HttpRequest *request, const HttpDefaults *defaults)
{
	int64		limit = defaults->options.max_response_bytes;

	if (request->options.max_response_bytes != PGNET_UNSET)
		limit = Min(limit, request->options.max_response_bytes);
	return limit;
}

/* Where libcurl calls us. */
static bool
set_callbacks(Transfer *transfer)
{
	return SET(CURLOPT_PRIVATE, transfer) &&
		SET(CURLOPT_ERRORBUFFER, transfer->error_detail) &&
		SET(CURLOPT_RESOLVER_START_FUNCTION, pgnet_shortage_before_lookup) &&
		SET(CURLOPT_RESOLVER_START_DATA, &transfer->watch) &&
		SET(CURLOPT_OPENSOCKETFUNCTION, pgnet_destination_open_socket) &&
		SET(CURLOPT_OPENSOCKETDATA, &transfer->destination) &&
		SET(CURLOPT_CLOSESOCKETFUNCTION, pgnet_sockets_close) &&
		SET(CURLOPT_CLOSESOCKETDATA, transfer->options->sockets) &&
		SET(CURLOPT_PREREQFUNCTION, before_sending) &&
		SET(CURLOPT_PREREQDATA, transfer) &&
		SET(CURLOPT_HEADERFUNCTION, receive_header) &&
		SET(CURLOPT_HEADERDATA, transfer) &&
		SET(CURLOPT_WRITEFUNCTION, receive_body) &&
		SET(CURLOPT_WRITEDATA, transfer);
}

/* CURLOPT_PREREQFUNCTION: a connection is there. */
static int
before_sending(void *arg, char *remote_ip, char *local_ip, int remote_port,
			   int local_port)
{
	Transfer   *transfer = arg;

	(void) local_ip;
	(void) remote_port;
	(void) local_port;
	if (pgnet_destination_allows(&transfer->destination, remote_ip) &&
		pgnet_sending_begin(&transfer->sending))
		return CURL_PREREQFUNC_OK;
	return CURL_PREREQFUNC_ABORT;
}

/*
 * CURLOPT_HEADERFUNCTION: a line of the answer.  libcurl takes an answer that
 * is cut off before the end of its header section for a whole one.
 */
static size_t
receive_header(char *bytes, size_t size, size_t count, void *arg)
{
	Transfer   *transfer = arg;
	HeaderSection *headers = &transfer->headers;

	transfer->sending.unanswered = false;
	if (!pgnet_header_section_take(headers, transfer->request->context, bytes,
								   size * count))
		return 0;
	transfer->redirected = headers->complete && is_followed(transfer);
	return size * count;
}

/* Is the answer that came a redirect, and do we follow those? */
static bool
is_followed(const Transfer *transfer)
{
	long		status = 0;

	(void) curl_easy_getinfo(transfer->setup.easy, CURLINFO_RESPONSE_CODE,
							 &status);
	return pgnet_redirect_is(status) && max_redirects(transfer) > 0 &&
		location(transfer) != NULL;
}

/* How many redirects may be followed. */
static int
max_redirects(const Transfer *transfer)
{
	const HttpOptions *options = &transfer->request->options;

	return options->max_redirects != PGNET_UNSET ?
		options->max_redirects :
		transfer->options->defaults->options.max_redirects;
}

/* Where the answer says to go; NULL when it does not. */
static const char *
location(const Transfer *transfer)
{
	const char *value = pgnet_headers_find(transfer->headers.fields,
										   transfer->headers.nfields,
										   "Location");

	return value != NULL && *value != '\0' ? value : NULL;
}

/* CURLOPT_WRITEFUNCTION: keep the bytes, up to the limit. */
static size_t
receive_body(char *bytes, size_t size, size_t count, void *arg)
{
	Transfer   *transfer = arg;

	if (transfer->redirected)
		return size * count;
	if (transfer->free_body.func == NULL)
		begin_body(transfer);
	if (!pgnet_crowd_lets_grow(transfer->options->crowd, &transfer->member))
		return CURL_WRITEFUNC_PAUSE;
	if (!pgnet_body_append(&transfer->body, bytes, size * count))
		return 0;
	return size * count;
}

/* The first bytes are there. */
static void
begin_body(Transfer *transfer)
{
	curl_off_t	expected = 0;

	(void) curl_easy_getinfo(transfer->setup.easy,
							 CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &expected);
	if (expected > 0)
		transfer->body.expected = expected;
	transfer->free_body.func = free_body;
	transfer->free_body.arg = &transfer->body;
	MemoryContextRegisterResetCallback(transfer->request->context,
									   &transfer->free_body);
}

/* Reset callback of the request's memory context. */
static void
free_body(void *arg)
{
	pgnet_body_free(arg);
}
