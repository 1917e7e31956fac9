/*
 * tunnel.c -- asking a proxy for a tunnel (RFC 9110, section 9.3.6).
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "http/http1_request.h"
#include "http/http1_response.h"
#include "http/tunnel.h"

/* What a proxy may say before it says yes. */
#define MAX_HEAD_BYTES ((size_t) 64 * 1024)

struct Tunnel
{
	ResponseSink sink;			/* of nothing */
	Http1Response response;
	size_t		length;			/* of head */
	size_t		written;
	char		head[FLEXIBLE_ARRAY_MEMBER];
};

static TunnelStatus receive(Tunnel *tunnel, Stream *stream, HttpError *error);
static TunnelStatus judge(const Tunnel *tunnel, bool more, HttpError *error);
static bool begin(ResponseSink *sink, const char *version, int status);
static bool field(ResponseSink *sink, const char *name, size_t name_length,
				  const char *value, size_t value_length);
static bool head(ResponseSink *sink, int64 content_length);
static SinkResult body(ResponseSink *sink, const char *bytes, size_t length);

static const ResponseSinkOperations nothing = {
	.begin = begin,
	.field = field,
	.head = head,
	.body = body
};

Tunnel *
pgnet_tunnel_create(const Route *route, const char *user_agent)
{
	size_t		length = pgnet_http1_connect_head(route, user_agent, NULL, 0);
	Tunnel	   *tunnel = calloc(1, offsetof(Tunnel, head) + length);

	if (tunnel == NULL)
		return NULL;
	tunnel->length = pgnet_http1_connect_head(route, user_agent, tunnel->head,
											  length);
	tunnel->sink.operations = &nothing;
	tunnel->response = (Http1Response) {
		.sink = &tunnel->sink,
		.to_connect = true,
		.max_head_bytes = MAX_HEAD_BYTES
	};
	pgnet_http1_response_init(&tunnel->response);
	return tunnel;
}

TunnelStatus
pgnet_tunnel_go_on(Tunnel *tunnel, Stream *stream, HttpError *error)
{
	if (tunnel == NULL)
	{
		pgnet_error_set(error, PGNET_PROBLEM_MEMORY, "out of memory");
		return PGNET_TUNNEL_FAILED;
	}
	while (tunnel->written < tunnel->length)
	{
		ssize_t		written =
			pgnet_stream_write(stream, tunnel->head + tunnel->written,
							   tunnel->length - tunnel->written);

		if (written == PGNET_STREAM_AGAIN)
			return PGNET_TUNNEL_AGAIN;
		if (written < 0)
		{
			*error = stream->error;
			return PGNET_TUNNEL_FAILED;
		}
		tunnel->written += written;
	}
	return receive(tunnel, stream, error);
}

void
pgnet_tunnel_free(Tunnel *tunnel)
{
	if (tunnel == NULL)
		return;
	pgnet_http1_response_free(&tunnel->response);
	free(tunnel);
}

/* Take the answer. */
static TunnelStatus
receive(Tunnel *tunnel, Stream *stream, HttpError *error)
{
	for (;;)
	{
		char		bytes[1024];
		size_t		taken = 0;
		ssize_t		length = pgnet_stream_read(stream, bytes, sizeof(bytes));
		Http1Status status;

		if (length == PGNET_STREAM_AGAIN)
			return PGNET_TUNNEL_AGAIN;
		if (length > 0)
			status = pgnet_http1_response_take(&tunnel->response, bytes,
											   length, &taken);
		else
			status = pgnet_http1_response_end(&tunnel->response,
											  &stream->error);
		if (status == PGNET_HTTP1_COMPLETE || status == PGNET_HTTP1_STOPPED)
			return judge(tunnel, length > 0 && taken < (size_t) length, error);
		if (status == PGNET_HTTP1_FAILED)
		{
			*error = tunnel->response.error;
			return PGNET_TUNNEL_FAILED;
		}
		if (length <= 0)
		{
			pgnet_error_set(error, PGNET_PROBLEM_PROXY,
							"the proxy ended the connection");
			return PGNET_TUNNEL_FAILED;
		}
	}
}

/* Any 2xx says yes, and nothing may follow before we speak. */
static TunnelStatus
judge(const Tunnel *tunnel, bool more, HttpError *error)
{
	int			status = tunnel->response.status;

	if (status < 200 || status > 299)
		pgnet_error_set(error, PGNET_PROBLEM_RECEIVE,
						"CONNECT tunnel failed, response %d", status);
	else if (more)
		pgnet_error_set(error, PGNET_PROBLEM_PROXY,
						"the proxy sent data after its response to CONNECT");
	else
		return PGNET_TUNNEL_OPEN;
	return PGNET_TUNNEL_FAILED;
}

/* The operations of a sink that takes no body. */
static bool
begin(ResponseSink *sink, const char *version, int status)
{
	(void) sink;
	(void) version;
	(void) status;
	return true;
}

static bool
field(ResponseSink *sink, const char *name, size_t name_length,
	  const char *value, size_t value_length)
{
	(void) sink;
	(void) name;
	(void) name_length;
	(void) value;
	(void) value_length;
	return true;
}

static bool
head(ResponseSink *sink, int64 content_length)
{
	(void) sink;
	(void) content_length;
	return true;
}

static SinkResult
body(ResponseSink *sink, const char *bytes, size_t length)
{
	(void) sink;
	(void) bytes;
	(void) length;
	return PGNET_SINK_STOPPED;
}
