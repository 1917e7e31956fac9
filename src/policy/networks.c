/*
 * networks.c -- lists of networks, and which addresses they contain.
 *
 * Runs in: every process.
 *
 * An IPv6 address can have an IPv4 address inside: a request to
 * ::ffff:10.0.0.1 goes to 10.0.0.1, and so does one to 64:ff9b::10.0.0.1 where
 * there is a translator, or a tunnel for 2002:a00:1::1.  And the address of
 * nobody, 0.0.0.0 or ::, is this machine (ip(7)).  So an address is judged by
 * what it leads to, too.  Prefixes that networks choose for themselves (RFC
 * 6052, 5969) are unknown here, and have to be in the list.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/varlena.h"

#include "policy/hosts.h"
#include "policy/networks.h"

#define V4_BITS 32
#define V6_BITS 128

/*
 * Where an IPv6 address has an IPv4 address inside: four bytes of it, if some
 * bytes are these.
 */
typedef struct Wrapper
{
	uint8		mark[12];
	uint8		mark_at;
	uint8		mark_bytes;
	uint8		inside[4];		/* where each byte stands */
	uint8		mask;			/* what it is XORed with */
	bool		guessed;		/* one of several readings */
} Wrapper;

/* Within 64:ff9b:1::/48 a network chooses a prefix, of a length it chooses. */
#define LOCAL_NAT64 {0, 0x64, 0xff, 0x9b, 0, 1}, 0, 6

static const Wrapper wrappers[] = {
	/* IPv4-compatible, ::/96 (RFC 4291, section 2.5.5.1) */
	{{0}, 0, 12, {12, 13, 14, 15}, 0, false},
	/* translated, ::ffff:0:0:0/96 (RFC 2765, section 2.1) */
	{{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 0, 12, {12, 13, 14, 15}, 0, false},
	/* NAT64, 64:ff9b::/96 (RFC 6052, section 2.1) */
	{{0, 0x64, 0xff, 0x9b}, 0, 12, {12, 13, 14, 15}, 0, false},
	/* NAT64 of a network's own (RFC 8215; RFC 6052, section 2.2) */
	{LOCAL_NAT64, {12, 13, 14, 15}, 0, false},
	{LOCAL_NAT64, {9, 10, 11, 12}, 0, true},
	{LOCAL_NAT64, {7, 9, 10, 11}, 0, true},
	{LOCAL_NAT64, {6, 7, 9, 10}, 0, true},
	/* 6to4, 2002::/16 (RFC 3056, section 2) */
	{{0x20, 0x02}, 0, 2, {2, 3, 4, 5}, 0, false},
	/* the client of Teredo, 2001::/32 (RFC 4380, section 4) */
	{{0x20, 0x01, 0, 0}, 0, 4, {12, 13, 14, 15}, 0xff, false},
	/* ISATAP, with a private address or a public one (RFC 5214, section 6.1) */
	{{0, 0, 0x5e, 0xfe}, 8, 4, {12, 13, 14, 15}, 0, false},
	{{2, 0, 0x5e, 0xfe}, 8, 4, {12, 13, 14, 15}, 0, false},
};

/* IPv4-mapped, ::ffff:0:0/96: an IPv4 address and nothing else (RFC 4291) */
static const uint8 mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static const uint8 v4_loopback[4] = {127, 0, 0, 1};
static const uint8 v6_loopback[16] = {[15] = 1};
static const uint8 zeros[16];

static bool parse_network(const char *text, Network *network, char **problem);
static bool has_host_bits(const Network *network);
static bool contain_v6(const Networks *networks, const uint8 *address);
static bool contain_wrapped(const Networks *networks, const Wrapper *wrapper,
							const uint8 *address);
static bool contain_v4(const Networks *networks, const uint8 *address);
static bool contain_bytes(const Networks *networks, bool v4,
						  const uint8 *address);
static bool shares_bits(const uint8 *one, const uint8 *other, int bits);

/* Read a list. */
Networks *
pgnet_networks_parse(const char *list, char **problem)
{
	char	   *copy = pstrdup(list);
	List	   *words;
	ListCell   *cell;
	Networks   *networks;

	if (!SplitGUCList(copy, ',', &words))
	{
		*problem = pstrdup("Networks must be separated by commas.");
		return NULL;
	}
	networks = palloc0(offsetof(Networks, items) +
					   sizeof(Network) * list_length(words));
	foreach(cell, words)
	{
		if (!parse_network(lfirst(cell), &networks->items[networks->count++],
						   problem))
			return NULL;
	}
	list_free(words);
	pfree(copy);
	return networks;
}

/* How large is it? */
size_t
pgnet_networks_size(const Networks *networks)
{
	return offsetof(Networks, items) + sizeof(Network) * networks->count;
}

/* Look for an address. */
bool
pgnet_networks_contain(const Networks *networks, const struct sockaddr *address)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *) address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) address;

	if (networks->count == 0)
		return false;
	if (address->sa_family == AF_INET)
		return contain_v4(networks, (const uint8 *) &v4->sin_addr);
	return address->sa_family != AF_INET6 ||
		contain_v6(networks, (const uint8 *) &v6->sin6_addr);
}

/* Look for an address that is text. */
bool
pgnet_networks_contain_text(const Networks *networks, const char *address)
{
	uint8		bytes[16];

	if (networks->count == 0)
		return false;
	if (inet_pton(AF_INET, address, bytes) == 1)
		return contain_v4(networks, bytes);
	return inet_pton(AF_INET6, address, bytes) != 1 ||
		contain_v6(networks, bytes);
}

/* Look for a host that is an address. */
bool
pgnet_networks_contain_host(const Networks *networks, const char *host)
{
	uint8		bytes[PGNET_ADDRESS_BYTES];

	if (networks->count == 0)
		return false;
	switch (pgnet_host_address(host, bytes))
	{
		case AF_INET:
			return contain_v4(networks, bytes);
		case AF_INET6:
			return contain_v6(networks, bytes);
		default:
			return false;
	}
}

/* Read one network; an address alone is one with all bits. */
static bool
parse_network(const char *text, Network *network, char **problem)
{
	int			bits;

	network->v4 = strchr(text, ':') == NULL;
	bits = pg_inet_net_pton(network->v4 ? PGSQL_AF_INET : PGSQL_AF_INET6,
							text, network->bytes, -1);
	if (bits < 0)
	{
		*problem = psprintf("\"%s\" is not a network.", text);
		return false;
	}
	if (!network->v4 && bits >= 96 &&
		memcmp(network->bytes, mapped, sizeof(mapped)) == 0)
	{
		memmove(network->bytes, network->bytes + sizeof(mapped), 4);
		memset(network->bytes + 4, 0, sizeof(mapped));
		network->v4 = true;
		bits -= 96;
	}
	network->bits = bits;
	if (has_host_bits(network))
	{
		*problem = psprintf("\"%s\" has bits set to the right of its mask.",
							text);
		return false;
	}
	return true;
}

/* Is there anything beyond the bits that count?  Then a digit is wrong. */
static bool
has_host_bits(const Network *network)
{
	int			all = network->v4 ? V4_BITS : V6_BITS;

	for (int bit = network->bits; bit < all; bit++)
		if (network->bytes[bit / 8] & (0x80 >> bit % 8))
			return true;
	return false;
}

/* Look for an IPv6 address, and for the IPv4 address inside. */
static bool
contain_v6(const Networks *networks, const uint8 *address)
{
	if (memcmp(address, mapped, sizeof(mapped)) == 0)
		return contain_v4(networks, address + sizeof(mapped));
	if (contain_bytes(networks, false, address))
		return true;
	/* these two are no IPv4-compatible addresses */
	if (memcmp(address, v6_loopback, 16) == 0)
		return false;
	if (memcmp(address, zeros, 16) == 0)
		return contain_bytes(networks, false, v6_loopback);
	for (int i = 0; i < (int) lengthof(wrappers); i++)
		if (contain_wrapped(networks, &wrappers[i], address))
			return true;
	return false;
}

/*
 * Look for the IPv4 address inside, if this is such an IPv6 address.  The zeros
 * of a longer prefix look like one in 0.0.0.0/8, which is nowhere a translator
 * could send to (RFC 1122, section 3.2.1.3).
 */
static bool
contain_wrapped(const Networks *networks, const Wrapper *wrapper,
				const uint8 *address)
{
	uint8		v4[4];

	if (memcmp(address + wrapper->mark_at, wrapper->mark,
			   wrapper->mark_bytes) != 0)
		return false;
	for (int i = 0; i < 4; i++)
		v4[i] = address[wrapper->inside[i]] ^ wrapper->mask;
	return (v4[0] != 0 || !wrapper->guessed) && contain_v4(networks, v4);
}

/* Look for an IPv4 address. */
static bool
contain_v4(const Networks *networks, const uint8 *address)
{
	return contain_bytes(networks, true, address) ||
		(memcmp(address, zeros, 4) == 0 &&
		 contain_bytes(networks, true, v4_loopback));
}

/* Look for an address of a family. */
static bool
contain_bytes(const Networks *networks, bool v4, const uint8 *address)
{
	for (int i = 0; i < networks->count; i++)
	{
		const Network *network = &networks->items[i];

		if (network->v4 == v4 &&
			shares_bits(network->bytes, address, network->bits))
			return true;
	}
	return false;
}

/* Are the first bits the same? */
static bool
shares_bits(const uint8 *one, const uint8 *other, int bits)
{
	int			bytes = bits / 8;
	uint8		mask = 0xff00 >> bits % 8;

	return memcmp(one, other, bytes) == 0 &&
		(mask == 0 || ((one[bytes] ^ other[bytes]) & mask) == 0);
}
