/*
 * endpoint_list.h -- which endpoints there are, for the statistics.
 *
 * Runs in: client backends, inside a transaction.
 */
#ifndef PGNET_ENDPOINT_LIST_H
#define PGNET_ENDPOINT_LIST_H

#include "postgres.h"

/* What is shown of a row of net.endpoint. */
typedef struct ListedEndpoint
{
	char	   *name;
	bool		paused;
	bool		backs_off;		/* it may hold a role's requests */
	bool		may_use;		/* the role may send to it */
} ListedEndpoint;

/* The endpoints of this database by name, palloc'd; how many. */
extern int	pgnet_endpoints_list(Oid role, ListedEndpoint **list);

#endif							/* PGNET_ENDPOINT_LIST_H */
