/*
 * dial.c -- making a connection: look the host up, connect to one of its
 * addresses, ask a proxy for a tunnel, agree on TLS.
 *
 * Runs in: workers.
 *
 * Addresses are tried as RFC 8305 has it: both families by turns, the next one
 * when the last has failed or has taken some time, and whichever answers first
 * is the connection.  Each address is judged by the networks that are denied
 * just before it is connected to, whatever a name meant a moment ago.
 */
#include "postgres.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/dial.h"
#include "http/tunnel.h"

/* What an address may take before the next is tried (RFC 8305, section 5). */
#define NEXT_ADDRESS_US ((int64) 200 * 1000)

/* What addresses of IPv6 may take longer than others (section 3). */
#define RESOLUTION_DELAY_US ((int64) 50 * 1000)

/* Attempts that go on at a time. */
#define MAX_ATTEMPTS 6

/*
 * What all handshakes of a turn may take; the last of them may take some
 * milliseconds more.  Those that are left go on after the exchanges.
 */
#define HANDSHAKES_US ((int64) 5 * 1000)

/* Descriptors that connections leave to others: tables, authorities, logs. */
#define LEFT_TO_OTHERS 16

/* So many must be free, or descriptors are short. */
#define FEW_DESCRIPTORS 8

/* One that goes on. */
typedef struct Attempt
{
	Watch		watch;			/* fd -1: none */
	Dial	   *dial;
	Address		address;
} Attempt;

struct Dial
{
	DialOptions *options;
	const Route *route;
	DialDone	done;
	void	   *arg;
	DialResult	result;
	bool		starting;		/* done must not be called yet */

	Lookup		lookup;
	bool		tried[PGNET_MAX_ADDRESSES];
	int			ntried;
	sa_family_t last_family;	/* of the address tried last */
	Attempt		attempts[MAX_ATTEMPTS];
	int			nattempts;		/* that go on */
	int			failure_errno;	/* of the last that failed */

	Timer		timer;			/* the next address, or that it has failed */
	Watch		watch;			/* of the connection */
	bool		postponed;
	dlist_node	postponed_node; /* in postponed, if it is */
	Tunnel	   *tunnel;			/* NULL: none is being asked for */
};

static void begin(Dial *dial, Holder *holder);
static void looked_up(Lookup *lookup);
static void time_is_over(Timer *timer);
static void try_next(Dial *dial);
static int	choose_address(const Dial *dial);
static bool waits_for_other_family(const Dial *dial);
static bool try_socket(Dial *dial);
static bool try_address(Dial *dial, const Address *address);
static int	open_socket(const Dial *dial, int family);
static bool is_for_others(int fd);
static void attempt_ready(Watch *watch, uint32 events);
static void end_attempt(Dial *dial, Attempt *attempt, bool close_it);
static void end_attempts(Dial *dial);
static Attempt *free_attempt(Dial *dial);
static void note_errno(Dial *dial, const Address *address, int error);
static bool is_reachable(const Address *address);
static void connected(Dial *dial, Attempt *attempt);
static void connection_ready(Watch *watch, uint32 events);
static void next_phase(Dial *dial);
static bool begin_tls(Dial *dial, DialPhase phase);
static const char *way_to(const Route *route);
static bool go_on_with_tls(Dial *dial);
static void postpone(Dial *dial);
static bool go_on_with_tunnel(Dial *dial);
static void watch_connection(Dial *dial);
static void fail_to_connect(Dial *dial);
static void fail(Dial *dial);
static bool descriptors_are_short(void);

void
pgnet_dials_init(DialOptions *options)
{
	options->handshakes_us = 0;
	dlist_init(&options->postponed);
}

/* One may be postponed again at once. */
int
pgnet_dials_turn(DialOptions *options)
{
	int			count = 0;

	options->handshakes_us = 0;
	while (!dlist_is_empty(&options->postponed) &&
		   options->handshakes_us < HANDSHAKES_US)
	{
		dlist_node *node = dlist_pop_head_node(&options->postponed);
		Dial	   *dial = dlist_container(Dial, postponed_node, node);

		dial->postponed = false;
		connection_ready(&dial->watch, 0);
		count++;
	}
	return count;
}

Dial *
pgnet_dial_start(DialOptions *options, const Route *route,
				 Holder *holder, DialDone done, void *arg)
{
	Dial	   *dial = calloc(1, sizeof(Dial));

	if (dial == NULL)
		return NULL;
	dial->options = options;
	dial->route = route;
	dial->done = done;
	dial->last_family = AF_INET;
	dial->arg = arg;
	dial->result.fd = dial->watch.fd = -1;
	dial->result.times.began_us = pgnet_monotonic_us();
	dial->timer.due = time_is_over;
	dial->lookup.changed = looked_up;
	for (int i = 0; i < MAX_ATTEMPTS; i++)
		dial->attempts[i].watch.fd = -1;
	begin(dial, holder);
	return dial;
}

DialResult *
pgnet_dial_result(Dial *dial)
{
	return &dial->result;
}

void
pgnet_dial_hand_over(Dial *dial, const Route *route, Holder *holder, void *arg)
{
	dial->route = route;
	dial->arg = arg;
	/* whoever is there no more does not pay */
	if (dial->result.phase == PGNET_DIAL_LOOKUP)
	{
		pgnet_lookup_end(dial->options->resolver, &dial->lookup);
		begin(dial, holder);
	}
}

void
pgnet_dial_free(Dial *dial)
{
	pgnet_lookup_end(dial->options->resolver, &dial->lookup);
	end_attempts(dial);
	pgnet_timer_unset(dial->options->timers, &dial->timer);
	pgnet_watch_end(dial->options->poller, &dial->watch);
	if (dial->postponed)
		dlist_delete(&dial->postponed_node);
	pgnet_tunnel_free(dial->tunnel);
	if (dial->result.stream != NULL)
		pgnet_stream_close(dial->result.stream);
	free(dial);
}

/* Look the host up, unless there is nothing to look up. */
static void
begin(Dial *dial, Holder *holder)
{
	const Route *route = dial->route;

	dial->starting = true;
	dial->lookup.holder = holder;
	if (route->socket_path == NULL)
		pgnet_lookup_start(dial->options->resolver, &dial->lookup,
						   route->connect_host, route->ip_version);
	else
		dial->lookup.complete = true;
	if (dial->lookup.complete || dial->lookup.naddresses > 0)
		looked_up(&dial->lookup);
	dial->starting = false;
}

/* LookupChanged: there are addresses, or there will be none. */
static void
looked_up(Lookup *lookup)
{
	Dial	   *dial = (Dial *) ((char *) lookup - offsetof(Dial, lookup));
	DialResult *result = &dial->result;

	if (result->phase > PGNET_DIAL_CONNECT)
		return;
	if (lookup->complete && lookup->error.problem != PGNET_NO_PROBLEM &&
		lookup->naddresses == 0)
	{
		if (lookup->error.problem == PGNET_PROBLEM_RESOLVE_HOST &&
			dial->route->proxy != NULL)
			pgnet_error_set(&result->error, PGNET_PROBLEM_RESOLVE_PROXY,
							"Could not resolve proxy: %s",
							dial->route->connect_host);
		else
			result->error = lookup->error;
		fail(dial);
		return;
	}
	if (result->phase == PGNET_DIAL_LOOKUP && waits_for_other_family(dial))
	{
		if (!dial->timer.set)
			pgnet_timer_set(dial->options->timers, &dial->timer,
							RESOLUTION_DELAY_US);
		return;
	}
	/* else the next attempt begins in its time */
	if (dial->nattempts == 0)
		try_next(dial);
}

/*
 * Are there addresses of IPv4 alone, while those of IPv6 may come in a moment?
 */
static bool
waits_for_other_family(const Dial *dial)
{
	const Lookup *lookup = &dial->lookup;

	if (lookup->complete)
		return false;
	for (int i = 0; i < lookup->naddresses; i++)
		if (lookup->addresses[i].u.any.sa_family == AF_INET6)
			return false;
	return true;
}

/* TimerDue: of the next address; or done was to be called later. */
static void
time_is_over(Timer *timer)
{
	Dial	   *dial = (Dial *) ((char *) timer - offsetof(Dial, timer));

	if (dial->result.phase == PGNET_DIAL_FAILED)
		dial->done(dial, dial->arg);
	else
		try_next(dial);
}

/* Connect to the next address there is, or give up if all have failed. */
static void
try_next(Dial *dial)
{
	DialResult *result = &dial->result;
	int			chosen;

	if (result->phase == PGNET_DIAL_LOOKUP)
		result->times.resolved_us = pgnet_monotonic_us();
	result->phase = PGNET_DIAL_CONNECT;
	if (dial->route->socket_path != NULL)
	{
		if (dial->ntried++ > 0 || !try_socket(dial))
			fail_to_connect(dial);
		return;
	}
	while ((chosen = choose_address(dial)) >= 0)
	{
		Address		address =
			pgnet_address_of_ip(&dial->lookup.addresses[chosen],
								dial->route->connect_port);

		dial->tried[chosen] = true;
		dial->ntried++;
		dial->last_family = address.u.any.sa_family;
		if (try_address(dial, &address))
		{
			pgnet_timer_set(dial->options->timers, &dial->timer,
							NEXT_ADDRESS_US);
			return;
		}
	}
	if (dial->nattempts == 0 && dial->lookup.complete)
		fail_to_connect(dial);
}

/*
 * The first address that was not tried, of the other family than the last one
 * if there is any; -1: all were tried.
 */
static int
choose_address(const Dial *dial)
{
	int			found = -1;

	for (int i = 0; i < dial->lookup.naddresses; i++)
	{
		if (dial->tried[i])
			continue;
		if (dial->lookup.addresses[i].u.any.sa_family != dial->last_family)
			return i;
		if (found < 0)
			found = i;
	}
	return found;
}

/* Begin to connect to a Unix socket; false when that failed at once. */
static bool
try_socket(Dial *dial)
{
	Address		address;

	if (pgnet_address_of_socket(&address, dial->route->socket_path))
		return try_address(dial, &address);
	dial->failure_errno = errno;
	return false;
}

/* Begin to connect to an address; false when that failed at once. */
static bool
try_address(Dial *dial, const Address *address)
{
	Attempt    *attempt = free_attempt(dial);
	int			fd;

	dial->result.peer = *address;
	if (pgnet_address_is_in(address, dial->options->denied_networks))
	{
		dial->result.denied = true;
		return false;
	}
	fd = open_socket(dial, address->u.any.sa_family);
	if (fd < 0)
	{
		note_errno(dial, address, errno);
		return false;
	}
	*attempt = (Attempt) {
		.watch = {.fd = fd, .ready = attempt_ready},
		.dial = dial,
		.address = *address
	};
	dial->nattempts++;
	if ((connect(fd, &address->u.any, address->length) == 0 ||
		 errno == EINPROGRESS) &&
		pgnet_watch_for(dial->options->poller, &attempt->watch, EPOLLOUT))
		return true;
	note_errno(dial, address, errno);
	end_attempt(dial, attempt, true);
	return false;
}

/*
 * Open a socket, if need be at the cost of a connection that nobody needs.
 * Less than 0, with errno, when that fails.
 */
static int
open_socket(const Dial *dial, int family)
{
	DialOptions *options = dial->options;
	bool		again = false;

	for (;;)
	{
		int			fd = socket(family,
								SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		int			one = 1;

		if (fd >= 0 && !is_for_others(fd))
		{
			if (family != AF_UNIX)
				(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
								  sizeof(one));
			return fd;
		}
		if (fd >= 0)
		{
			close(fd);
			errno = EMFILE;
		}
		if (again || (errno != EMFILE && errno != ENFILE) ||
			!options->spare(options->spare_arg))
			return -1;
		again = true;
	}
}

/* Is a descriptor among the last ones that there can be? */
static bool
is_for_others(int fd)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
		limit.rlim_cur != RLIM_INFINITY &&
		(rlim_t) fd + LEFT_TO_OTHERS >= limit.rlim_cur;
}

/* WatchReady: an attempt has succeeded, or failed. */
static void
attempt_ready(Watch *watch, uint32 events)
{
	Attempt    *attempt =
		(Attempt *) ((char *) watch - offsetof(Attempt, watch));
	Dial	   *dial = attempt->dial;
	int			error = 0;
	socklen_t	length = sizeof(error);

	(void) events;
	if (getsockopt(watch->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
		error = errno;
	if (error == 0)
	{
		connected(dial, attempt);
		return;
	}
	note_errno(dial, &attempt->address, error);
	end_attempt(dial, attempt, true);
	try_next(dial);
}

/* An attempt goes on no more. */
static void
end_attempt(Dial *dial, Attempt *attempt, bool close_it)
{
	pgnet_watch_end(dial->options->poller, &attempt->watch);
	if (close_it)
		close(attempt->watch.fd);
	attempt->watch.fd = -1;
	dial->nattempts--;
}

/* None does. */
static void
end_attempts(Dial *dial)
{
	for (int i = 0; i < MAX_ATTEMPTS; i++)
		if (dial->attempts[i].watch.fd >= 0)
			end_attempt(dial, &dial->attempts[i], true);
}

/* One that does not go on, at the cost of the first if there are too many. */
static Attempt *
free_attempt(Dial *dial)
{
	for (int i = 0; i < MAX_ATTEMPTS; i++)
		if (dial->attempts[i].watch.fd < 0)
			return &dial->attempts[i];
	end_attempt(dial, &dial->attempts[dial->ntried % MAX_ATTEMPTS], true);
	return &dial->attempts[dial->ntried % MAX_ATTEMPTS];
}

/*
 * Why did an attempt fail?  A shortage counts, whatever the other addresses
 * come to: the answer may be at that one.  "Cannot assign requested address"
 * means that all local ports are in use for connections to it (connect(2)), or
 * that no local address can reach it at all.
 */
static void
note_errno(Dial *dial, const Address *address, int error)
{
	DialResult *result = &dial->result;

	dial->failure_errno = error;
	if (error == EMFILE || error == ENFILE)
		result->shortage = PGNET_SHORT_OF_DESCRIPTORS;
	else if (error == ENOMEM || error == ENOBUFS)
		result->shortage = PGNET_SHORT_OF_MEMORY;
	else if (error == EADDRNOTAVAIL && is_reachable(address))
		result->shortage = PGNET_SHORT_OF_PORTS;
	else
		return;
	result->error.system_errno = error;
}

/*
 * Can an address be reached from here?  A datagram socket has ports of its own,
 * and sends nothing to be connected.
 */
static bool
is_reachable(const Address *address)
{
	int			fd = socket(address->u.any.sa_family,
							SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool		reachable;

	if (fd < 0)
		return true;
	reachable = connect(fd, &address->u.any, address->length) == 0;
	close(fd);
	return reachable;
}

/* There is a connection. */
static void
connected(Dial *dial, Attempt *attempt)
{
	DialResult *result = &dial->result;

	result->fd = dial->watch.fd = attempt->watch.fd;
	result->peer = attempt->address;
	/* whatever the other addresses were short of */
	result->shortage = PGNET_SHORT_OF_NOTHING;
	result->error = (HttpError) {0};
	dial->watch.ready = connection_ready;
	end_attempt(dial, attempt, false);
	end_attempts(dial);
	pgnet_timer_unset(dial->options->timers, &dial->timer);
	pgnet_lookup_end(dial->options->resolver, &dial->lookup);
	result->times.connected_us = pgnet_monotonic_us();
	result->stream = pgnet_socket_stream(result->fd);
	if (result->stream == NULL)
	{
		close(result->fd);
		pgnet_error_set(&result->error, PGNET_PROBLEM_MEMORY, "out of memory");
		fail(dial);
		return;
	}
	next_phase(dial);
}

/* WatchReady: go on. */
static void
connection_ready(Watch *watch, uint32 events)
{
	Dial	   *dial = (Dial *) ((char *) watch - offsetof(Dial, watch));
	bool		over;

	(void) events;
	if (dial->result.phase == PGNET_DIAL_TUNNEL)
		over = go_on_with_tunnel(dial);
	else
		over = go_on_with_tls(dial);
	if (over)
		next_phase(dial);
}

/* A phase is over: begin those that follow, as far as they go. */
static void
next_phase(Dial *dial)
{
	const Route *route = dial->route;
	DialResult *result = &dial->result;
	bool		over = true;

	/* since it was connected to */
	if (pgnet_address_is_in(&result->peer, dial->options->denied_networks))
	{
		result->denied = true;
		fail_to_connect(dial);
		return;
	}
	while (over)
	{
		DialPhase	ended = result->phase;

		if (ended <= PGNET_DIAL_CONNECT && route->proxy != NULL &&
			route->proxy->https)
			over = begin_tls(dial, PGNET_DIAL_PROXY_TLS);
		else if (ended <= PGNET_DIAL_PROXY_TLS && route->tunnel)
		{
			result->phase = PGNET_DIAL_TUNNEL;
			over = go_on_with_tunnel(dial);
		}
		else if (ended <= PGNET_DIAL_TUNNEL && route->url->https)
			over = begin_tls(dial, PGNET_DIAL_TLS);
		else
		{
			result->phase = PGNET_DIAL_READY;
			pgnet_watch_end(dial->options->poller, &dial->watch);
			dial->done(dial, dial->arg);
			return;
		}
	}
}

/* Begin TLS with the host, or with the proxy; true: it is over. */
static bool
begin_tls(Dial *dial, DialPhase phase)
{
	const Route *route = dial->route;
	DialResult *result = &dial->result;
	bool		with_host = phase == PGNET_DIAL_TLS;
	Stream	   *stream;

	result->phase = phase;
	stream = pgnet_tls_open(dial->options->tls,
							with_host ? &route->tls : &route->proxy_tls,
							result->stream,
							with_host ? route->url->host : route->proxy->host,
							with_host ? route->url->port : route->proxy->port,
							with_host ? way_to(route) : "",
							&result->error);
	if (stream == NULL)
	{
		fail(dial);
		return false;
	}
	result->stream = stream;
	return go_on_with_tls(dial);
}

/* Where TLS with the host is spoken to: sessions are for that alone. */
static const char *
way_to(const Route *route)
{
	return route->socket_path ? route->socket_path : route->connect_host;
}

/* Go on with a handshake; true: it is over. */
static bool
go_on_with_tls(Dial *dial)
{
	DialResult *result = &dial->result;
	int64		began_us = pgnet_monotonic_us();
	TlsStatus	status;

	if (dial->options->handshakes_us >= HANDSHAKES_US)
	{
		postpone(dial);
		return false;
	}
	status = pgnet_tls_handshake(result->stream);
	dial->options->handshakes_us += pgnet_monotonic_us() - began_us;
	switch (status)
	{
		case PGNET_TLS_READY:
			result->times.tls_us = pgnet_monotonic_us();
			result->http2 = result->phase == PGNET_DIAL_TLS &&
				pgnet_tls_speaks_http2(result->stream);
			return true;
		case PGNET_TLS_AGAIN:
			watch_connection(dial);
			return false;
		case PGNET_TLS_FAILED:
			result->error = result->stream->error;
			fail(dial);
			return false;
	}
	return false;
}

/* Go on in the next turn, whether the socket is ready or not. */
static void
postpone(Dial *dial)
{
	pgnet_watch_end(dial->options->poller, &dial->watch);
	if (dial->postponed)
		return;
	dial->postponed = true;
	dlist_push_tail(&dial->options->postponed, &dial->postponed_node);
}

/* Go on with asking for a tunnel; true: there is one. */
static bool
go_on_with_tunnel(Dial *dial)
{
	DialResult *result = &dial->result;

	if (dial->tunnel == NULL)
		dial->tunnel = pgnet_tunnel_create(dial->route,
										   dial->options->user_agent);
	switch (pgnet_tunnel_go_on(dial->tunnel, result->stream, &result->error))
	{
		case PGNET_TUNNEL_OPEN:
			return true;
		case PGNET_TUNNEL_AGAIN:
			watch_connection(dial);
			return false;
		case PGNET_TUNNEL_FAILED:
			fail(dial);
			return false;
	}
	return false;
}

/* Wait for the connection. */
static void
watch_connection(Dial *dial)
{
	DialResult *result = &dial->result;

	if (pgnet_watch_for(dial->options->poller, &dial->watch,
						result->stream->wants_write ? EPOLLIN | EPOLLOUT :
													  EPOLLIN))
		return;
	pgnet_error_set(&result->error, PGNET_PROBLEM_MEMORY,
					"could not watch a socket: %s", strerror(errno));
	fail(dial);
}

/* No address could be connected to. */
static void
fail_to_connect(Dial *dial)
{
	DialResult *result = &dial->result;

	if (result->shortage != PGNET_SHORT_OF_NOTHING)
		pgnet_error_set(&result->error, PGNET_PROBLEM_SHORTAGE, "%s",
						strerror(result->error.system_errno));
	else
	{
		pgnet_error_set(&result->error, PGNET_PROBLEM_CONNECT, "%s",
						strerror(dial->failure_errno));
		if (dial->route->socket_path == NULL)
			pgnet_resolver_forget(dial->options->resolver,
								  dial->route->connect_host);
	}
	fail(dial);
}

/* Give up, because of the error in the result. */
static void
fail(Dial *dial)
{
	DialResult *result = &dial->result;
	HttpError  *error = &result->error;

	result->failed_phase = result->phase;
	result->phase = PGNET_DIAL_FAILED;
	if (error->problem == PGNET_PROBLEM_SHORTAGE)
	{
		if (result->shortage == PGNET_SHORT_OF_NOTHING)
			result->shortage = error->system_errno == ENOMEM ?
				PGNET_SHORT_OF_MEMORY :
				PGNET_SHORT_OF_DESCRIPTORS;
	}
	else if (error->problem == PGNET_PROBLEM_MEMORY)
	{
		result->shortage = PGNET_SHORT_OF_MEMORY;
		error->system_errno = ENOMEM;
	}
	/* the authority's file could not be opened, perhaps */
	else if ((error->problem == PGNET_PROBLEM_AUTHORITIES ||
			  error->problem == PGNET_PROBLEM_VERIFICATION ||
			  error->problem == PGNET_PROBLEM_RESOLVE_HOST) &&
			 descriptors_are_short())
	{
		result->shortage = PGNET_SHORT_OF_DESCRIPTORS;
		error->system_errno = EMFILE;
	}
	pgnet_watch_end(dial->options->poller, &dial->watch);
	if (dial->starting)
		pgnet_timer_set(dial->options->timers, &dial->timer, 0);
	else
		dial->done(dial, dial->arg);
}

/* Are descriptors short, of this process or of the whole system? */
static bool
descriptors_are_short(void)
{
	struct rlimit limit;
	int			fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == EMFILE || errno == ENFILE;
	close(fd);
	return getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
		limit.rlim_cur != RLIM_INFINITY &&
		(rlim_t) fd + FEW_DESCRIPTORS >= limit.rlim_cur;
}
