/*
 * shortage.c -- could a request not be sent because a local resource is short?
 *
 * Runs in: workers.
 *
 * libcurl says "could not connect" or "could not resolve" of a server that
 * does not answer, and of a machine that has no descriptor, port or thread
 * left for the attempt.  The first is an answer, the second a reason to wait.
 * Callbacks that libcurl makes while it connects tell them apart.
 *
 * A host may have several addresses.  An attempt that failed here counts,
 * whatever the others came to: the answer may be at that address.
 */
#include "postgres.h"

#include <curl/curl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/shortage.h"

static bool has_name(CURL *easy);
static void look_at_connect(ShortageWatch *watch);
static void note(ShortageWatch *watch, HttpShortage shortage, int error);
static bool is_reachable(const ShortageWatch *watch);

/* CURLOPT_OPENSOCKETFUNCTION: open one, and see why not. */
curl_socket_t
pgnet_shortage_open_socket(void *arg, curlsocktype purpose,
						   struct curl_sockaddr *address)
{
	ShortageWatch *watch = arg;

	(void) purpose;
	/* is it another address because the last one failed? */
	if (watch->address_len > 0 &&
		!pgnet_sockets_is_open(watch->sockets, watch->fd))
		look_at_connect(watch);

	watch->address_len = 0;
	watch->fd = pgnet_sockets_open(watch->sockets, address);
	if (watch->fd == CURL_SOCKET_BAD)
	{
		if (errno == EMFILE || errno == ENFILE)
			note(watch, PGNET_SHORT_OF_DESCRIPTORS, errno);
		else if (errno == ENOMEM || errno == ENOBUFS)
			note(watch, PGNET_SHORT_OF_MEMORY, errno);
	}
	else if (address->addrlen <= sizeof(watch->address))
	{
		watch->address_len = address->addrlen;
		memcpy(&watch->address, &address->addr, address->addrlen);
	}
	return watch->fd;
}

/*
 * CURLOPT_RESOLVER_START_FUNCTION: a host is to be looked up, which is nothing
 * if it is an address.  A thread that finds no descriptor says that there is
 * no such host, so do not start it.
 */
int
pgnet_shortage_before_lookup(void *resolver, void *reserved, void *arg)
{
	ShortageWatch *watch = arg;

	(void) resolver;
	(void) reserved;
	if (pgnet_sockets_lookup_fits(watch->sockets) || !has_name(watch->easy))
		return 0;
	note(watch, PGNET_SHORT_OF_DESCRIPTORS, EMFILE);
	return 1;
}

/* Is the host of a transfer's URL, as it is now, a name? */
static bool
has_name(CURL *easy)
{
	char	   *url = NULL;
	const char *host;
	const char *end;

	(void) curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url);
	host = url ? strstr(url, "://") : NULL;
	if (host == NULL)
		return true;
	host += 3;
	end = host + strcspn(host, "/?#");
	for (const char *c = host; c < end; c++)
		if (*c == '@')
			host = c + 1;
	end = Min(end, host + strcspn(host, ":"));
	return *host != '[' && host + strspn(host, "0123456789.") < end;
}

/* What was it? */
bool
pgnet_shortage_explains(ShortageWatch *watch, CURLcode result,
						const char *detail)
{
	switch (result)
	{
		case CURLE_COULDNT_CONNECT:
			if (watch->address_len > 0)
				look_at_connect(watch);
			break;

		case CURLE_COULDNT_RESOLVE_HOST:
		case CURLE_ABORTED_BY_CALLBACK:
			if (watch->shortage != PGNET_SHORT_OF_NOTHING)
				break;
			if (pgnet_sockets_are_short(watch->sockets))
				note(watch, PGNET_SHORT_OF_DESCRIPTORS, EMFILE);
			/* libcurl's words (lib/asyn-thread.c) */
			else if (strstr(detail, "thread failed to start") != NULL)
				note(watch, PGNET_SHORT_OF_THREADS, EAGAIN);
			break;

		case CURLE_SSL_CACERT_BADFILE:
		case CURLE_PEER_FAILED_VERIFICATION:
			/* the authority's file could not be opened, perhaps */
			watch->shortage = PGNET_SHORT_OF_NOTHING;
			if (pgnet_sockets_are_short(watch->sockets))
				note(watch, PGNET_SHORT_OF_DESCRIPTORS, EMFILE);
			break;

		case CURLE_OUT_OF_MEMORY:
			note(watch, PGNET_SHORT_OF_MEMORY, ENOMEM);
			break;

		default:
			return false;
	}
	return watch->shortage != PGNET_SHORT_OF_NOTHING;
}

/*
 * connect() failed for the last address: why?  "Cannot assign requested
 * address" means that all local ports are in use for connections to it
 * (connect(2)), or that no local address can reach it at all.
 */
static void
look_at_connect(ShortageWatch *watch)
{
	long		error = 0;

	(void) curl_easy_getinfo(watch->easy, CURLINFO_OS_ERRNO, &error);
	if (error == EADDRNOTAVAIL && is_reachable(watch))
		note(watch, PGNET_SHORT_OF_PORTS, error);
	else if (error == ENOMEM || error == ENOBUFS)
		note(watch, PGNET_SHORT_OF_MEMORY, error);
}

/* Keep what was found. */
static void
note(ShortageWatch *watch, HttpShortage shortage, int error)
{
	watch->shortage = shortage;
	watch->shortage_errno = error;
}

/*
 * Can the last address be reached from here?  A datagram socket has ports of
 * its own, and sends nothing to be connected.
 */
static bool
is_reachable(const ShortageWatch *watch)
{
	int			fd = socket(watch->address.any.sa_family,
							SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool		reachable;

	if (fd < 0)
		return true;
	reachable = connect(fd, &watch->address.any, watch->address_len) == 0;
	close(fd);
	return reachable;
}
