/*
 * dns.c -- what the hosts file and name servers know, by c-ares.
 *
 * Runs in: workers.
 *
 * Each question has a channel of its own, for what c-ares remembers in one is
 * no good for us.  From 1.32 on, after three quick answers, it gives a name
 * 250 ms and not more than three times that.  Late answers are dropped then,
 * whatever the timeout is said to be.  All questions of a channel leave by one
 * port, which makes answers easier to forge (RFC 5452, section 9.2).  And 1.34
 * loops for ever once all ids were used.
 *
 * Names of the search list have channels of their own for the same reason.
 */
#include "postgres.h"

#include <ares.h>
#include <fcntl.h>
#include <unistd.h>

#include "http/dns.h"

/* How long a server may take at first, and how often each is asked. */
#define TIMEOUT_MS 5000
#define TRIES 3

/* How long what the hosts file has is good. */
#define HOSTS_SECONDS 1

/* What c-ares would take from the environment of whoever started the server. */
static const char *const variables[] = {
	"LOCALDOMAIN", "RES_OPTIONS", "HOSTALIASES", "CARES_HOSTS"
};

struct Dns
{
	Poller	   *poller;
	Timers	   *timers;

	ares_channel hosts;			/* looks into the hosts file only */
	NameServers servers;
};

/* A socket of c-ares. */
typedef struct DnsSocket
{
	Watch		watch;
	DnsQuery   *query;
	dlist_node	node;
} DnsSocket;

static int	open_channel(ares_channel *channel, const char *lookups,
						 DnsQuery *query);
static void take_from_hosts(void *arg, int status, int timeouts,
							struct ares_addrinfo *info);
static void take_answer(void *arg, int status, int timeouts,
						struct ares_addrinfo *info);
static void read_addresses(DnsAnswer *answer, const struct ares_addrinfo *info,
						   int family);
static void explain(Dns *dns, DnsAnswer *answer, int status);
static bool is_answered(DnsQuery *query);
static void set_timer(DnsQuery *query);
static void look_for_answer(DnsQuery *query);
static void timer_due(Timer *timer);
static void socket_changed(void *arg, ares_socket_t fd, int readable,
						   int writable);
static DnsSocket *find_socket(DnsQuery *query, int fd);
static DnsSocket *add_socket(DnsQuery *query, int fd);
static void forget_socket(DnsSocket *watched);
static void socket_ready(Watch *watch, uint32 events);
static bool is_at_end(int fd);
static int	shortage(const Dns *dns);
static void fail_short(DnsAnswer *answer, int system_errno);

/* Create; c-ares reads its files again for each question. */
Dns *
pgnet_dns_create(Poller *poller, Timers *timers, const char **error)
{
	int			status = ares_library_init(ARES_LIB_INIT_ALL);
	Dns		   *dns;

	if (status != ARES_SUCCESS)
	{
		*error = ares_strerror(status);
		return NULL;
	}
	for (int i = 0; i < (int) lengthof(variables); i++)
		(void) unsetenv(variables[i]);
	dns = calloc(1, sizeof(Dns));
	if (dns == NULL)
	{
		*error = "out of memory";
		return NULL;
	}
	dns->poller = poller;
	dns->timers = timers;
	status = open_channel(&dns->hosts, "f", NULL);
	if (status != ARES_SUCCESS)
	{
		*error = ares_strerror(status);
		free(dns);
		return NULL;
	}
	return dns;
}

/*
 * Look into the hosts file.  A host that is there, with an address of any
 * family, is not asked for, as in the C library.
 */
void
pgnet_dns_read_hosts(Dns *dns, const char *host, int family, DnsAnswer *answer)
{
	const struct ares_addrinfo_hints hints = {
		.ai_family = family,
		.ai_socktype = SOCK_STREAM
	};
	int			system_errno = shortage(dns);

	*answer = (DnsAnswer) {.result = PGNET_DNS_NONE};
	/* without its files c-ares goes on as if there were none */
	if (system_errno != 0)
		fail_short(answer, system_errno);
	else
		ares_getaddrinfo(dns->hosts, host, NULL, &hints, take_from_hosts,
						 answer);
}

/* Make a channel, for files ("f") or for the name servers ("b") of a query. */
static int
open_channel(ares_channel *channel, const char *lookups, DnsQuery *query)
{
	struct ares_options options = {
		.flags = ARES_FLAG_NOALIASES,
		.timeout = TIMEOUT_MS,
		.tries = TRIES,
		.lookups = unconstify(char *, lookups),
		.sock_state_cb = socket_changed,
		.sock_state_cb_data = query
	};
	int			mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
		ARES_OPT_LOOKUPS | ARES_OPT_NOROTATE | ARES_OPT_SOCK_STATE_CB;

#ifdef ARES_OPT_QUERY_CACHE
	/* it keeps answers of a channel for an hour, however many */
	mask |= ARES_OPT_QUERY_CACHE;
	options.qcache_max_ttl = 0;
#endif
	return ares_init_options(channel, &options, mask);
}

/* For c-ares: an answer from the hosts file, within ares_getaddrinfo(). */
static void
take_from_hosts(void *arg, int status, int timeouts,
				struct ares_addrinfo *info)
{
	DnsAnswer  *answer = arg;

	(void) timeouts;
	if (status == ARES_SUCCESS)
	{
		read_addresses(answer, info, AF_UNSPEC);
		answer->seconds = HOSTS_SECONDS;
	}
	else if (status == ARES_ENOMEM)
		answer->result = PGNET_DNS_NO_MEMORY;
	ares_freeaddrinfo(info);
}

/* Ask. */
void
pgnet_dns_ask(Dns *dns, DnsQuery *query, const char *name, int family)
{
	const struct ares_addrinfo_hints hints = {
		.ai_family = family,
		.ai_socktype = SOCK_STREAM
	};
	int			system_errno = shortage(dns);
	int			status;

	query->dns = dns;
	query->family = family;
	query->answer = (DnsAnswer) {0};
	query->timer = (Timer) {.due = timer_due};
	query->heard = false;
	query->server[0] = '\0';
	dlist_init(&query->sockets);
	/* c-ares would ask 127.0.0.1 if it could not read resolv.conf */
	if (system_errno != 0)
	{
		fail_short(&query->answer, system_errno);
		return;
	}
	status = open_channel(&query->channel, "b", query);
	if (status != ARES_SUCCESS)
	{
		query->channel = NULL;
		explain(dns, &query->answer, status);
		return;
	}
	pgnet_name_servers_order(&dns->servers, query->channel);
	/* which may call back */
	ares_getaddrinfo(query->channel, name, NULL, &hints, take_answer, query);
	if (!is_answered(query))
		set_timer(query);
}

/* End it.  Never within a callback of c-ares, which does not bear that. */
void
pgnet_dns_end(DnsQuery *query)
{
	if (query->channel == NULL)
		return;
	pgnet_timer_unset(query->dns->timers, &query->timer);
	/* without memory 1.34 does not say of all of them that it closes them */
	while (!dlist_is_empty(&query->sockets))
		forget_socket(dlist_head_element(DnsSocket, node, &query->sockets));
	ares_destroy(query->channel);
	query->channel = NULL;
	Assert(dlist_is_empty(&query->sockets));
}

/* For c-ares: there is an answer, or it was given up. */
static void
take_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	DnsQuery   *query = arg;
	Dns		   *dns = query->dns;

	/* the channel is destroyed */
	if (status == ARES_EDESTRUCTION)
		return;
	if (status == ARES_SUCCESS)
		read_addresses(&query->answer, info, query->family);
	/* so 1.18 says that all servers failed, or refused to answer */
	else if (status == ARES_ECONNREFUSED && query->heard)
		explain(dns, &query->answer, ARES_ESERVFAIL);
	else
		explain(dns, &query->answer, status);
	ares_freeaddrinfo(info);
	if (timeouts > 0 && query->answer.result <= PGNET_DNS_NONE)
		pgnet_name_servers_prefer(&dns->servers, query->server);
}

/*
 * Copy addresses, and how long they are good: as the shortest of them.  Those
 * of another family were not asked for.
 */
static void
read_addresses(DnsAnswer *answer, const struct ares_addrinfo *info, int family)
{
	int			seconds = PG_INT32_MAX;

	for (struct ares_addrinfo_node *node = info->nodes;
		 node != NULL && answer->naddresses < PGNET_MAX_ADDRESSES;
		 node = node->ai_next)
	{
		if (family != AF_UNSPEC && node->ai_family != family)
			continue;
		memcpy(&answer->addresses[answer->naddresses++], node->ai_addr,
			   node->ai_addrlen);
		seconds = Min(seconds, node->ai_ttl);
	}
	for (struct ares_addrinfo_cname *alias = info->cnames; alias != NULL;
		 alias = alias->next)
		seconds = Min(seconds, alias->ttl);
	answer->seconds = Max(seconds, 0);
	answer->result = answer->naddresses > 0 ? PGNET_DNS_FOUND : PGNET_DNS_NONE;
}

/* Why is there no address? */
static void
explain(Dns *dns, DnsAnswer *answer, int status)
{
	int			system_errno;

	switch (status)
	{
		case ARES_ENOTFOUND:
		case ARES_ENODATA:
		case ARES_EBADNAME:
			answer->result = PGNET_DNS_NONE;
			return;

		case ARES_ENOMEM:
			answer->result = PGNET_DNS_NO_MEMORY;
			return;

		case ARES_ESERVFAIL:
		case ARES_EREFUSED:
			answer->result = PGNET_DNS_SERVER_FAILED;
			break;

		default:
			answer->result = PGNET_DNS_FAILED;
			break;
	}
	answer->reason = ares_strerror(status);
	/* that it had no socket it does not say */
	system_errno = shortage(dns);
	if (system_errno != 0)
		fail_short(answer, system_errno);
}

/* c-ares has returned: is there an answer?  It is over then. */
static bool
is_answered(DnsQuery *query)
{
	if (query->answer.result == PGNET_DNS_PENDING)
		return false;
	pgnet_dns_end(query);
	return true;
}

/* When does c-ares want to go on, whatever the sockets do? */
static void
set_timer(DnsQuery *query)
{
	Timers	   *timers = query->dns->timers;
	struct timeval room;
	struct timeval *wait = ares_timeout(query->channel, NULL, &room);

	pgnet_timer_unset(timers, &query->timer);
	/* it rounds down: one millisecond more, not to come too early */
	if (wait != NULL)
		pgnet_timer_set(timers, &query->timer,
						(int64) wait->tv_sec * 1000000 + wait->tv_usec + 1000);
}

/* c-ares did what it could: say so if there is an answer. */
static void
look_for_answer(DnsQuery *query)
{
	if (is_answered(query))
		query->answered(query);
	else
		set_timer(query);
}

/* The time of c-ares has come. */
static void
timer_due(Timer *timer)
{
	DnsQuery   *query = (DnsQuery *) ((char *) timer -
									  offsetof(DnsQuery, timer));

	ares_process_fd(query->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	look_for_answer(query);
}

/* For c-ares: what to watch a socket for; nothing: it will be closed. */
static void
socket_changed(void *arg, ares_socket_t fd, int readable, int writable)
{
	DnsQuery   *query = arg;
	DnsSocket  *watched = find_socket(query, fd);
	uint32		events = (readable ? EPOLLIN | EPOLLRDHUP : 0) |
		(writable ? EPOLLOUT : 0);

	if (events == 0)
	{
		if (watched != NULL)
			forget_socket(watched);
		return;
	}
	if (watched == NULL)
		watched = add_socket(query, fd);
	if (watched == NULL)
		query->answer.result = PGNET_DNS_NO_MEMORY;
	else if (!pgnet_watch_for(query->dns->poller, &watched->watch, events))
		fail_short(&query->answer, errno);
}

/* The watch of a socket; NULL: it has none. */
static DnsSocket *
find_socket(DnsQuery *query, int fd)
{
	dlist_iter	iter;

	dlist_foreach(iter, &query->sockets)
	{
		DnsSocket  *watched = dlist_container(DnsSocket, node, iter.cur);

		if (watched->watch.fd == fd)
			return watched;
	}
	return NULL;
}

/* Make one. */
static DnsSocket *
add_socket(DnsQuery *query, int fd)
{
	DnsSocket  *watched = calloc(1, sizeof(DnsSocket));

	if (watched == NULL)
		return NULL;
	watched->watch.fd = fd;
	watched->watch.ready = socket_ready;
	watched->query = query;
	dlist_push_head(&query->sockets, &watched->node);
	return watched;
}

/* Forget one, before it is closed. */
static void
forget_socket(DnsSocket *watched)
{
	pgnet_watch_end(watched->query->dns->poller, &watched->watch);
	dlist_delete(&watched->node);
	free(watched);
}

/* A socket of c-ares is ready; errors are for it to find out. */
static void
socket_ready(Watch *watch, uint32 events)
{
	DnsSocket  *watched = (DnsSocket *) ((char *) watch -
										 offsetof(DnsSocket, watch));
	DnsQuery   *query = watched->query;
	int			fd = watch->fd;

	if ((events & EPOLLIN) != 0 && (events & EPOLLERR) == 0)
	{
		query->heard = true;
		pgnet_name_server_of(&query->dns->servers, fd, query->server);
	}
	/* which may free watched */
	ares_process_fd(query->channel, events == EPOLLOUT ? ARES_SOCKET_BAD : fd,
					(events & EPOLLOUT) != 0 ? fd : ARES_SOCKET_BAD);
	/* 1.34 does not see the end within an answer, and would be called again */
	if ((events & EPOLLRDHUP) != 0 &&
		query->answer.result == PGNET_DNS_PENDING &&
		find_socket(query, fd) != NULL && is_at_end(fd))
		explain(query->dns, &query->answer, ARES_ESERVFAIL);
	look_for_answer(query);
}

/* Is there nothing to be read from a socket of TCP, and will never be? */
static bool
is_at_end(int fd)
{
	char		byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Is a descriptor left?  errno if not, else 0. */
static int
shortage(const Dns *dns)
{
	int			fd = fcntl(dns->poller->epoll_fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/* It failed for want of something here. */
static void
fail_short(DnsAnswer *answer, int system_errno)
{
	answer->result = PGNET_DNS_SHORT;
	answer->system_errno = system_errno;
}
