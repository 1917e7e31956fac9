/*
 * metrics.c -- what libcurl measured of a request.
 *
 * Runs in: workers.
 *
 * libcurl takes a time at the end of each phase, counted from the start of the
 * transfer: name looked up, connected, TLS agreed, first byte received.  It
 * takes them for a connection that was there already, too, where they mean
 * nothing.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "utils/timestamp.h"

#include "job.h"
#include "http/metrics.h"

/* When a phase ended that did not. */
#define NEVER (-1)

static void add_phases(HttpMetrics *metrics, CURL *easy, int64 total);
static int64 add_phase(int64 *phase, int64 from, int64 until, int64 total);
static int64 once_sent(CURL *easy, CURLINFO what);
static bool made_connection(CURL *easy);
static bool is_https(CURL *easy);
static const char *http_version(CURL *easy);
static int64 number(CURL *easy, CURLINFO what);
static long small_number(CURL *easy, CURLINFO what);

/* Start. */
void
pgnet_metrics_begin(Job *job)
{
	job->metrics = (HttpMetrics) {
		.attempts = 1,
		.started = GetCurrentTimestamp(),
		.dns_us = PGNET_NOT_MEASURED,
		.connect_us = PGNET_NOT_MEASURED,
		.tls_us = PGNET_NOT_MEASURED,
		.first_byte_us = PGNET_NOT_MEASURED
	};
}

/* Add a transfer. */
void
pgnet_metrics_add(Job *job, CURL *easy)
{
	HttpMetrics *metrics = &job->metrics;
	int64		total = number(easy, CURLINFO_TOTAL_TIME_T);
	int64		first_byte = once_sent(easy, CURLINFO_STARTTRANSFER_TIME_T);
	char	   *address = NULL;

	if (made_connection(easy))
		add_phases(metrics, easy, total);
	if (first_byte > 0)
		metrics->first_byte_us = metrics->duration_us + first_byte;
	metrics->duration_us += total;
	if (job->request.body_len > 0)
		metrics->request_bytes = number(easy, CURLINFO_SIZE_UPLOAD_T);
	metrics->response_bytes = number(easy, CURLINFO_SIZE_DOWNLOAD_T);
	metrics->http_version = http_version(easy);

	/* of an endpoint nobody is to know where it is */
	if (job->request.endpoint != NULL)
		return;
	(void) curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &address);
	strlcpy(metrics->remote_address, address ? address : "",
			sizeof(metrics->remote_address));
	metrics->remote_port = (int) small_number(easy, CURLINFO_PRIMARY_PORT);
}

/* When a connection was ready, by libcurl's clock of the transfer. */
int64
pgnet_metrics_ready_us(CURL *easy)
{
	return once_sent(easy, CURLINFO_PRETRANSFER_TIME_T);
}

/* Name the phase. */
const char *
pgnet_metrics_phase(CURL *easy)
{
	if (once_sent(easy, CURLINFO_STARTTRANSFER_TIME_T) > 0)
		return "receiving from";
	if (pgnet_metrics_ready_us(easy) > 0)
		return "waiting for";
	if (number(easy, CURLINFO_NAMELOOKUP_TIME_T) == 0)
		return "looking up";
	if (small_number(easy, CURLINFO_NUM_CONNECTS) > 0 && is_https(easy))
		return "TLS handshake with";
	return "connecting to";
}

/* How long each phase of making a connection took. */
static void
add_phases(HttpMetrics *metrics, CURL *easy, int64 total)
{
	int64		connected = number(easy, CURLINFO_CONNECT_TIME_T);
	int64		from = 0;

	from = add_phase(&metrics->dns_us, from,
					 number(easy, CURLINFO_NAMELOOKUP_TIME_T), total);
	/* libcurl 7.88 connects, but tells when only after TLS is agreed, too */
	if (connected > 0 || small_number(easy, CURLINFO_NUM_CONNECTS) == 0)
		from = add_phase(&metrics->connect_us, from, connected, total);
	if (is_https(easy))
		(void) add_phase(&metrics->tls_us, from,
						 number(easy, CURLINFO_APPCONNECT_TIME_T), total);
}

/*
 * Add a phase that began at from; when it ended.  One that did not end, until
 * being 0, took the rest of the time, and the next did not begin.
 */
static int64
add_phase(int64 *phase, int64 from, int64 until, int64 total)
{
	if (from == NEVER)
		return NEVER;
	if (*phase == PGNET_NOT_MEASURED)
		*phase = 0;
	*phase += Max((until > 0 ? until : total) - from, 0);
	return until > 0 ? until : NEVER;
}

/*
 * One of the times from when the request was sent; 0 if it was not.  libcurl
 * 8.23 sets them at the end of a transfer that did not come that far.
 */
static int64
once_sent(CURL *easy, CURLINFO what)
{
	if (small_number(easy, CURLINFO_REQUEST_SIZE) == 0)
		return 0;
	return number(easy, what);
}

/* Did a transfer make its connection, or try to?  Else it was there. */
static bool
made_connection(CURL *easy)
{
	return small_number(easy, CURLINFO_NUM_CONNECTS) > 0 ||
		pgnet_metrics_ready_us(easy) == 0;
}

/* Is TLS a phase of the transfer? */
static bool
is_https(CURL *easy)
{
	char	   *scheme = NULL;

	(void) curl_easy_getinfo(easy, CURLINFO_SCHEME, &scheme);
	return scheme != NULL && pg_strcasecmp(scheme, "https") == 0;
}

/* The version of HTTP that the server spoke; NULL when it said nothing. */
static const char *
http_version(CURL *easy)
{
	switch (small_number(easy, CURLINFO_HTTP_VERSION))
	{
		case CURL_HTTP_VERSION_1_0:
			return "1.0";
		case CURL_HTTP_VERSION_1_1:
			return "1.1";
		case CURL_HTTP_VERSION_2_0:
			return "2";
		case CURL_HTTP_VERSION_3:
			return "3";
		default:
			return NULL;
	}
}

/* One of libcurl's 64-bit numbers; its times are in microseconds. */
static int64
number(CURL *easy, CURLINFO what)
{
	curl_off_t	value = 0;

	(void) curl_easy_getinfo(easy, what, &value);
	return value;
}

/* One of libcurl's longs. */
static long
small_number(CURL *easy, CURLINFO what)
{
	long		value = 0;

	(void) curl_easy_getinfo(easy, what, &value);
	return value;
}
