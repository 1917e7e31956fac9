/*
 * ip_address.c -- addresses of IP, and the hosts that need no lookup.
 *
 * Runs in: workers.
 *
 * A name server is never asked for these: it could say anything.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <unistd.h>

#include "port/pg_bswap.h"

#include "http/ip_address.h"

static bool read_literal(const char *host, IpAddress *address);
static bool read_v6(const char *host, struct sockaddr_in6 *v6);
static bool read_zone(const char *zone, uint32 *index);
static bool is_or_is_below(const char *host, const char *domain);
static int	list_loopback(IpVersion ip_version, IpAddress *addresses);
static IpAddress loopback_v4(void);
static IpAddress loopback_v6(void);
static bool is_of_version(const IpAddress *address, IpVersion ip_version);

/* Which are known? */
int
pgnet_ip_known(const char *host, IpVersion ip_version,
			   IpAddress addresses[PGNET_KNOWN_ADDRESSES])
{
	if (read_literal(host, &addresses[0]))
		return is_of_version(&addresses[0], ip_version) ? 1 : 0;
	/* RFC 6761, sections 6.3 and 6.4 */
	if (is_or_is_below(host, "localhost"))
		return list_loopback(ip_version, addresses);
	if (is_or_is_below(host, "invalid"))
		return 0;
	/* an address that is none is no name either */
	return strchr(host, ':') != NULL ? 0 : PGNET_IP_NAME;
}

/*
 * Try it: connecting a datagram socket sends nothing, but looks for a route and
 * for an address of ours.
 */
bool
pgnet_ip_has_route(const IpAddress *address)
{
	int			family = address->u.any.sa_family;
	int			fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	IpAddress	target = *address;
	bool		has_route;

	if (fd < 0)
		return false;
	/* any port but 0, which some kernels do not like */
	if (family == AF_INET6)
		target.u.v6.sin6_port = pg_hton16(9);
	else
		target.u.v4.sin_port = pg_hton16(9);
	has_route = connect(fd, &target.u.any,
						family == AF_INET6 ? sizeof(target.u.v6) :
											 sizeof(target.u.v4)) == 0;
	close(fd);
	return has_route;
}

/*
 * Read an address.  inet_aton() takes all that the rules of access take for
 * one: see pgnet_host_address().
 */
static bool
read_literal(const char *host, IpAddress *address)
{
	*address = (IpAddress) {0};
	if (*host >= '0' && *host <= '9' &&
		inet_aton(host, &address->u.v4.sin_addr) != 0)
	{
		address->u.v4.sin_family = AF_INET;
		return true;
	}
	return read_v6(host, &address->u.v6);
}

/* Read one of IPv6, perhaps with a zone (RFC 4007, section 11). */
static bool
read_v6(const char *host, struct sockaddr_in6 *v6)
{
	char		text[INET6_ADDRSTRLEN];
	size_t		length = strcspn(host, "%");

	if (length >= sizeof(text))
		return false;
	memcpy(text, host, length);
	text[length] = '\0';
	v6->sin6_family = AF_INET6;
	return inet_pton(AF_INET6, text, &v6->sin6_addr) == 1 &&
		(host[length] == '\0' ||
		 read_zone(host + length + 1, &v6->sin6_scope_id));
}

/* The index of an interface, which stands there by name or as it is. */
static bool
read_zone(const char *zone, uint32 *index)
{
	char	   *end;

	*index = if_nametoindex(zone);
	if (*index == 0 && *zone >= '0' && *zone <= '9')
	{
		*index = (uint32) strtoul(zone, &end, 10);
		if (*end != '\0')
			*index = 0;
	}
	return *index != 0;
}

/* Is a host a domain, or below it? */
static bool
is_or_is_below(const char *host, const char *domain)
{
	size_t		length = strlen(host);
	size_t		domain_length = strlen(domain);

	if (length > 0 && host[length - 1] == '.')
		length--;
	if (length < domain_length)
		return false;
	host += length - domain_length;
	return pg_strncasecmp(host, domain, domain_length) == 0 &&
		(length == domain_length || host[-1] == '.');
}

/* What localhost stands for. */
static int
list_loopback(IpVersion ip_version, IpAddress *addresses)
{
	IpAddress	v4 = loopback_v4();
	IpAddress	v6 = loopback_v6();
	bool		v6_first;

	if (ip_version != PGNET_IP_ANY)
	{
		addresses[0] = ip_version == PGNET_IP_V4 ? v4 : v6;
		return 1;
	}
	v6_first = pgnet_ip_has_route(&v6);
	addresses[0] = v6_first ? v6 : v4;
	addresses[1] = v6_first ? v4 : v6;
	return 2;
}

static IpAddress
loopback_v4(void)
{
	IpAddress	address = {0};

	address.u.v4.sin_family = AF_INET;
	address.u.v4.sin_addr.s_addr = pg_hton32(INADDR_LOOPBACK);
	return address;
}

static IpAddress
loopback_v6(void)
{
	IpAddress	address = {0};

	address.u.v6.sin6_family = AF_INET6;
	address.u.v6.sin6_addr = in6addr_loopback;
	return address;
}

/* Is it one that may be connected to? */
static bool
is_of_version(const IpAddress *address, IpVersion ip_version)
{
	if (ip_version == PGNET_IP_ANY)
		return true;
	return address->u.any.sa_family ==
		(ip_version == PGNET_IP_V4 ? AF_INET : AF_INET6);
}
