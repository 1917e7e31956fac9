/*
 * http1_request.c -- a request of HTTP/1.1 as bytes.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "http/http1_request.h"

/* Digits of the largest length. */
#define MAX_DIGITS 20

/* Bytes that are written as long as there is room. */
typedef struct Writer
{
	char	   *bytes;
	size_t		size;
	size_t		length;			/* of all, also where there was none */
} Writer;

static void add_field(Writer *writer, const char *name, const char *value);
static void add_length(Writer *writer, size_t length);
static void add_tunnel_target(Writer *writer, const WebUrl *url);
static inline void add(Writer *writer, const char *text);
static inline void add_bytes(Writer *writer, const char *bytes, size_t length);

/* RFC 9112, sections 3 and 5; Host comes first (RFC 9110, section 7.2). */
size_t
pgnet_http1_request_head(const Message *message, char *bytes, size_t size)
{
	Writer		writer = {.bytes = bytes, .size = size};

	add(&writer, message->method);
	add(&writer, " ");
	add(&writer, message->target);
	add(&writer, message->http10 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
	add_field(&writer, "Host", message->authority);
	for (int i = 0; i < message->nfields; i++)
		add_field(&writer, message->fields[i].name, message->fields[i].value);
	if (message->has_body)
		add_length(&writer, message->body_length);
	add(&writer, "\r\n");
	return writer.length;
}

/* With a proxy that speaks HTTP/1.0 the tunnel ends the connection as well. */
size_t
pgnet_http1_connect_head(const Route *route, const char *user_agent,
						 char *bytes, size_t size)
{
	Writer		writer = {.bytes = bytes, .size = size};

	add(&writer, "CONNECT ");
	add_tunnel_target(&writer, route->url);
	add(&writer, " HTTP/1.1\r\nHost: ");
	add_tunnel_target(&writer, route->url);
	add(&writer, "\r\n");
	if (route->proxy->credentials != NULL)
		add_field(&writer, "Proxy-Authorization", route->proxy->credentials);
	if (*user_agent != '\0')
		add_field(&writer, "User-Agent", user_agent);
	add_field(&writer, "Proxy-Connection", "Keep-Alive");
	add(&writer, "\r\n");
	return writer.length;
}

/* One line; of an empty value nothing follows the colon, not even a blank. */
static void
add_field(Writer *writer, const char *name, const char *value)
{
	add(writer, name);
	add(writer, *value == '\0' ? ":" : ": ");
	add(writer, value);
	add(writer, "\r\n");
}

/* How long the body is (RFC 9110, section 8.6). */
static void
add_length(Writer *writer, size_t length)
{
	char		digits[MAX_DIGITS];

	add(writer, "Content-Length: ");
	add_bytes(writer, digits, pg_ulltoa_n(length, digits));
	add(writer, "\r\n");
}

/* Host and port, the usual one, too. */
static void
add_tunnel_target(Writer *writer, const WebUrl *url)
{
	const char *end = strchr(url->authority, ']');

	add(writer, url->authority);
	if (strchr(end ? end : url->authority, ':') == NULL)
		add(writer, url->https ? ":443" : ":80");
}

static inline void
add(Writer *writer, const char *text)
{
	add_bytes(writer, text, strlen(text));
}

static inline void
add_bytes(Writer *writer, const char *bytes, size_t length)
{
	if (writer->length < writer->size)
		memcpy(writer->bytes + writer->length, bytes,
			   Min(length, writer->size - writer->length));
	writer->length += length;
}
