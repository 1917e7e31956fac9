/*
 * response.c -- fuzzes src/http/ and libcurl: what a server answers.
 *
 * The transfer is the worker's own, but for its sockets: each is one end of a
 * pair, and the other end has written the answer already; dev/fuzz preloads a
 * connect() that always succeeds.
 */
#include "postgres.h"

#include <curl/curl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "job.h"
#include "fuzz.h"
#include "http/defaults.h"
#include "http/handle.h"
#include "http/outcome.h"
#include "http/sockets.h"
#include "http/transfer.h"
#include "policy/networks.h"
#include "text/convert.h"
#include "text/json_fields.h"

#define MAX_CONNECTIONS 4
#define MAX_FD 1024

/* What is left to be answered, a string for each connection. */
static const uint8 *answers;
static size_t answers_size;

/* The servers' ends. */
static int	peers[MAX_CONNECTIONS];
static int	npeers;

static Job *make_job(MemoryContext parent, uint8 kind);
static CURLcode perform(CURL *easy);
static curl_socket_t open_pair(void *arg, curlsocktype purpose,
							   struct curl_sockaddr *address);
static void check_outcome(const HttpOutcome *outcome);

#define SET(option, value) \
	FUZZ_CHECK(curl_easy_setopt(easy, option, value) == CURLE_OK)

/* A byte that chooses the request, and strings, the answers. */
void
fuzz_response(const uint8 *data, size_t size)
{
	static CURL *easy = NULL;
	static Account account = {.limit[PGNET_POOL_RESPONSE_BYTES] = 256 * 1024};
	static Party role;
	static Party lane;
	static Holder holder = {.role = &role, .lane = &lane};
	static BodyBudget bodies;
	static Decoding decoding;
	static Deadlines deadlines;
	static Attempts attempts;
	static SendingShared sending = {0};
	static const HttpDefaults defaults = {
		.options = {
			.max_redirects = 3,
			.max_response_bytes = 64 * 1024,
			.http_version = PGNET_HTTP_2,
		},
		.ca_file = "",
		.ca_directory = "",
		.user_agent = "",
		.proxy = "",
		.no_proxy = "",
	};
	static ParsedUrls urls;
	static TransferOptions options = {
		.urls = &urls,
		.sending = &sending,
		.defaults = &defaults,
		.bodies = &bodies,
		.decoding = &decoding,
		.deadlines = &deadlines,
		.attempts = &attempts,
		.max_header_bytes = 16 * 1024,
	};
	Job *job;
	Transfer   *transfer;
	CURLcode	result;

	if (easy == NULL)
	{
		MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
		char	   *problem;

		pgnet_body_budget_init(&bodies, &account);
		pgnet_deadlines_init(&deadlines);
		/* one for all, as in the worker, where they are used again */
		easy = curl_easy_init();
		options.denied_networks = pgnet_networks_parse("", &problem);
		MemoryContextSwitchTo(before);
		options.sockets = pgnet_sockets_create(TopMemoryContext, MAX_FD);
		pgnet_attempts_init(&attempts, options.sockets);
	}
	job = make_job(CurrentMemoryContext, size > 0 ? data[0] : 0);
	job->holder = &holder;
	answers = data + Min(size, 1);
	answers_size = size - Min(size, 1);

	/* nobody would let a transfer that pauses go on */
	decoding.spent_us = PG_INT64_MIN;
	transfer = pgnet_transfer_create(easy, job, &options);
	FUZZ_CHECK(transfer != NULL);
	FUZZ_CHECK(pgnet_transfer_of(easy) == transfer);
	do
		result = perform(easy);
	while (pgnet_transfer_go_on(transfer, &easy, result));
	FUZZ_CHECK(pgnet_transfer_finish(transfer, easy, result) == job);
	check_outcome(&job->outcome);
	easy = pgnet_handle_renew(easy);

	/* not pgnet_job_free(), which keeps the context for the next one */
	MemoryContextDelete(job->request.context);
	FUZZ_CHECK(account.used[PGNET_POOL_RESPONSE_BYTES] == 0 && sending.count == 0);
	while (npeers > 0)
		close(peers[--npeers]);
}

/* A request of one of some kinds. */
static Job *
make_job(MemoryContext parent, uint8 kind)
{
	static const char *const methods[] = {"GET", "POST", "DELETE", "HEAD"};
	MemoryContext context = AllocSetContextCreate(parent, "fuzz request",
												  ALLOCSET_SMALL_SIZES);
	Job *job = MemoryContextAllocZero(context, sizeof(Job));
	HttpRequest *request = &job->request;

	request->context = context;
	request->method = methods[kind % lengthof(methods)];
	request->url = "http://127.0.0.1/";
	request->timeout_ms = 5000;
	request->options = PGNET_OPTIONS_UNSET;
	request->options.decompress = (kind & 0x20) != 0;
	if (kind & 0x10)
	{
		request->body = "body";
		request->body_len = 4;
	}
	return job;
}

/* Let libcurl talk to our pairs, whatever the host is called. */
static CURLcode
perform(CURL *easy)
{
	struct curl_slist *connect_to = curl_slist_append(NULL, "::127.0.0.1:1");
	CURLcode	result;

	SET(CURLOPT_CONNECT_TO, connect_to);
	SET(CURLOPT_FORBID_REUSE, 1L);
	SET(CURLOPT_TIMEOUT_MS, 5000L);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_pair);
	result = curl_easy_perform(easy);
	curl_slist_free_all(connect_to);
	return result;
}

/* CURLOPT_OPENSOCKETFUNCTION: the next answer; none is left: no socket. */
static curl_socket_t
open_pair(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	int			pair[2];
	size_t		length = strnlen((const char *) answers, answers_size);

	(void) arg;
	(void) purpose;
	(void) address;
	if (npeers == MAX_CONNECTIONS || (npeers > 0 && answers_size == 0))
		return CURL_SOCKET_BAD;
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	/* NULs are part of the last answer */
	if (npeers == MAX_CONNECTIONS - 1)
		length = answers_size;
	FUZZ_CHECK(write(pair[1], answers, length) == (ssize_t) length);
	length = Min(length + 1, answers_size);
	answers += length;
	answers_size -= length;
	shutdown(pair[1], SHUT_WR);
	peers[npeers++] = pair[1];
	return pair[0];
}

/* An outcome is whole, and can be stored. */
static void
check_outcome(const HttpOutcome *outcome)
{
	Jsonb	   *headers;

	if (outcome->kind != PGNET_OUTCOME_ANSWERED)
	{
		FUZZ_CHECK(outcome->kind == PGNET_OUTCOME_FAILED ||
				   outcome->kind == PGNET_OUTCOME_TIMED_OUT);
		FUZZ_CHECK(fuzz_is_text(pgnet_text_from_header(outcome->error)));
		return;
	}
	FUZZ_CHECK(outcome->error == NULL && outcome->content != NULL);
	FUZZ_CHECK(outcome->status_code >= 0 && outcome->status_code <= 999);
	FUZZ_CHECK(outcome->content_len <= 64 * 1024);
	headers = pgnet_json_fields_build(outcome->headers, outcome->nheaders);
	FUZZ_CHECK(fuzz_is_text(JsonbToCString(NULL, &headers->root,
										   VARSIZE(headers))));
	if (outcome->content_type != NULL)
		FUZZ_CHECK(fuzz_is_text(pgnet_text_from_header(outcome->content_type)));
	(void) pgnet_text_from_body(outcome->content, outcome->content_len,
								outcome->content_type,
								outcome->content_datum);
}
