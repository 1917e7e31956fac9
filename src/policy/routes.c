/*
 * routes.c -- lists of what an administrator wants for some destinations.
 *
 * Runs in: every process.
 */
#include "postgres.h"

#include "policy/hosts.h"
#include "policy/routes.h"

#define BLANKS " \t\r\n"

static char *next_entry(char **rest);
static char *next_word(char **rest);
static char *parse_entry(char *entry, int max_values, Route *route);
static bool parse_port(char *host, int *port);

/* Read a list. */
Routes *
pgnet_routes_parse(const char *list, int max_values, char **problem)
{
	char	   *rest = pstrdup(list);
	int			room = 1;
	Routes	   *routes;
	char	   *entry;

	for (const char *c = list; *c != '\0'; c++)
		room += *c == ',';
	routes = palloc0(offsetof(Routes, items) + sizeof(Route) * room);
	while ((entry = next_entry(&rest)) != NULL)
	{
		if (entry[strspn(entry, BLANKS)] == '\0' && routes->count == 0 &&
			rest == NULL)
			break;
		*problem = parse_entry(entry, max_values,
							   &routes->items[routes->count]);
		if (*problem != NULL)
			return NULL;
		routes->count++;
	}
	return routes;
}

/* Find an entry. */
const Route *
pgnet_routes_find(const Routes *routes, const UrlTarget *target)
{
	for (int i = 0; i < routes->count; i++)
	{
		const Route *route = &routes->items[i];

		if ((route->port == 0 || route->port == target->port) &&
			pgnet_host_matches(route->host, target->host))
			return route;
	}
	return NULL;
}

/* Cut the next entry off; NULL after the last. */
static char *
next_entry(char **rest)
{
	char	   *entry = *rest;

	if (entry == NULL)
		return NULL;
	*rest = strchr(entry, ',');
	if (*rest != NULL)
		*(*rest)++ = '\0';
	return entry;
}

/* Cut the next word off; NULL after the last. */
static char *
next_word(char **rest)
{
	char	   *word = *rest + strspn(*rest, BLANKS);

	if (*word == '\0')
		return NULL;
	*rest = word + strcspn(word, BLANKS);
	if (**rest != '\0')
		*(*rest)++ = '\0';
	return word;
}

/* Take an entry apart; what is wrong with it. */
static char *
parse_entry(char *entry, int max_values, Route *route)
{
	char	   *whole = pstrdup(entry);
	char	   *host = next_word(&entry);
	char	   *word;
	int			count = 0;

	while ((word = next_word(&entry)) != NULL && count < max_values)
		route->values[count++] = word;
	if (host == NULL || count == 0 || word != NULL)
		return psprintf("\"%s\" is not a host followed by %s.",
						whole + strspn(whole, BLANKS),
						max_values == 1 ? "one value" : "one or two values");
	if (!parse_port(host, &route->port) || !pgnet_host_pattern_valid(host))
		return psprintf("\"%s\" is not a host, or a host and a port.", host);
	route->host = host;
	return NULL;
}

/* Cut the port off a host, if there is one behind the colon. */
static bool
parse_port(char *host, int *port)
{
	char	   *colon = strrchr(host, ':');
	char	   *end;
	long		number;

	*port = 0;
	if (colon == NULL || strchr(colon, ']') != NULL)
		return true;
	number = strtol(colon + 1, &end, 10);
	if (end == colon + 1 || *end != '\0' || number < 1 || number > 65535)
		return false;
	*colon = '\0';
	*port = (int) number;
	return true;
}
