/*
 * address.h -- addresses that sockets are connected to.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_ADDRESS_H
#define PGNET_ADDRESS_H

#include "postgres.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "policy/networks.h"

/* Of IP, with a port or without, or of a Unix socket. */
typedef struct Address
{
	union
	{
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un local;
	} u;
	socklen_t	length;			/* 0: of nothing */
} Address;

/* Of IP, without a port. */
typedef struct IpAddress
{
	union
	{
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} u;
} IpAddress;

extern Address pgnet_address_of_ip(const IpAddress *ip, int port);

/* False, with errno, when a path is too long. */
extern bool pgnet_address_of_socket(Address *address, const char *path);

/* The address as text, and its port; "" and 0 for a Unix socket. */
extern void pgnet_address_show(const Address *address, char *text, size_t size,
							   int *port);

/* Is it in one of the networks?  A Unix socket is in none. */
extern bool pgnet_address_is_in(const Address *address,
								const Networks *networks);

#endif							/* PGNET_ADDRESS_H */
