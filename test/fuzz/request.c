/*
 * request.c -- fuzzes src/http/: where a request and its redirect go, and what
 * goes over the wire.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "fuzz.h"
#include "http/credentials.h"
#include "http/endpoint_mask.h"
#include "http/http1_request.h"
#include "http/request_message.h"
#include "policy/header_rules.h"
#include "url_target.h"

/* Of check_memory(): what is left over by each round would add up to more. */
#define MEMORY_INPUTS 100
#define MEMORY_ROUNDS 2000
#define MEMORY_SLACK ((Size) 32 * 1024)

#define MAX_HEADERS 8
#define MAX_HEAD_BYTES (64 * 1024)

/* Bits of the first byte. */
#define BODY 1
#define EMPTY_BODY 2
#define DECOMPRESS 4
#define OLD_VERSION 8
#define SECRET_URL 16
#define ENDPOINT 32

static bool take_headers(HttpRequest *request, const uint8 *data, size_t size);
static void take_step(const HttpRequest *request, const Hop *hop,
					  const HttpDefaults *defaults);
static void check_url(const WebUrl *url);
static void check_memory(const HttpRequest *request, const Hop *hop,
						 const WebUrl *url, const HttpDefaults *defaults);
static void check_route(const Route *route, const HttpRequest *request,
						const HttpDefaults *defaults);
static void check_message(const Message *message, const Route *route,
						  const Hop *hop);
static void check_head(const char *head, size_t length, int nlines);

static TlsStore *tls;
static WebUrls urls;
static ProxySetting setting;

/* A byte of options; URL, location, proxy, no_proxy, connect_to; headers. */
void
fuzz_request(const uint8 *data, size_t size)
{
	HttpRequest request = {.context = CurrentMemoryContext, .method = "GET"};
	HttpEndpoint endpoint = {.shown = "net://shown"};
	HttpDefaults defaults = {
		.ca_file = "", .ca_directory = "", .user_agent = "fuzz"};
	char message[256] = "Could not resolve: ";
	uint8 options = size > 0 ? *data : 0;
	const char *location;
	Hop hop;

	if (size == 0)
		return;
	data++;
	size--;
	request.url = endpoint.url = fuzz_string(&data, &size);
	location = fuzz_string(&data, &size);
	defaults.proxy = fuzz_string(&data, &size);
	defaults.no_proxy = fuzz_string(&data, &size);
	endpoint.connect_to = fuzz_string(&data, &size);
	if (endpoint.connect_to == NULL || !take_headers(&request, data, size))
		return;
	if (*endpoint.connect_to == '\0')
		endpoint.connect_to = NULL;
	if (options & ENDPOINT)
		request.endpoint = &endpoint;
	if (options & (BODY | EMPTY_BODY))
	{
		request.method = "POST";
		request.body = options & BODY ? "body" : "";
		request.body_len = strlen(request.body);
	}
	request.options = PGNET_OPTIONS_UNSET;
	defaults.options.decompress = (options & DECOMPRESS) != 0;
	defaults.options.http_version = options & OLD_VERSION ? PGNET_HTTP_1_0 :
															PGNET_HTTP_2;
	endpoint.has_secret_url = (options & SECRET_URL) != 0;
	if (tls == NULL)
		tls = pgnet_tls_store_create();

	hop = pgnet_hop_first(&request);
	take_step(&request, &hop, &defaults);
	if (pgnet_redirect_follow(&hop, &request, 307, location) == NULL)
		take_step(&request, &hop, &defaults);
	strlcat(message, request.url, sizeof(message));
	pgnet_endpoint_mask(&endpoint, message, sizeof(message));
}

/* Names and values; false when such a request is refused at the call. */
static bool
take_headers(HttpRequest *request, const uint8 *data, size_t size)
{
	request->headers = palloc(sizeof(Field) * MAX_HEADERS);
	while (request->nheaders < MAX_HEADERS)
	{
		Field *field = &request->headers[request->nheaders];

		field->name = fuzz_string(&data, &size);
		field->value = fuzz_string(&data, &size);
		if (field->value == NULL)
			break;
		request->nheaders++;
	}
	return pgnet_headers_problem(request->headers, request->nheaders) == NULL;
}

/* Go as far as a request can go without a network. */
static void
take_step(const HttpRequest *request, const Hop *hop,
		  const HttpDefaults *defaults)
{
	HttpError error = {0};
	bool secret = request->endpoint != NULL &&
		request->endpoint->has_secret_url;
	WebUrl *url = pgnet_web_url_find(&urls, hop->url, secret, &error);
	Route route;
	Message message;

	if (url == NULL)
	{
		FUZZ_CHECK(error.problem == PGNET_PROBLEM_URL &&
				   error.detail[0] != '\0');
		return;
	}
	check_url(url);
	if (!pgnet_route_find(&route, request, 10, url,
						  defaults->options.http_version, defaults, tls,
						  &setting, &error))
		FUZZ_CHECK(error.problem != PGNET_NO_PROBLEM);
	else
	{
		check_route(&route, request, defaults);
		FUZZ_CHECK(pgnet_request_message(&message, request, hop, &route,
										 defaults));
		check_message(&message, &route, hop);
		pgnet_request_message_free(&message);
		check_memory(request, hop, url, defaults);
	}
	pgnet_route_free(&route);
	pgnet_web_url_end(url);
}

/* What access rules are asked about is what is connected to. */
static void
check_url(const WebUrl *url)
{
	UrlTarget target;
	size_t length = strlen(url->host);

	FUZZ_CHECK(*url->target == '/' && length > 0);
	FUZZ_CHECK(url->port >= 0 && url->port <= 65535);
	for (const char *c = url->host; *c != '\0'; c++)
		FUZZ_CHECK(*c > ' ' && *c < 0x7f && !(*c >= 'A' && *c <= 'Z'));
	for (const char *c = url->target; *c != '\0'; c++)
		FUZZ_CHECK((unsigned char) *c > ' ' && *c != 0x7f && *c != '#');
	if (!pgnet_url_target(url->given, &target))
		return;
	FUZZ_CHECK(strncmp(target.host[0] == '[' ? target.host + 1 : target.host,
					   url->host, length - (url->host[length - 1] == '.')) == 0);
	FUZZ_CHECK(target.port == url->port);
	FUZZ_CHECK((strcmp(target.scheme, "https") == 0) == url->https);
}

/* The same route has the same key, for another role if it may be shared. */
static void
check_route(const Route *route, const HttpRequest *request,
			const HttpDefaults *defaults)
{
	HttpError error = {0};
	Route again;

	/* what an endpoint may say is checked by its table */
	FUZZ_CHECK(*route->connect_host != '\0' || request->endpoint != NULL);
	for (Oid role = 10; role <= 11; role++)
	{
		FUZZ_CHECK(pgnet_route_find(&again, request, role, route->url,
									defaults->options.http_version, defaults,
									tls, &setting, &error));
		FUZZ_CHECK((role == 11 && route->is_private) !=
				   (again.key_length == route->key_length &&
					memcmp(again.key, route->key, route->key_length) == 0));
		pgnet_route_free(&again);
	}
}

/*
 * A request that cannot be sent now is tried again and again: that takes no
 * more memory.  For the first inputs, as it takes time.
 */
static void
check_memory(const HttpRequest *request, const Hop *hop, const WebUrl *url,
			 const HttpDefaults *defaults)
{
	static int ninputs = 0;
	Size before = MemoryContextMemAllocated(request->context, true);
	HttpError error = {0};
	Route route;
	Message message;

	if (ninputs++ >= MEMORY_INPUTS)
		return;
	for (int i = 0; i < MEMORY_ROUNDS; i++)
	{
		FUZZ_CHECK(pgnet_route_find(&route, request, 10, url,
									defaults->options.http_version, defaults,
									tls, &setting, &error));
		FUZZ_CHECK(pgnet_request_message(&message, request, hop, &route,
										 defaults));
		pgnet_request_message_free(&message);
		pgnet_route_free(&route);
	}
	FUZZ_CHECK(MemoryContextMemAllocated(request->context, true) <=
			   before + MEMORY_SLACK);
}

/* A message is one, and has no secret that is not for this origin. */
static void
check_message(const Message *message, const Route *route, const Hop *hop)
{
	static char head[MAX_HEAD_BYTES];
	size_t length = pgnet_http1_request_head(message, head, sizeof(head));

	for (int i = 0; i < message->nfields && !hop->with_secrets; i++)
	{
		const MessageField *field = &message->fields[i];

		FUZZ_CHECK(!pgnet_credential_looks_like(field->name) ||
				   field->value == route->url->credentials ||
				   (route->proxy != NULL &&
					field->value == route->proxy->credentials));
	}
	if (length > sizeof(head))
		return;
	check_head(head, length, message->nfields + 2 + message->has_body);
	if (route->tunnel)
	{
		length = pgnet_http1_connect_head(route, "fuzz", head, sizeof(head));
		if (length <= sizeof(head))
			check_head(head, length,
					   4 + (route->proxy->credentials != NULL));
	}
}

/* So many lines, and an empty one. */
static void
check_head(const char *head, size_t length, int nlines)
{
	int found = 0;

	FUZZ_CHECK(length > 4 && memcmp(head + length - 4, "\r\n\r\n", 4) == 0);
	FUZZ_CHECK(memchr(head, '\0', length) == NULL);
	for (size_t i = 0; i < length; i++)
	{
		FUZZ_CHECK((head[i] == '\n') == (i > 0 && head[i - 1] == '\r'));
		found += head[i] == '\n';
	}
	FUZZ_CHECK(found == nlines + 1);
}
