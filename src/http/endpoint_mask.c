/*
 * endpoint_mask.c -- what is said of a request to an endpoint, without where
 * that is.
 *
 * Runs in: workers.
 *
 * Texts about connections name hosts and addresses, and many are those of
 * libraries, which are other ones in each version.
 */
#include "postgres.h"

#include <arpa/inet.h>

#include "http/endpoint_mask.h"
#include "http/errors.h"
#include "url_target.h"

/* What hosts, addresses and ports are made of. */
#define HOST_CHARACTERS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" \
	".-_:[]%"

/* What comes before the name that a certificate is for. */
#define BEFORE_SUBJECT "subject name '"

/* Longer than any host, address or port. */
#define MAX_WORD 300

/* A message that is being written. */
typedef struct Masked
{
	const HttpEndpoint *endpoint;
	UrlTarget	target;			/* of its URL, whose host is ASCII */
	const char *whole;			/* words that end before this are whole */
	char	   *to;
	size_t		size;
	size_t		length;
} Masked;

static void add(Masked *masked, const char *text, size_t length);
static size_t take(Masked *masked, const char *text);
static const char *socket_path(const HttpEndpoint *endpoint);
static size_t word_length(const char *text);
static bool is_secret(const Masked *masked, const char *word, size_t length);
static bool is_host(const Masked *masked, const char *word, size_t length);
static bool begins_with(const Masked *masked, const char *text,
						size_t text_length, const char *word, size_t length);
static bool is_address(const char *word, size_t length);

void
pgnet_endpoint_mask(const HttpEndpoint *endpoint, char *message, size_t size)
{
	char		from[1024];
	Masked		masked = {.endpoint = endpoint, .to = message, .size = size};

	if (!pgnet_url_target(endpoint->url, &masked.target))
		masked.target.host[0] = '\0';
	strlcpy(from, message, sizeof(from));
	/* a detail, with words before it, is cut off here at the earliest */
	masked.whole = from + PGNET_ERROR_DETAIL_BYTES - 1;
	for (const char *rest = from; *rest != '\0';)
		rest += take(&masked, rest);
	message[masked.length] = '\0';
}

/* Take over a character, or a word; how much of the text that was. */
static size_t
take(Masked *masked, const char *text)
{
	size_t		length = word_length(text);
	const char *path = socket_path(masked->endpoint);

	if (path != NULL && *path != '\0' &&
		strncmp(text, path, strlen(path)) == 0)
	{
		add(masked, masked->endpoint->shown, strlen(masked->endpoint->shown));
		return strlen(path);
	}
	if (strncmp(text, BEFORE_SUBJECT, strlen(BEFORE_SUBJECT)) == 0)
	{
		length = strlen(BEFORE_SUBJECT);
		add(masked, text, length);
		add(masked, masked->endpoint->shown, strlen(masked->endpoint->shown));
		return length + strcspn(text + length, "'");
	}
	if (length == 0)
		length = 1;
	if (is_secret(masked, text, length))
		add(masked, masked->endpoint->shown, strlen(masked->endpoint->shown));
	else
		add(masked, text, length);
	return length;
}

/* The path of the socket that is connected to; NULL: there is none. */
static const char *
socket_path(const HttpEndpoint *endpoint)
{
	size_t		length = strlen(PGNET_UNIX_SOCKET);

	if (endpoint->connect_to == NULL ||
		strncmp(endpoint->connect_to, PGNET_UNIX_SOCKET, length) != 0)
		return NULL;
	return endpoint->connect_to + length;
}

/* Write as much as there is room for. */
static void
add(Masked *masked, const char *text, size_t length)
{
	length = Min(length, masked->size - 1 - masked->length);
	memcpy(masked->to + masked->length, text, length);
	masked->length += length;
}

/* How long the word is that begins here; what ends a sentence is none of it. */
static size_t
word_length(const char *text)
{
	size_t		length = strspn(text, HOST_CHARACTERS);

	while (length > 0 && strchr(".:", text[length - 1]) != NULL)
		length--;
	return length;
}

/* Is a word, with a port or without, one that nobody is to see? */
static bool
is_secret(const Masked *masked, const char *word, size_t length)
{
	size_t		digits = 0;

	if (is_host(masked, word, length) || is_address(word, length))
		return true;
	while (digits < length && word[length - digits - 1] >= '0' &&
		   word[length - digits - 1] <= '9')
		digits++;
	if (digits == 0 || digits + 1 >= length ||
		word[length - digits - 1] != ':')
		return false;
	length -= digits + 1;
	return is_host(masked, word, length) || is_address(word, length);
}

/* Is it the host, as it is written or in its usual form, or where it is? */
static bool
is_host(const Masked *masked, const char *word, size_t length)
{
	const char *other = masked->endpoint->connect_to;
	int			host_length;
	const char *host = pgnet_url_host(masked->endpoint->url, &host_length);

	return begins_with(masked, host, host_length, word, length) ||
		begins_with(masked, masked->target.host, strlen(masked->target.host),
					word, length) ||
		(other != NULL &&
		 begins_with(masked, other, strlen(other), word, length));
}

/* Is the host of a text, which may end with a port, this word? */
static bool
begins_with(const Masked *masked, const char *text, size_t text_length,
			const char *word, size_t length)
{
	return length > 0 && length <= text_length &&
		pg_strncasecmp(word, text, length) == 0 &&
		(length == text_length || text[length] == ':' ||
		 word + length >= masked->whole);
}

/* Is it an address, of whatever host? */
static bool
is_address(const char *word, size_t length)
{
	char		text[MAX_WORD];
	unsigned char address[sizeof(struct in6_addr)];

	if (length > 2 && *word == '[' && word[length - 1] == ']')
	{
		word++;
		length -= 2;
	}
	if (length >= sizeof(text))
		return false;
	memcpy(text, word, length);
	text[length] = '\0';
	text[strcspn(text, "%")] = '\0';
	return inet_pton(AF_INET, text, address) == 1 ||
		inet_pton(AF_INET6, text, address) == 1;
}
