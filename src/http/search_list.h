/*
 * search_list.h -- the names that a host may stand for.
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 */
#ifndef PGNET_SEARCH_LIST_H
#define PGNET_SEARCH_LIST_H

#include "postgres.h"

/* Room for a name that is asked for. */
#define PGNET_DNS_NAME_BYTES 1025

/* More domains are not searched. */
#define PGNET_MAX_DOMAINS 32

/* What resolv.conf has of it; one of zeros has no domains. */
typedef struct SearchList
{
	int			ndots;
	int			ndomains;
	char	   *domains[PGNET_MAX_DOMAINS];
	char	   *text;			/* that they are parts of */
} SearchList;

/* Read it; false: no memory. */
extern bool pgnet_search_list_read(SearchList *list);

extern void pgnet_search_list_free(SearchList *list);

/*
 * The n-th name, from 0 on, to ask for to find a host; it ends in a dot.
 * False: there are no more.
 */
extern bool pgnet_search_list_name(const SearchList *list, const char *host,
								   int n, char name[PGNET_DNS_NAME_BYTES]);

#endif							/* PGNET_SEARCH_LIST_H */
