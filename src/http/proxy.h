/*
 * proxy.h -- the proxy that settings name, and who goes past it.
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 */
#ifndef PGNET_PROXY_H
#define PGNET_PROXY_H

#include "postgres.h"

#include "http/errors.h"

typedef struct Proxy
{
	bool		https;			/* TLS with the proxy itself */
	const char *host;			/* in ASCII, without brackets, with its zone */
	int			port;
	const char *credentials;	/* for Proxy-Authorization; NULL: none */
} Proxy;

/* The proxy of a setting; one of zeros is none. */
typedef struct ProxySetting
{
	char	   *given;			/* that it was read from; NULL: none yet */
	Proxy		proxy;			/* what it points to is freed with the next */
	HttpError	error;			/* why it is none */
} ProxySetting;

/* Read a setting, unless it is the last one; NULL, with error: it is none. */
extern const Proxy *pgnet_proxy_read(ProxySetting *setting, const char *url);

/*
 * Does no_proxy name the host of a WebUrl?  It has names, which stand for all
 * below them, too, addresses and networks, with commas between; or "*".
 */
extern bool pgnet_no_proxy_has(const char *no_proxy, const char *host);

#endif							/* PGNET_PROXY_H */
