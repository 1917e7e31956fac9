/*
 * http2_head.c -- the header section of a request, for nghttp2.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "http/credentials.h"
#include "http/http2_head.h"

/* What a field counts for beside its bytes (RFC 9113, section 6.5.2). */
#define FIELD_OVERHEAD 32

/* The four that a request has, and the length of its body. */
#define FIELDS_OF_OURS 5

static void add(Http2Head *head, const char *name, const char *value,
				size_t value_length, uint8 flags);
static void add_own(Http2Head *head, const char *name, const char *value);
static void add_field(Http2Head *head, const MessageField *field);
static bool is_for_http1(const MessageField *field);
static inline bool is_blank(char c);

/* Make it (RFC 9113, section 8.3.1). */
bool
pgnet_http2_head_init(Http2Head *head, const Message *message)
{
	size_t		room = FIELDS_OF_OURS + message->nfields;

	head->nfields = head->bytes = 0;
	head->fields = head->few;
	if (room > lengthof(head->few))
		head->fields = malloc(room * sizeof(nghttp2_nv));
	if (head->fields == NULL)
		return false;

	add_own(head, ":method", message->method);
	add_own(head, ":scheme", message->scheme);
	add_own(head, ":authority", message->authority);
	add_own(head, ":path", message->target);
	for (int i = 0; i < message->nfields; i++)
		if (!is_for_http1(&message->fields[i]))
			add_field(head, &message->fields[i]);
	if (message->has_body)
	{
		snprintf(head->length, sizeof(head->length), "%zu",
				 message->body_length);
		add_own(head, "content-length", head->length);
	}
	return true;
}

/* Free what it has. */
void
pgnet_http2_head_free(Http2Head *head)
{
	if (head->fields != head->few)
		free(head->fields);
}

/* Trim. */
void
pgnet_http2_trim(const char **value, size_t *length)
{
	while (*length > 0 && is_blank(**value))
	{
		(*value)++;
		(*length)--;
	}
	while (*length > 0 && is_blank((*value)[*length - 1]))
		(*length)--;
}

/* Add a field. */
static void
add(Http2Head *head, const char *name, const char *value, size_t value_length,
	uint8 flags)
{
	nghttp2_nv *field = &head->fields[head->nfields++];

	field->name = (uint8_t *) unconstify(char *, name);
	field->namelen = strlen(name);
	field->value = (uint8_t *) unconstify(char *, value);
	field->valuelen = value_length;
	field->flags = flags;
	head->bytes += field->namelen + value_length + FIELD_OVERHEAD;
}

/* Add one with a name of ours, which is static and in lower case. */
static void
add_own(Http2Head *head, const char *name, const char *value)
{
	add(head, name, value, strlen(value), NGHTTP2_NV_FLAG_NO_COPY_NAME);
}

/*
 * Add one of the message.  nghttp2 puts its name in lower case (RFC 9113,
 * section 8.2).  A secret is not to be found out by how well it compresses (RFC
 * 7541, section 7.1.3).
 */
static void
add_field(Http2Head *head, const MessageField *field)
{
	const char *value = field->value;
	size_t		length = strlen(value);

	pgnet_http2_trim(&value, &length);
	add(head, field->name, value, length,
		pgnet_credential_looks_like(field->name) ? NGHTTP2_NV_FLAG_NO_INDEX :
												   NGHTTP2_NV_FLAG_NONE);
}

/*
 * Is it about a connection of HTTP/1.1, which makes a request malformed (RFC
 * 9113, section 8.2.2), or has it a place of its own?
 */
static bool
is_for_http1(const MessageField *field)
{
	static const char *const names[] = {
		"Connection", "Content-Length", "Host", "Keep-Alive",
		"Proxy-Connection", "Transfer-Encoding", "Upgrade"
	};

	for (int i = 0; i < (int) lengthof(names); i++)
		if (pg_strcasecmp(field->name, names[i]) == 0)
			return true;
	return pg_strcasecmp(field->name, "TE") == 0 &&
		pg_strcasecmp(field->value, "trailers") != 0;
}

/* Is this white space within a line? */
static inline bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}
