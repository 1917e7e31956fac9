/*
 * transfer.c -- one libcurl handle, with what is to be sent.
 *
 * Only options without which the work would be another one are set, and only
 * once: adding a handle to its multi again sends the same again.
 */
#include "bare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static CURLU *parsed_url(long host);
static void set_version(CURL *easy);
static void set_tls(CURL *easy);
static void set_body(CURL *easy);
static void set_header_lines(CURL *easy);
static size_t drop_body(char *bytes, size_t size, size_t count, void *arg);

/* One place looks at every option's result, and names the option. */
#define SET(option, value) \
	set_result(curl_easy_setopt(easy, option, value), #option)

static void
set_result(CURLcode result, const char *option)
{
	if (result != CURLE_OK)
		die(option, curl_easy_strerror(result));
}

void
open_transfer(Transfer *transfer, long host)
{
	CURL	   *easy = need(curl_easy_init());

	transfer->easy = easy;
	SET(CURLOPT_PRIVATE, transfer);
	/* or libcurl would parse the text each time: a fifth of its own work */
	SET(CURLOPT_CURLU, parsed_url(host));
	/* what the environment says of proxies would be looked up each time */
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_BUFFERSIZE, options.buffer_bytes);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
	SET(CURLOPT_WRITEFUNCTION, drop_body);
	set_version(easy);
	set_tls(easy);
	set_body(easy);
	set_header_lines(easy);
}

/* The URL of requests to a host. */
static CURLU *
parsed_url(long host)
{
	char		url[1024];
	CURLU	   *parsed = need(curl_url());
	const char *place = options.hosts > 1 ? strstr(options.url, "%d") : NULL;

	if (place == NULL)
		snprintf(url, sizeof(url), "%s", options.url);
	else
		snprintf(url, sizeof(url), "%.*s%ld%s", (int) (place - options.url),
				 options.url, host + 1, place + 2);
	if (curl_url_set(parsed, CURLUPART_URL, url, 0) != CURLUE_OK)
		die(url, "not a URL");
	return parsed;
}

static void
set_version(CURL *easy)
{
	bool		two = strcmp(options.http_version, "2") == 0;

	SET(CURLOPT_HTTP_VERSION,
		(long) (two ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
	/* a burst would open many connections before it knows it may share one */
	SET(CURLOPT_PIPEWAIT, two ? 1L : 0L);
}

/* A file of authorities alone lets libcurl keep what it read of it. */
static void
set_tls(CURL *easy)
{
	/* a new connection is to be a whole handshake */
	SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
	if (options.cafile == NULL)
		return;
	SET(CURLOPT_CAINFO, options.cafile);
	SET(CURLOPT_CAPATH, NULL);
}

static void
set_body(CURL *easy)
{
	static char *body;

	if (options.body_bytes == 0)
		return;
	if (body == NULL)
	{
		body = need(malloc(options.body_bytes));
		memset(body, 'x', options.body_bytes);
	}
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, options.buffer_bytes);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) options.body_bytes);
	SET(CURLOPT_POSTFIELDS, body);
}

static void
set_header_lines(CURL *easy)
{
	static struct curl_slist *lines;

	if (lines == NULL)
	{
		for (int i = 0; i < options.header_count; i++)
			lines = need(curl_slist_append(lines, options.headers[i]));
		/* or libcurl waits for "100 Continue" */
		if (options.body_bytes > 0)
			lines = need(curl_slist_append(lines, "Expect:"));
	}
	if (lines != NULL)
		SET(CURLOPT_HTTPHEADER, lines);
}

bool
was_answered(Transfer *transfer, CURLcode result, bool explain)
{
	long		status = 0;
	bool		good;

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	good = result == CURLE_OK && status == 200;
	if (!good && explain)
		fprintf(stderr, "bare: first failure: status %ld, %s\n", status,
				curl_easy_strerror(result));
	return good;
}

/* CURLOPT_WRITEFUNCTION */
static size_t
drop_body(char *bytes, size_t size, size_t count, void *arg)
{
	(void) bytes, (void) arg;
	return size * count;
}
