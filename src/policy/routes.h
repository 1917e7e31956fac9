/*
 * routes.h -- lists of what an administrator wants for some destinations.
 *
 * Runs in: every process.  Nothing but pgnet_routes_parse() throws.
 */
#ifndef PGNET_ROUTES_H
#define PGNET_ROUTES_H

#include "postgres.h"

#include "url_target.h"

/* What a list can say of a destination, in order. */
#define PGNET_ROUTE_MAX_VALUES 2

/* One entry: "HOST[:PORT] VALUE [VALUE]". */
typedef struct Route
{
	const char *host;			/* see pgnet_host_matches() */
	int			port;			/* 0: every one */
	const char *values[PGNET_ROUTE_MAX_VALUES]; /* NULL: not given */
} Route;

typedef struct Routes
{
	int			count;
	Route		items[FLEXIBLE_ARRAY_MEMBER];
} Routes;

/*
 * Read a list of entries with commas between, each with one to max_values
 * values, palloc'd.  NULL when an entry is none; *problem then says why, as a
 * sentence.
 */
extern Routes *pgnet_routes_parse(const char *list, int max_values,
								  char **problem);

/* The first entry for a destination, or NULL. */
extern const Route *pgnet_routes_find(const Routes *routes,
									  const UrlTarget *target);

#endif							/* PGNET_ROUTES_H */
