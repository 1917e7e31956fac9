/*
 * loop.c -- libcurl's socket interface over an epoll of our own.
 *
 * Descriptors are registered lazily: libcurl lets go of a kept-alive
 * connection after every answer and wants it back with the next request, and
 * following that naively is two system calls per request for nothing.  So a
 * descriptor stays in the epoll when libcurl removes it, a change which
 * changes nothing is skipped, and the descriptor is forgotten when it is
 * closed.
 *
 * NB: that is safe only where we hear of the close.  The socket pair that
 * wakes libcurl from its resolver's thread is opened and closed without
 * telling us, so its descriptors are dropped at the very moment libcurl says
 * so; the number may belong to something else right after.
 *
 * A multi handle with thousands of transfers is slow, so there may be several
 * (--multis), each with the connections of its share of the hosts.
 */
#include "bare.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_PER_WAIT 256

typedef struct Multi
{
	CURLM	   *handle;
	/* when libcurl wants to be called without an event; negative = never */
	double		timer_due;
	/* it was called, and may have finished transfers */
	bool		touched;
} Multi;

/* What we know of one descriptor. */
typedef struct Watch
{
	/* opened by open_socket(), so close_socket() will hear of its end */
	bool		ours;
	/* libcurl has asked for events and has not taken that back */
	bool		wanted;
	/* the events the epoll has it with; 0 = it is not in the epoll */
	uint32_t	registered;
	Multi	   *multi;
} Watch;

static int	epoll_fd;
static Multi *multis;
/* indexed by descriptor */
static Watch *watches;
static int	watch_count;
static Transfer *transfers;
static Transfer **idle;
static long idle_count;
static long started;
static Results results;

static void open_multis(void);
static void start_transfer(Transfer *transfer);
static void wait_and_act(double deadline);
static void take_finished(Multi *multi);

/* Prepares what lives as long as the process. */
void
open_loop(void)
{
	open_multis();
	transfers = need(calloc(options.concurrency, sizeof(Transfer)));
	idle = need(calloc(options.concurrency, sizeof(Transfer *)));
	for (long i = 0; i < options.concurrency; i++)
	{
		long		host = i % options.hosts;

		open_transfer(&transfers[i], host);
		transfers[i].multi = multis[host % options.multis].handle;
		idle[idle_count++] = &transfers[i];
	}
}

/* Keeps concurrency transfers under way until all are through. */
Results
run_requests(long count)
{
	double		deadline = now() + options.max_seconds;

	started = 0;
	results = (Results) {0};
	if (options.latencies != NULL)
		results.latencies_us = need(malloc(count * sizeof(double)));
	while (results.ok + results.failed < count && now() < deadline)
	{
		while (idle_count > 0 && started < count)
			start_transfer(idle[--idle_count]);
		wait_and_act(deadline);
		for (long i = 0; i < options.multis; i++)
			if (multis[i].touched)
				take_finished(&multis[i]);
	}
	return results;
}

static Watch *
watch_of(int fd)
{
	if (fd >= watch_count)
	{
		int			wider = fd * 2 + 64;

		watches = need(realloc(watches, wider * sizeof(Watch)));
		memset(watches + watch_count, 0, (wider - watch_count) * sizeof(Watch));
		watch_count = wider;
	}
	return &watches[fd];
}

static void
watch_drop(int fd, Watch *watch)
{
	if (watch->registered != 0)
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	watch->registered = 0;
}

/* CURLMOPT_SOCKETFUNCTION: libcurl tells which events it wants from fd. */
static int
socket_changed(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	Watch	   *watch = watch_of(fd);
	struct epoll_event event = {.data.fd = fd};
	int			operation;

	(void) easy, (void) unused;

	watch->multi = arg;
	watch->wanted = what != CURL_POLL_REMOVE;
	if (!watch->wanted)
	{
		if (!watch->ours)
			watch_drop(fd, watch);
		return 0;
	}

	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0) |
		(what & CURL_POLL_OUT ? EPOLLOUT : 0);
	if (event.events == watch->registered)
		return 0;
	operation = watch->registered != 0 ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (epoll_ctl(epoll_fd, operation, fd, &event) != 0)
		die("could not watch a socket", strerror(errno));
	watch->registered = event.events;
	return 0;
}

/* CURLOPT_OPENSOCKETFUNCTION */
curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	int			fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
							address->protocol);

	(void) arg, (void) purpose;
	if (fd < 0)
		return CURL_SOCKET_BAD;
	*watch_of(fd) = (Watch) {.ours = true};
	return fd;
}

/* CURLOPT_CLOSESOCKETFUNCTION */
int
close_socket(void *arg, curl_socket_t fd)
{
	(void) arg;
	/* closing takes it out of the epoll */
	*watch_of(fd) = (Watch) {0};
	return close(fd);
}

/* CURLMOPT_TIMERFUNCTION */
static int
timer_changed(CURLM *unused, long timeout_ms, void *arg)
{
	Multi	   *multi = arg;

	(void) unused;
	multi->timer_due = timeout_ms < 0 ? -1 : now() + timeout_ms / 1e3;
	return 0;
}

#define SET(option, value) \
	do { \
		CURLMcode	result = curl_multi_setopt(multi->handle, option, value); \
		if (result != CURLM_OK) \
			die(#option, curl_multi_strerror(result)); \
	} while (0)

static void
open_multis(void)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		die("epoll", strerror(errno));
	multis = need(calloc(options.multis, sizeof(Multi)));
	for (long i = 0; i < options.multis; i++)
	{
		Multi	   *multi = &multis[i];

		multi->handle = need(curl_multi_init());
		multi->timer_due = -1;
		SET(CURLMOPT_SOCKETFUNCTION, socket_changed);
		SET(CURLMOPT_SOCKETDATA, multi);
		SET(CURLMOPT_TIMERFUNCTION, timer_changed);
		SET(CURLMOPT_TIMERDATA, multi);
		/* the default follows the handles of the moment, and would close */
		SET(CURLMOPT_MAXCONNECTS, options.concurrency);
	}
}

static void
start_transfer(Transfer *transfer)
{
	if (options.latencies != NULL)
		transfer->started = now();
	if (curl_multi_add_handle(transfer->multi, transfer->easy) != CURLM_OK)
		die("curl_multi_add_handle", "failed");
	started++;
}

static void
act(Multi *multi, curl_socket_t fd, int what)
{
	int			running;
	CURLMcode	result = curl_multi_socket_action(multi->handle, fd, what,
												  &running);

	if (result != CURLM_OK)
		die("curl_multi_socket_action", curl_multi_strerror(result));
	multi->touched = true;
}

/* Milliseconds to sleep, rounded up so that a due timer really is due. */
static int
wait_ms(double deadline)
{
	double		until = deadline;
	double		left;

	for (long i = 0; i < options.multis; i++)
		if (multis[i].timer_due >= 0 && multis[i].timer_due < until)
			until = multis[i].timer_due;
	left = until - now();
	return left <= 0 ? 0 : (int) (left * 1e3) + 1;
}

static void
socket_ready(int fd, uint32_t what)
{
	Watch	   *watch = watch_of(fd);

	/* An idle connection we kept, and its server closed: stop hearing. */
	if (!watch->wanted)
	{
		watch_drop(fd, watch);
		return;
	}
	act(watch->multi, fd, (what & EPOLLIN ? CURL_CSELECT_IN : 0) |
		(what & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		(what & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0));
}

static void
wait_and_act(double deadline)
{
	struct epoll_event events[EVENTS_PER_WAIT];
	int			ready = epoll_wait(epoll_fd, events, EVENTS_PER_WAIT,
								   wait_ms(deadline));
	double		time;

	for (int i = 0; i < ready; i++)
		socket_ready(events[i].data.fd, events[i].events);
	time = now();
	for (long i = 0; i < options.multis; i++)
		if (multis[i].timer_due >= 0 && multis[i].timer_due <= time)
		{
			multis[i].timer_due = -1;
			act(&multis[i], CURL_SOCKET_TIMEOUT, 0);
		}
}

static void
take_finished(Multi *multi)
{
	CURLMsg    *message;
	int			left;

	multi->touched = false;
	while ((message = curl_multi_info_read(multi->handle, &left)) != NULL)
	{
		Transfer   *transfer;
		/* the message dies with the handle's removal */
		CURLcode	result = message->data.result;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
		if (options.latencies != NULL)
			results.latencies_us[results.ok + results.failed] =
				(now() - transfer->started) * 1e6;
		curl_multi_remove_handle(multi->handle, transfer->easy);
		/* one reason is enough: the others are in the count */
		if (was_answered(transfer, result, results.failed == 0))
			results.ok++;
		else
			results.failed++;
		idle[idle_count++] = transfer;
	}
}
