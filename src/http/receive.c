/*
 * receive.c -- the body of an answer, as libcurl hands it over.
 *
 * Runs in: workers.
 *
 * A body is in memory from malloc(), which can grow without throwing and mostly
 * without copying; it goes with the request's memory context.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "utils/memutils.h"

#include "http/receive.h"
#include "http/transfer_state.h"

/* RFC 9110, section 15.3.7. */
#define PARTIAL_CONTENT 206

static size_t pause_reading(const Transfer *transfer);
static void begin_body(Transfer *transfer);
static ContentCoding coding_of(const Transfer *transfer);
static bool wants_decoding(const Transfer *transfer);
static bool decode(Transfer *transfer, const char *bytes, size_t length);
static void free_body(void *arg);

/* Take some bytes. */
size_t
pgnet_receive_body(char *bytes, size_t size, size_t count, void *arg)
{
	Transfer   *transfer = arg;
	const TransferOptions *options = transfer->options;
	size_t		length = size * count;
	bool		taken;

	if (transfer->redirected)
		return length;
	if (!transfer->body_begun)
		begin_body(transfer);
	if (!pgnet_body_budget_lets_grow(options->bodies, &transfer->body.receiver,
									 pgnet_body_growth(&transfer->body,
													   length)))
		return pause_reading(transfer);
	if (transfer->coding == PGNET_CODING_NONE)
		taken = pgnet_body_append(&transfer->body, bytes, length);
	else if (pgnet_decoding_has_time(options->decoding, &transfer->decoding))
		taken = decode(transfer, bytes, length);
	else
		return pause_reading(transfer);
	return taken ? length : 0;
}

/* Count some bytes of a header section: libcurl keeps them, and we do. */
bool
pgnet_receive_headers(Transfer *transfer, size_t bytes)
{
	if (transfer->free_body.func == NULL)
	{
		transfer->free_body.func = free_body;
		transfer->free_body.arg = &transfer->body;
		MemoryContextRegisterResetCallback(transfer->job->request.context,
										   &transfer->free_body);
	}
	return pgnet_body_reserve(&transfer->body, 2 * bytes);
}

/* Have libcurl not read for now, and its socket left alone meanwhile. */
static size_t
pause_reading(const Transfer *transfer)
{
	CURL	   *easy = transfer->setup.easy;
	Sockets    *sockets = transfer->options->sockets;
	char	   *remote_ip = NULL;
	long		remote_port = 0;
	long		local_port = 0;
	curl_socket_t fd = CURL_SOCKET_BAD;

	(void) curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &remote_ip);
	(void) curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &remote_port);
	(void) curl_easy_getinfo(easy, CURLINFO_LOCAL_PORT, &local_port);
	if (remote_ip != NULL)
		fd = pgnet_sockets_find(sockets, (int) local_port, remote_ip,
								(int) remote_port);
	if (fd != CURL_SOCKET_BAD)
		pgnet_sockets_pause(sockets, fd);
	return CURL_WRITEFUNC_PAUSE;
}

/* The first bytes are there. */
static void
begin_body(Transfer *transfer)
{
	curl_off_t	expected = 0;

	transfer->coding = coding_of(transfer);
	(void) curl_easy_getinfo(transfer->setup.easy,
							 CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &expected);
	if (expected > 0 && transfer->coding == PGNET_CODING_NONE)
		transfer->body.expected = expected;
	transfer->body_begun = true;
}

/* How to decode; a part of what is coded is nothing that can be decoded. */
static ContentCoding
coding_of(const Transfer *transfer)
{
	long		status = 0;

	(void) curl_easy_getinfo(transfer->setup.easy, CURLINFO_RESPONSE_CODE,
							 &status);
	if (!wants_decoding(transfer) || status == PARTIAL_CONTENT)
		return PGNET_CODING_NONE;
	return pgnet_coding_of(transfer->headers.fields, transfer->headers.nfields);
}

/* Is the body to be decoded? */
static bool
wants_decoding(const Transfer *transfer)
{
	int			decompress = transfer->job->request.options.decompress;

	return decompress != PGNET_UNSET ?
		decompress :
		transfer->options->defaults->options.decompress;
}

/* Decode them, and see how long that takes. */
static bool
decode(Transfer *transfer, const char *bytes, size_t length)
{
	int64		since_us = pgnet_monotonic_us();
	bool		taken = pgnet_decoder_take(&transfer->decoder, transfer->coding,
										   &transfer->body, bytes, length);

	pgnet_decoding_spend(transfer->options->decoding,
						 pgnet_monotonic_us() - since_us);
	return taken;
}

/* Reset callback of the request's memory context. */
static void
free_body(void *arg)
{
	pgnet_body_free(arg);
}
