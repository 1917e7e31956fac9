/*
 * request_message.c -- one step of a request, as a message.
 *
 * Runs in: workers.
 *
 * Names, values and order are those of libcurl, which some servers judge
 * clients by.
 */
#include "postgres.h"

#include "allocate.h"
#include "http/decoder.h"
#include "http/method.h"
#include "http/request_message.h"
#include "policy/header_rules.h"

/* What a request may have said itself. */
typedef enum OwnField
{
	OWN_ACCEPT,
	OWN_ACCEPT_ENCODING,
	OWN_AUTHORIZATION,
	OWN_HOST,
	OWN_PROXY_AUTHORIZATION,
	OWN_RANGE,
	OWN_USER_AGENT,
	OWN_NONE					/* none of these */
} OwnField;

/* Room for what is added before its own fields, and behind. */
#define MOST_BEFORE 5
#define MOST_BEHIND 1

/* A message that is being written. */
typedef struct Draft
{
	const HttpRequest *request;
	const Hop  *hop;
	const Route *route;
	const HttpDefaults *defaults;
	const char *own[OWN_NONE];	/* values; NULL: it has none */
	const char *for_proxy;		/* credentials that go along; NULL: none */
	const char *user_agent;		/* "": none */
	MessageField *own_fields;	/* with room on both sides */
	int			nown;
} Draft;

static void take_own_fields(Draft *draft);
static OwnField own_field(const char *name);
static void add_ours(Draft *draft, Message *message);
static bool asks_for_codings(const Draft *draft);
static const char *absolute_form(MemoryContext context, const WebUrl *url);
static void set_body(Message *message, const HttpRequest *request,
					 const Hop *hop);

/* Write all but the fields here. */
bool
pgnet_request_message(Message *message, const HttpRequest *request,
					  const Hop *hop, const Route *route,
					  const HttpDefaults *defaults)
{
	const WebUrl *url = route->url;
	bool		to_proxy = route->proxy != NULL && !route->tunnel;
	Draft		draft = {
		.request = request,
		.hop = hop,
		.route = route,
		.defaults = defaults,
		.for_proxy = to_proxy ? route->proxy->credentials : NULL
	};
	int			room = MOST_BEFORE + request->nheaders + MOST_BEHIND;
	size_t		user_agent_size = strlen(defaults->user_agent) + 1;
	MessageField *fields =
		pgnet_allocate(request->context,
					   room * sizeof(MessageField) + user_agent_size);

	if (fields == NULL)
		return false;
	/* the setting may change */
	draft.user_agent = memcpy(fields + room, defaults->user_agent,
							  user_agent_size);
	draft.own_fields = fields + MOST_BEFORE;
	take_own_fields(&draft);
	*message = (Message) {
		.method = hop->method,
		.scheme = url->https ? "https" : "http",
		.authority = draft.own[OWN_HOST] ? draft.own[OWN_HOST] : url->authority,
		.target = to_proxy ? absolute_form(request->context, url) : url->target,
		.memory = fields,
		.to_proxy = to_proxy,
		.http10 = PGNET_OPTION(request, defaults, http_version,
							   PGNET_HTTP_UNSET) == PGNET_HTTP_1_0
	};
	set_body(message, request, hop);
	add_ours(&draft, message);
	return message->target != NULL;
}

/* Free it. */
void
pgnet_request_message_free(Message *message)
{
	if (message->memory != NULL)
		pfree(message->memory);
	if (message->to_proxy && message->target != NULL)
		pfree(unconstify(char *, message->target));
	*message = (Message) {0};
}

/*
 * Take over the fields of the request, those of this step.  What it has for a
 * proxy goes to the host, unless the proxy has something from the settings.
 */
static void
take_own_fields(Draft *draft)
{
	const HttpRequest *request = draft->request;

	for (int i = 0; i < request->nheaders; i++)
	{
		const Field *field = &request->headers[i];
		const char *value = field->value + strspn(field->value, " \t");
		OwnField	which = own_field(field->name);

		if (pgnet_header_is_framing(field->name) ||
			!pgnet_hop_sends(draft->hop, request, field->name) ||
			(which == OWN_PROXY_AUTHORIZATION && draft->for_proxy != NULL))
			continue;
		if (which != OWN_NONE)
			draft->own[which] = value;
		if (which != OWN_HOST)
			draft->own_fields[draft->nown++] = (MessageField) {
				.name = field->name,
				.value = value
			};
	}
}

/* Which of those that we look for is it? */
static OwnField
own_field(const char *name)
{
	static const char *const names[] = {
		[OWN_ACCEPT] = "accept",
		[OWN_ACCEPT_ENCODING] = "accept-encoding",
		[OWN_AUTHORIZATION] = "authorization",
		[OWN_HOST] = "host",
		[OWN_PROXY_AUTHORIZATION] = "proxy-authorization",
		[OWN_RANGE] = "range",
		[OWN_USER_AGENT] = "user-agent"
	};
	char		first = (char) pg_ascii_tolower((unsigned char) *name);

	for (int i = 0; i < (int) lengthof(names); i++)
		if (*names[i] == first && pg_strcasecmp(name, names[i]) == 0)
			return (OwnField) i;
	return OWN_NONE;
}

/*
 * Put what is missing around them.  Who takes HTTP/1.1 needs no word about the
 * connection, but proxies of HTTP/1.0 may (RFC 9112, section C.2.2).
 */
static void
add_ours(Draft *draft, Message *message)
{
	const char *user_agent = draft->user_agent;
	MessageField before[MOST_BEFORE];
	int			nbefore = 0;

	if (draft->for_proxy != NULL)
		before[nbefore++] = (MessageField) {"Proxy-Authorization",
											draft->for_proxy};
	if (draft->route->url->credentials != NULL &&
		draft->own[OWN_AUTHORIZATION] == NULL)
		before[nbefore++] = (MessageField) {"Authorization",
											draft->route->url->credentials};
	if (*user_agent != '\0' && draft->own[OWN_USER_AGENT] == NULL)
		before[nbefore++] = (MessageField) {"User-Agent", user_agent};
	if (draft->own[OWN_ACCEPT] == NULL)
		before[nbefore++] = (MessageField) {"Accept", "*/*"};
	if (draft->route->proxy != NULL && !draft->route->tunnel)
		before[nbefore++] = (MessageField) {"Proxy-Connection", "Keep-Alive"};
	if (asks_for_codings(draft))
		draft->own_fields[draft->nown++] = (MessageField) {"Accept-Encoding",
														   PGNET_CODINGS};
	message->fields = draft->own_fields - nbefore;
	message->nfields = nbefore + draft->nown;
	memcpy(message->fields, before, nbefore * sizeof(MessageField));
}

/*
 * Is a compressed response as welcome?  Who wants a part of something cannot
 * decode it: it would be a part of what is coded (RFC 9110, section 14.1.2).
 */
static bool
asks_for_codings(const Draft *draft)
{
	return PGNET_OPTION(draft->request, draft->defaults, decompress,
						PGNET_UNSET) &&
		draft->own[OWN_ACCEPT_ENCODING] == NULL &&
		draft->own[OWN_RANGE] == NULL;
}

/*
 * How a proxy is asked for a URL of http (RFC 9112, section 3.2.2), without
 * user and zone, which are none of its business; NULL: no memory.
 */
static const char *
absolute_form(MemoryContext context, const WebUrl *url)
{
	static const char scheme[] = "http://";
	size_t		authority_length = strlen(url->authority);
	size_t		target_size = strlen(url->target) + 1;
	char	   *whole = pgnet_allocate(context,
									   sizeof(scheme) + authority_length +
										   target_size);
	char	   *end = whole;

	if (whole == NULL)
		return NULL;
	end = (char *) memcpy(end, scheme, sizeof(scheme) - 1) + sizeof(scheme) - 1;
	end = (char *) memcpy(end, url->authority, authority_length) +
		authority_length;
	memcpy(end, url->target, target_size);
	return whole;
}

/* The body, where one goes along: with some methods always, if an empty one. */
static void
set_body(Message *message, const HttpRequest *request, const Hop *hop)
{
	message->has_body = hop->with_body &&
		(request->body != NULL || pgnet_method_expects_body(hop->method));
	if (message->has_body && request->body != NULL)
	{
		message->body = request->body;
		message->body_length = request->body_len;
	}
}
