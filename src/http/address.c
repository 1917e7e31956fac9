/*
 * address.c -- addresses that sockets are connected to.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include <arpa/inet.h>

#include "http/address.h"

Address
pgnet_address_of_ip(const IpAddress *ip, int port)
{
	Address		address = {0};

	if (ip->u.any.sa_family == AF_INET)
	{
		address.u.v4 = ip->u.v4;
		address.u.v4.sin_port = htons((uint16) port);
		address.length = sizeof(address.u.v4);
	}
	else
	{
		address.u.v6 = ip->u.v6;
		address.u.v6.sin6_port = htons((uint16) port);
		address.length = sizeof(address.u.v6);
	}
	return address;
}

bool
pgnet_address_of_socket(Address *address, const char *path)
{
	*address = (Address) {.u.local.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->u.local.sun_path))
	{
		errno = ENAMETOOLONG;
		return false;
	}
	strcpy(address->u.local.sun_path, path);
	address->length = sizeof(address->u.local);
	return true;
}

void
pgnet_address_show(const Address *address, char *text, size_t size, int *port)
{
	*text = '\0';
	*port = 0;
	if (address->length == 0)
		return;
	if (address->u.any.sa_family == AF_INET)
	{
		(void) inet_ntop(AF_INET, &address->u.v4.sin_addr, text, size);
		*port = ntohs(address->u.v4.sin_port);
	}
	else if (address->u.any.sa_family == AF_INET6)
	{
		(void) inet_ntop(AF_INET6, &address->u.v6.sin6_addr, text, size);
		*port = ntohs(address->u.v6.sin6_port);
	}
}

bool
pgnet_address_is_in(const Address *address, const Networks *networks)
{
	return address->u.any.sa_family != AF_UNIX &&
		pgnet_networks_contain(networks, &address->u.any);
}
