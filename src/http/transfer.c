/*
 * transfer.c -- one request on one libcurl handle.
 *
 * Runs in: workers.
 *
 * The environment of the server decides nothing: proxies, .netrc, cookies and
 * the like are off unless set here.  A response's body is in memory from
 * malloc(), which can grow without throwing and mostly without copying; it
 * goes with the request's memory context.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "utils/memutils.h"

#include "compat.h"
#include "exchange.h"
#include "http/destination.h"
#include "http/method.h"
#include "http/metrics.h"
#include "http/outcome.h"
#include "http/shortage.h"
#include "http/transfer.h"
#include "policy/header_rules.h"

#define USER_AGENT "pg_net/" PGNET_VERSION
#define MAX_REDIRECTS 30L

/* Finding repeated fields takes time in the square of their number. */
#define MAX_HEADER_LINES 1000

struct Transfer
{
	HttpRequest *request;
	const TransferOptions *options;
	struct curl_slist *header_lines;	/* libcurl's memory */
	TransferBody body;
	size_t		header_bytes;
	int			header_lines_seen;
	bool		headers_too_large;
	bool		headers_complete;	/* the empty line came */
	bool		out_of_memory;	/* for an option */
	Sending		sending;
	ShortageWatch watch;
	Destination destination;
	char		error_detail[CURL_ERROR_SIZE];
	MemoryContextCallback free_body;
};

static void end_transfer(Transfer *transfer, CURL *easy);
static bool set_options(Transfer *transfer, CURL *easy);
static bool set_tls(Transfer *transfer, CURL *easy);
static bool set_method(Transfer *transfer, CURL *easy);
static bool sends_body(const HttpRequest *request);
static bool set_header_lines(Transfer *transfer, CURL *easy);
static bool add_header(Transfer *transfer, const HttpHeader *header);
static bool add_header_line(Transfer *transfer, const char *line);
static bool is_https(const char *url);
static int	before_sending(void *arg, char *remote_ip, char *local_ip,
						   int remote_port, int local_port);
static size_t receive_header(char *bytes, size_t size, size_t count, void *arg);
static size_t receive_body(char *bytes, size_t size, size_t count, void *arg);
static void free_body(void *arg);

/*
 * Set one option, and remember which one failed: an option that is refused
 * means a libcurl built without what we need, or no memory.
 */
#define SET(option, value) \
	set_result(transfer, curl_easy_setopt(easy, option, value), #option)

/* Was an option taken?  If not, say which. */
static bool
set_result(Transfer *transfer, CURLcode result, const char *option)
{
	if (result == CURLE_OK)
		return true;
	snprintf(transfer->error_detail, sizeof(transfer->error_detail),
			 "could not set %s: %s", option, curl_easy_strerror(result));
	transfer->out_of_memory = result == CURLE_OUT_OF_MEMORY;
	return false;
}

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
	transfer->watch.easy = easy;
	transfer->sending.easy = easy;
	transfer->sending.request = request;
	transfer->sending.shared = options->sending;
	transfer->destination.request = request;
	transfer->destination.watch = &transfer->watch;
	transfer->destination.denied_networks = options->denied_networks;
	transfer->body.limit = options->max_response_bytes;
	transfer->body.all_limit = options->max_all_response_bytes;
	transfer->body.all_allocated = options->all_response_bytes;

	if (set_options(transfer, easy) && set_tls(transfer, easy) &&
		set_method(transfer, easy) && set_header_lines(transfer, easy))
		return transfer;

	if (transfer->out_of_memory)
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

/* Take the result over. */
HttpRequest *
pgnet_transfer_finish(Transfer *transfer, CURL *easy, CURLcode result)
{
	HttpRequest *request = transfer->request;

	if (transfer->sending.held_back)
		pgnet_outcome_not_sent(request, PGNET_SHORT_OF_NOTHING, 0);
	else if (!transfer->sending.unanswered && transfer->header_bytes == 0 &&
			 result != CURLE_OK &&
			 pgnet_shortage_explains(&transfer->watch, result,
									 transfer->error_detail))
		pgnet_outcome_not_sent(request, transfer->watch.shortage,
							   transfer->watch.shortage_errno);
	else if (result == CURLE_OK && transfer->headers_complete)
		pgnet_outcome_answered(request, easy, &transfer->body);
	else if (result == CURLE_OK)
		pgnet_outcome_failed(request, "Server closed the connection within "
									  "the response headers");
	else if (pgnet_destination_problem(&transfer->destination) != NULL)
		pgnet_outcome_failed(request, "%s", pgnet_destination_problem(&transfer->destination));
	else if (result == CURLE_OPERATION_TIMEDOUT)
		pgnet_outcome_timed_out(request, easy);
	else if (transfer->body.too_large)
		pgnet_outcome_failed(request, "response body is larger than %zu bytes",
							 transfer->options->max_response_bytes);
	else if (transfer->body.no_room)
		pgnet_outcome_failed(request, "the worker's memory for responses is used up");
	else if (transfer->headers_too_large)
		pgnet_outcome_failed(request, "response headers are larger than %zu bytes or %d lines",
							 transfer->options->max_header_bytes,
							 MAX_HEADER_LINES);
	else if (transfer->sending.refused)
		pgnet_outcome_error(request, easy, CURLE_GOT_NOTHING, "");
	else
		pgnet_outcome_error(request, easy, result, transfer->error_detail);
	request->outcome.bad_url = result == CURLE_URL_MALFORMAT;
	if (request->outcome.kind != PGNET_OUTCOME_NOT_SENT &&
		!pgnet_metrics_add(request, easy))
		pgnet_outcome_failed(request, "out of memory");
	end_transfer(transfer, easy);
	return request;
}

/*
 * Free what libcurl holds of a transfer.  What we hold goes with the request,
 * but for one that is sent later: it may be tried many times.
 */
static void
end_transfer(Transfer *transfer, CURL *easy)
{
	curl_slist_free_all(transfer->header_lines);
	transfer->header_lines = NULL;
	pgnet_sending_end(&transfer->sending);
	if (transfer->request->outcome.kind != PGNET_OUTCOME_NOT_SENT)
		return;
	/* it points to the transfer */
	curl_easy_reset(easy);
	pfree(transfer);
}

/* Options that are the same for every request, and the URL. */
static bool
set_options(Transfer *transfer, CURL *easy)
{
	HttpRequest *request = transfer->request;
	bool		tls = is_https(request->url);
	long		version = tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;

	return SET(CURLOPT_PRIVATE, transfer) &&
		SET(CURLOPT_ERRORBUFFER, transfer->error_detail) &&
		SET(CURLOPT_URL, request->url) &&
#ifdef PGNET_CURL_PROTOCOLS_STR
		SET(CURLOPT_PROTOCOLS_STR, "http,https") &&
		SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https") &&
#else
		SET(CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS) &&
		SET(CURLOPT_REDIR_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS) &&
#endif
#ifdef PGNET_CURL_QUICK_EXIT
		/* a resolver that hangs must not hold up the end of its transfer */
		SET(CURLOPT_QUICK_EXIT, 1L) &&
#endif
		SET(CURLOPT_NOSIGNAL, 1L) &&
		SET(CURLOPT_PROXY, "") &&
		SET(CURLOPT_USERAGENT, USER_AGENT) &&
		SET(CURLOPT_FOLLOWLOCATION, 1L) &&
		SET(CURLOPT_MAXREDIRS, MAX_REDIRECTS) &&
		SET(CURLOPT_TIMEOUT_MS, (long) request->timeout_ms) &&
		SET(CURLOPT_CONNECTTIMEOUT_MS, (long) request->timeout_ms) &&

		/*
		 * HTTP/2 is negotiated within TLS only, so waiting to learn whether a
		 * connection can be shared makes no sense for http.
		 */
		SET(CURLOPT_HTTP_VERSION, version) &&
		SET(CURLOPT_PIPEWAIT, tls ? 1L : 0L) &&
		(!tls || SET(CURLOPT_BUFFERSIZE, PGNET_CURL_HTTP2_BUFFER_SIZE)) &&
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

/*
 * Whom to trust.  Reading a bundle of all authorities takes libcurl some
 * 20 ms, for every connection as long as a directory is set as well (its
 * cache serves a file alone, lib/vtls/openssl.c).  So one or the other: the
 * administrator's file, or else the system's directory, in which OpenSSL
 * finds an authority by the hash of its name.
 */
static bool
set_tls(Transfer *transfer, CURL *easy)
{
	const TransferOptions *options = transfer->options;

	if (options->ca_file[0] != '\0')
		return SET(CURLOPT_CAINFO, options->ca_file) &&
			SET(CURLOPT_CAPATH, NULL);
	if (options->ca_path != NULL)
		return SET(CURLOPT_CAINFO, NULL);
	return true;
}

/* The method, and the body if there is one. */
static bool
set_method(Transfer *transfer, CURL *easy)
{
	HttpRequest *request = transfer->request;
	const char *method = pgnet_method_canonical(request->method);
	bool		post = strcmp(method, "POST") == 0;

	if (sends_body(request))
	{
		/* libcurl reads the body from our memory, which stays */
		if (!SET(CURLOPT_POST, 1L) ||
			!SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body_len) ||
			!SET(CURLOPT_POSTFIELDS, request->body ? request->body : ""))
			return false;
	}
	if (post)
		return true;
	if (strcmp(method, "HEAD") == 0)
		return SET(CURLOPT_NOBODY, 1L);
	if (strcmp(method, "GET") == 0 && request->body == NULL)
		return true;
	return SET(CURLOPT_CUSTOMREQUEST, method);
}

/* Does a body go with the request?  With some always, if an empty one. */
static bool
sends_body(const HttpRequest *request)
{
	return request->body || pgnet_method_expects_body(request->method);
}

/* The header fields. */
static bool
set_header_lines(Transfer *transfer, CURL *easy)
{
	HttpRequest *request = transfer->request;
	bool		has_content_type = false;

	for (int i = 0; i < request->nheaders; i++)
	{
		const HttpHeader *header = &request->headers[i];

		if (pgnet_header_is_libcurls(header->name))
			continue;
		if (pg_strcasecmp(header->name, "Content-Type") == 0)
			has_content_type = true;
		if (!add_header(transfer, header))
			return false;
	}

	/*
	 * What libcurl would add by itself: a content type of HTML forms, and a
	 * wait of a second for servers that do not know "100 Continue".
	 */
	if ((sends_body(request) && !has_content_type &&
		 !add_header_line(transfer, "Content-Type:")) ||
		(request->body_len > 0 && !add_header_line(transfer, "Expect:")))
		return false;
	return transfer->header_lines == NULL ||
		SET(CURLOPT_HTTPHEADER, transfer->header_lines);
}

/* Add one field; "Name;" tells libcurl to send one without a value. */
static bool
add_header(Transfer *transfer, const HttpHeader *header)
{
	size_t		size = strlen(header->name) + strlen(header->value) + 3;
	char	   *line = MemoryContextAllocExtended(transfer->request->context,
												  size, MCXT_ALLOC_NO_OOM);
	bool		added;

	if (line == NULL)
		return set_result(transfer, CURLE_OUT_OF_MEMORY, "CURLOPT_HTTPHEADER");
	snprintf(line, size, *header->value == '\0' ? "%s;" : "%s: %s",
			 header->name, header->value);
	added = add_header_line(transfer, line);
	pfree(line);
	return added;
}

/* Add one line to the list. */
static bool
add_header_line(Transfer *transfer, const char *line)
{
	struct curl_slist *longer = curl_slist_append(transfer->header_lines, line);

	if (longer == NULL)
		return set_result(transfer, CURLE_OUT_OF_MEMORY, "CURLOPT_HTTPHEADER");
	transfer->header_lines = longer;
	return true;
}

/* Is this an https URL? */
static bool
is_https(const char *url)
{
	return pg_strncasecmp(url, "https:", 6) == 0;
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
 * CURLOPT_HEADERFUNCTION: count, and see the end; libcurl keeps the fields
 * itself, and takes an answer that is cut off before its end for a whole one.
 */
static size_t
receive_header(char *bytes, size_t size, size_t count, void *arg)
{
	Transfer   *transfer = arg;

	transfer->header_bytes += size * count;
	transfer->sending.unanswered = false;
	if (strncmp(bytes, "HTTP/", Min(size * count, 5)) == 0)
		transfer->headers_complete = false;
	else if (*bytes == '\r' || *bytes == '\n')
		transfer->headers_complete = true;
	transfer->headers_too_large =
		transfer->header_bytes > transfer->options->max_header_bytes ||
		++transfer->header_lines_seen > MAX_HEADER_LINES;
	return transfer->headers_too_large ? 0 : size * count;
}

/* CURLOPT_WRITEFUNCTION: keep the bytes, up to the limit. */
static size_t
receive_body(char *bytes, size_t size, size_t count, void *arg)
{
	Transfer   *transfer = arg;

	if (transfer->free_body.func == NULL)
	{
		transfer->free_body.func = free_body;
		transfer->free_body.arg = &transfer->body;
		MemoryContextRegisterResetCallback(transfer->request->context,
										   &transfer->free_body);
	}
	if (!pgnet_body_append(&transfer->body, bytes, size * count))
		return 0;
	return size * count;
}

/* Reset callback of the request's memory context. */
static void
free_body(void *arg)
{
	pgnet_body_free(arg);
}
