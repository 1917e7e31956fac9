/*
 * networks.h -- lists of networks, and which addresses they contain.
 *
 * Runs in: every process.  A list is one flat piece of memory, so that it can
 * be copied with memcpy().  Nothing but pgnet_networks_parse() throws.
 */
#ifndef PGNET_NETWORKS_H
#define PGNET_NETWORKS_H

#include "postgres.h"

#include <sys/socket.h>

/* One network: the addresses that share its first bits. */
typedef struct Network
{
	uint8		bytes[16];		/* of an IPv4 address the first four */
	uint8		bits;			/* 0 to 32, or to 128 */
	bool		v4;
} Network;

typedef struct Networks
{
	int			count;
	Network		items[FLEXIBLE_ARRAY_MEMBER];
} Networks;

/*
 * Read a list of networks and addresses, such as "10.0.0.0/8, ::1", palloc'd.
 * NULL when one of them is none; *problem then says why, as a sentence.
 */
extern Networks *pgnet_networks_parse(const char *list, char **problem);

/* The bytes a list takes. */
extern size_t pgnet_networks_size(const Networks *networks);

/*
 * Does one of the networks contain the address?  An IPv6 address that has an
 * IPv4 address inside is judged by both; an address of another family, or of
 * none, is contained if there is any network.
 */
extern bool pgnet_networks_contain(const Networks *networks,
								   const struct sockaddr *address);

/* The same for a host, of a UrlTarget; a name is not contained. */
extern bool pgnet_networks_contain_host(const Networks *networks,
										const char *host);

/* The same for an address in text, as inet_ntop() makes it. */
extern bool pgnet_networks_contain_text(const Networks *networks,
										const char *address);

#endif							/* PGNET_NETWORKS_H */
