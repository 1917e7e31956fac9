/*
 * hosts.h -- host names, patterns of them, and hosts that are addresses.
 *
 * Runs in: every process.  Nothing but pgnet_host_named() throws.
 */
#ifndef PGNET_HOSTS_H
#define PGNET_HOSTS_H

#include "postgres.h"

#include "url_target.h"

/* Room for an address of either family. */
#define PGNET_ADDRESS_BYTES 16

/*
 * Is it a pattern of hosts?  That is a name in ASCII, an IPv4 address or an
 * IPv6 address in brackets; "*.name" for every host below name, without name
 * itself; or "*" for every host.
 */
extern bool pgnet_host_pattern_valid(const char *pattern);

/*
 * Does the host of a UrlTarget match a pattern?  Capitals do not matter, nor
 * how an address is written.
 */
extern bool pgnet_host_matches(const char *pattern, const char *host);

/*
 * The bytes of a host that is an address, however it is written: AF_INET,
 * AF_INET6, or 0 for a name.  IPv6 addresses stand in brackets.
 */
extern int	pgnet_host_address(const char *host,
							   uint8 address[PGNET_ADDRESS_BYTES]);

/*
 * Where a header "Host: value" says that a request to a target goes.  Its port
 * is that of the target unless the value has one.  False when the value is
 * not a host.
 */
extern bool pgnet_host_named(const char *value, const UrlTarget *target,
							 UrlTarget *named);

#endif							/* PGNET_HOSTS_H */
