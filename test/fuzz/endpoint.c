/*
 * endpoint.c -- fuzzes src/endpoint_url.c: what a request adds to a base.
 */
#include "postgres.h"

#include "endpoint_url.h"
#include "fuzz.h"
#include "url.h"
#include "url_target.h"

/* Bases, and what they are when libcurl has parsed them. */
static const char *const bases[] = {
	"https://h.example/in/here", "https://h.example/in/here/?k=v",
	"https://h.example/in/here?k=v"
};

#define NORMAL "https://h.example/in/here"

static void check_joined(const char *base, const EndpointUrl *parts);

/* What stands behind net://name. */
void
fuzz_endpoint(const uint8 *data, size_t size)
{
	const char *rest = fuzz_string(&data, &size);
	char	   *problem = NULL;
	char	   *url;
	EndpointUrl parts;

	if (rest == NULL || !fuzz_is_text(rest))
		return;
	url = pgnet_url_build(psprintf(PGNET_ENDPOINT_SCHEME "name%s", rest), NULL,
						  0, &problem);
	FUZZ_CHECK((url == NULL) == (problem != NULL));
	if (url == NULL)
		return;
	FUZZ_CHECK(fuzz_is_text(url));
	FUZZ_CHECK(pgnet_endpoint_url_parse(url, &parts) == NULL);
	FUZZ_CHECK(parts.name == url + strlen(PGNET_ENDPOINT_SCHEME));
	FUZZ_CHECK(strncmp(parts.name, "name", 4) == 0);
	for (int i = 0; i < (int) lengthof(bases); i++)
		check_joined(bases[i], &parts);
}

/* Wherever the request leads, it is below the base, as libcurl sees it, too. */
static void
check_joined(const char *base, const EndpointUrl *parts)
{
	char	   *joined = pgnet_endpoint_url_join(base, parts);
	char	   *problem = NULL;
	char	   *normal = pgnet_url_build(joined, NULL, 0, &problem);
	UrlTarget	target;
	char		next;

	if (normal == NULL)
		return;
	FUZZ_CHECK(strncmp(normal, NORMAL, strlen(NORMAL)) == 0);
	next = normal[strlen(NORMAL)];
	FUZZ_CHECK(next == '\0' || next == '/' || next == '?');
	FUZZ_CHECK(pgnet_url_target(joined, &target));
	FUZZ_CHECK(strcmp(target.host, "h.example") == 0 && target.port == 443);
}
