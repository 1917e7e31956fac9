/*
 * credentials.c -- which headers are secrets between a client and one origin.
 *
 * Runs in: workers.
 *
 * Every service has a name of its own for its key: Authorization, Cookie,
 * apikey, X-API-Key, X-Auth-Token, Private-Token, X-Amz-Security-Token.  So
 * the words of a name are looked at.  One that is taken for a credential and
 * is none does little harm: it is missing after a redirect to another origin,
 * where it was hardly meant to go.
 */
#include "postgres.h"

#include "http/credentials.h"

/* What parts a name into words. */
#define SEPARATORS "-_."

static int	compare_names(const void *name, const void *secret);
static bool is_secret_word(const char *word, size_t length);
static bool ends_with(const char *word, size_t length, const char *end);

/* Look at each word. */
bool
pgnet_credential_looks_like(const char *name)
{
	/* the one name of this kind that is for everybody to see */
	if (pg_strcasecmp(name, "Idempotency-Key") == 0)
		return false;
	while (*name != '\0')
	{
		size_t		length = strcspn(name, SEPARATORS);

		if (is_secret_word(name, length))
			return true;
		name += length;
		name += strspn(name, SEPARATORS);
	}
	return false;
}

/* Look at what the caller said, and at the name. */
bool
pgnet_credential_is(const HttpRequest *request, const char *name)
{
	return (request->options.nsame_origin_headers > 0 &&
			bsearch(name, request->options.same_origin_headers,
					request->options.nsame_origin_headers, sizeof(const char *),
					compare_names) != NULL) ||
		pgnet_credential_looks_like(name);
}

/* For bsearch(). */
static int
compare_names(const void *name, const void *secret)
{
	return pg_strcasecmp(name, *(const char *const *) secret);
}

/* Is it a word like "Token", or one that ends like it, as "apikey" does? */
static bool
is_secret_word(const char *word, size_t length)
{
	static const char *const ends[] = {
		"auth", "authorization", "authentication", "authenticate",
		"cookie", "cookie2", "credential", "credentials", "jwt", "key",
		"passwd", "password", "secret", "session", "sessionid", "signature",
		"token"
	};

	for (int i = 0; i < (int) lengthof(ends); i++)
		if (ends_with(word, length, ends[i]))
			return true;
	return false;
}

/* Does a word end so, in any case? */
static bool
ends_with(const char *word, size_t length, const char *end)
{
	size_t		end_length = strlen(end);

	return length >= end_length &&
		pg_strncasecmp(word + length - end_length, end, end_length) == 0;
}
