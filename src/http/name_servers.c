/*
 * name_servers.c -- which name server is asked first.
 *
 * Runs in: workers.
 *
 * A channel of c-ares begins with the first one of resolv.conf, and with a
 * channel for each question a dead one would cost its timeout each time.
 */
#include "postgres.h"

#include <ares.h>
#include <arpa/inet.h>

#include "port/pg_bswap.h"

#include "http/name_servers.h"
#include "http/resolver.h"

#define DNS_PORT 53

static char *list_servers(ares_channel channel);
static char *find_server(char *list, const char *server);
static void put_first(char *list, char *server, size_t length);
static void write_address(const struct sockaddr *address, char *server);

/* Order them; what resolv.conf did not have before begins with its first. */
void
pgnet_name_servers_order(NameServers *servers, struct ares_channeldata *channel)
{
	char	   *list = list_servers(channel);
	char	   *preferred;

	if (list == NULL)
		return;
	if (servers->listed == NULL || strcmp(list, servers->listed) != 0)
	{
		free(servers->listed);
		servers->listed = list;
		servers->preferred[0] = '\0';
		return;
	}
	preferred = find_server(list, servers->preferred);
	if (preferred != NULL && preferred != list)
	{
		put_first(list, preferred, strlen(servers->preferred));
		(void) ares_set_servers_ports_csv(channel, list);
	}
	free(list);
}

/* Look, while it is open; of one server there is nothing to remember. */
void
pgnet_name_server_of(const NameServers *servers, int fd,
					 char server[PGNET_NAME_SERVER_BYTES])
{
	IpAddress	address = {0};
	socklen_t	length = sizeof(address);

	if (servers->listed != NULL && strchr(servers->listed, ',') != NULL &&
		getpeername(fd, &address.u.any, &length) == 0)
		write_address(&address.u.any, server);
}

/* Remember it. */
void
pgnet_name_servers_prefer(NameServers *servers, const char *server)
{
	strlcpy(servers->preferred, server, sizeof(servers->preferred));
}

#if ARES_VERSION >= 0x011800

/* The name servers of a channel as text, with commas between; NULL: unknown. */
static char *
list_servers(ares_channel channel)
{
	char	   *theirs = ares_get_servers_csv(channel);
	char	   *servers = theirs == NULL ? NULL : strdup(theirs);

	ares_free_string(theirs);
	return servers;
}

#else

/* The same before c-ares 1.24. */
static char *
list_servers(ares_channel channel)
{
	struct ares_addr_port_node *theirs;
	size_t		count = 0;
	size_t		length = 0;
	char	   *servers;

	if (ares_get_servers_ports(channel, &theirs) != ARES_SUCCESS)
		return NULL;
	for (struct ares_addr_port_node *one = theirs; one; one = one->next)
		count++;
	servers = malloc(count * PGNET_NAME_SERVER_BYTES + 1);
	for (struct ares_addr_port_node *one = theirs; one && servers;
		 one = one->next)
	{
		IpAddress	address = {.u.any.sa_family = one->family};
		uint16		port = one->udp_port == 0 ? DNS_PORT : one->udp_port;

		if (one->family == AF_INET)
		{
			address.u.v4.sin_addr = one->addr.addr4;
			address.u.v4.sin_port = pg_hton16(port);
		}
		else
		{
			memcpy(&address.u.v6.sin6_addr, &one->addr.addr6,
				   sizeof(address.u.v6.sin6_addr));
			address.u.v6.sin6_port = pg_hton16(port);
		}
		if (length > 0)
			servers[length++] = ',';
		write_address(&address.u.any, servers + length);
		length += strlen(servers + length);
	}
	ares_free_data(theirs);
	return servers;
}

#endif

/* Where a server stands in a list; NULL: it does not. */
static char *
find_server(char *list, const char *server)
{
	size_t		length = strlen(server);

	if (length == 0)
		return NULL;
	for (char *at = list; (at = strstr(at, server)) != NULL; at++)
		if ((at == list || at[-1] == ',') &&
			(at[length] == ',' || at[length] == '\0'))
			return at;
	return NULL;
}

/* Move one to the front of its list. */
static void
put_first(char *list, char *server, size_t length)
{
	char		text[PGNET_NAME_SERVER_BYTES];

	memcpy(text, server, length);
	memmove(list + length + 1, list, server - list - 1);
	memcpy(list, text, length);
	list[length] = ',';
}

/* Write an address as c-ares does in its lists. */
static void
write_address(const struct sockaddr *address, char *server)
{
	char		text[INET6_ADDRSTRLEN] = "";

	if (address->sa_family == AF_INET)
	{
		const struct sockaddr_in *v4 = (const struct sockaddr_in *) address;

		inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
		snprintf(server, PGNET_NAME_SERVER_BYTES, "%s:%u", text,
				 pg_ntoh16(v4->sin_port));
	}
	else
	{
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) address;

		inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
		snprintf(server, PGNET_NAME_SERVER_BYTES, "[%s]:%u", text,
				 pg_ntoh16(v6->sin6_port));
	}
}
