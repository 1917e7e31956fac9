/*
 * transfer.c -- one request on one libcurl handle.
 *
 * All options are set anew each time: for pg_net every request is another
 * one, too.  They are those of src/http/transfer.c; keep them the same.
 */
#include "bare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_HEADER_BYTES ((size_t) 256 * 1024)

static void set_tls(CURL *easy);
static void set_method(Transfer *transfer);
static void set_header_lines(Transfer *transfer);
static int	before_sending(void *arg, char *remote_ip, char *local_ip,
						   int remote_port, int local_port);
static size_t receive_header(char *bytes, size_t size, size_t count, void *arg);
static size_t receive_body(char *bytes, size_t size, size_t count, void *arg);

/* One place looks at every option's result, and names the option. */
#define SET(option, value) \
	set_result(curl_easy_setopt(easy, option, value), #option)

static void
set_result(CURLcode result, const char *option)
{
	if (result != CURLE_OK)
		die(option, curl_easy_strerror(result));
}

/* The URL of request number i. */
static void
write_url(char *url, size_t size, long i)
{
	const char *place = options.hosts > 1 ? strstr(options.url, "%d") : NULL;

	if (place == NULL)
		snprintf(url, size, "%s", options.url);
	else
		snprintf(url, size, "%.*s%ld%s", (int) (place - options.url),
				 options.url, i % options.hosts + 1, place + 2);
}

void
prepare_transfer(Transfer *transfer, long i)
{
	CURL	   *easy = transfer->easy;
	char		url[1024];
	bool		https;

	write_url(url, sizeof(url), i);
	https = strncasecmp(url, "https:", 6) == 0;
	transfer->body_length = 0;
	transfer->header_bytes = 0;
	transfer->sent = false;
	transfer->error[0] = '\0';
	curl_easy_reset(easy);

	SET(CURLOPT_PRIVATE, transfer);
	SET(CURLOPT_ERRORBUFFER, transfer->error);
	SET(CURLOPT_URL, url);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_USERAGENT, "pg_net-bench/1.0");
	SET(CURLOPT_FOLLOWLOCATION, 1L);
	SET(CURLOPT_MAXREDIRS, 30L);
	SET(CURLOPT_TIMEOUT_MS, options.timeout_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS, options.timeout_ms);
	SET(CURLOPT_HTTP_VERSION, https ?
		(long) CURL_HTTP_VERSION_2TLS : (long) CURL_HTTP_VERSION_1_1);
	/* a burst would open many connections before it knows it may share one */
	SET(CURLOPT_PIPEWAIT, https ? 1L : 0L);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
	SET(CURLOPT_PREREQFUNCTION, before_sending);
	SET(CURLOPT_PREREQDATA, transfer);
	SET(CURLOPT_HEADERFUNCTION, receive_header);
	SET(CURLOPT_HEADERDATA, transfer);
	SET(CURLOPT_WRITEFUNCTION, receive_body);
	SET(CURLOPT_WRITEDATA, transfer);
	set_tls(easy);
	set_method(transfer);
	set_header_lines(transfer);
}

/* A file of authorities alone lets libcurl keep what it read of it. */
static void
set_tls(CURL *easy)
{
	if (options.cafile == NULL)
		return;
	SET(CURLOPT_CAINFO, options.cafile);
	SET(CURLOPT_CAPATH, NULL);
}

static void
set_method(Transfer *transfer)
{
	static char *body;
	CURL	   *easy = transfer->easy;

	if (options.body_bytes == 0)
		return;
	if (body == NULL)
	{
		body = need(malloc(options.body_bytes));
		memset(body, 'x', options.body_bytes);
	}
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) options.body_bytes);
	SET(CURLOPT_POSTFIELDS, body);
}

static void
add_header_line(Transfer *transfer, const char *line)
{
	transfer->header_lines =
		need(curl_slist_append(transfer->header_lines, line));
}

static void
set_header_lines(Transfer *transfer)
{
	CURL	   *easy = transfer->easy;

	for (int i = 0; i < options.header_count; i++)
		add_header_line(transfer, options.headers[i]);
	/* or libcurl waits for "100 Continue" */
	if (options.body_bytes > 0)
		add_header_line(transfer, "Expect:");
	if (transfer->header_lines != NULL)
		SET(CURLOPT_HTTPHEADER, transfer->header_lines);
}

bool
finish_transfer(Transfer *transfer, CURLcode result, bool explain)
{
	long		status = 0;
	bool		good;

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	good = result == CURLE_OK && status == 200;
	if (!good && explain)
		fprintf(stderr, "bare: first failure: status %ld, %s: %s\n", status,
				curl_easy_strerror(result), transfer->error);
	curl_slist_free_all(transfer->header_lines);
	transfer->header_lines = NULL;
	return good;
}

/* CURLOPT_PREREQFUNCTION: pg_net decides here whether to send twice. */
static int
before_sending(void *arg, char *remote_ip, char *local_ip, int remote_port,
			   int local_port)
{
	Transfer   *transfer = arg;

	(void) remote_ip, (void) local_ip, (void) remote_port, (void) local_port;
	transfer->sent = true;
	return CURL_PREREQFUNC_OK;
}

/* CURLOPT_HEADERFUNCTION: count; libcurl keeps the fields itself. */
static size_t
receive_header(char *bytes, size_t size, size_t count, void *arg)
{
	Transfer   *transfer = arg;

	(void) bytes;
	transfer->header_bytes += size * count;
	return transfer->header_bytes > MAX_HEADER_BYTES ? 0 : size * count;
}

/* CURLOPT_WRITEFUNCTION */
static size_t
receive_body(char *bytes, size_t size, size_t count, void *arg)
{
	Transfer   *transfer = arg;
	size_t		length = transfer->body_length + size * count;

	if (length > transfer->body_capacity)
	{
		transfer->body_capacity = length * 2;
		transfer->body = need(realloc(transfer->body,
									  transfer->body_capacity));
	}
	memcpy(transfer->body + transfer->body_length, bytes, size * count);
	transfer->body_length = length;
	return size * count;
}
