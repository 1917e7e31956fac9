/*
 * url.c -- fuzzes src/url.c and src/url_target.c: a URL, and names and values of parameters.
 */
#include "postgres.h"

#include "endpoint_url.h"
#include "fuzz.h"
#include "url.h"
#include "url_target.h"

#define MAX_PARAMS 8

static void check_call(const char *url, const Field *params, int nparams);
static void check_normal(const char *url);
static void check_encoded(const char *encoded);

/* Strings: the URL, then names and values. */
void
fuzz_url(const uint8 *data, size_t size)
{
	Field	params[MAX_PARAMS];
	int			nparams = 0;
	const char *url = fuzz_string(&data, &size);
	int			length;
	const char *host;
	UrlTarget	target;

	if (url == NULL || !fuzz_is_text(url))
		return;
	while (nparams < MAX_PARAMS)
	{
		const char *key = fuzz_string(&data, &size);
		const char *value = fuzz_string(&data, &size);

		if (value == NULL)
			break;
		if (!fuzz_is_text(key) || !fuzz_is_text(value))
			return;
		params[nparams++] = (Field) {key, value};
	}

	/* what the worker calls never throws */
	(void) pgnet_url_host_key(url);
	(void) pgnet_url_problem(url);
	(void) pgnet_url_scheme_problem(url);
	(void) pgnet_url_masked(url);
	(void) pgnet_url_target(url, &target);
	host = pgnet_url_host(url, &length);
	FUZZ_CHECK(length >= 0 && host + length <= url + strlen(url));
	FUZZ_CHECK(memchr(host, '@', length) == NULL);
	check_call(url, params, nparams);
}

/* What users call throws when text has no equivalent in UTF-8. */
static void
check_call(const char *url, const Field *params, int nparams)
{
	MemoryContext before = CurrentMemoryContext;
	char	   *problem = NULL;
	char	   *built;

	PG_TRY();
	{
		for (int i = 0; i < nparams; i++)
			check_encoded(pgnet_url_encode(params[i].value));
		built = pgnet_url_build(url, params, nparams, &problem);
		FUZZ_CHECK((built == NULL) == (problem != NULL));
		if (built != NULL)
			check_normal(built);
		else
			FUZZ_CHECK(fuzz_is_text(problem));
	}
	PG_CATCH();
	{
		FUZZ_CHECK(geterrcode() == ERRCODE_UNTRANSLATABLE_CHARACTER ||
				   geterrcode() == ERRCODE_CHARACTER_NOT_IN_REPERTOIRE);
		MemoryContextSwitchTo(before);
		FlushErrorState();
	}
	PG_END_TRY();
}

/* What was accepted is a URL that is accepted as it is. */
static void
check_normal(const char *url)
{
	char	   *problem = NULL;
	char	   *again;

	FUZZ_CHECK(fuzz_is_text(url));
	FUZZ_CHECK(strncmp(url, "http://", 7) == 0 ||
			   strncmp(url, "https://", 8) == 0 ||
			   strncmp(url, PGNET_ENDPOINT_SCHEME, 6) == 0);
	for (const char *c = url; *c != '\0'; c++)
		FUZZ_CHECK((unsigned char) *c > ' ' && *c != 0x7f);
	FUZZ_CHECK(pgnet_url_problem(url) == NULL);
	FUZZ_CHECK(pgnet_url_scheme_problem(url) == NULL);
	again = pgnet_url_build(url, NULL, 0, &problem);
	FUZZ_CHECK(again != NULL && strcmp(again, url) == 0);
}

/* Only unreserved characters and escapes are left. */
static void
check_encoded(const char *encoded)
{
	for (const char *c = encoded; *c != '\0'; c++)
		FUZZ_CHECK(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
						  "0123456789-._~%",
						  *c) != NULL);
}
