/*
 * bare.c -- what libcurl alone can do: N requests, C at a time, no database.
 *
 * The yardstick for bench/run.  It sets the options pg_net sets for each
 * request and collects the answers, but reads no queue and stores nothing;
 * what pg_net costs beyond this is the price of the database around it.
 *
 * One multi handle and libcurl's socket interface over an epoll of our own.
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
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_TIMEOUT_MS 5000L
#define EVENTS_PER_WAIT 256
#define MAX_HEADERS 32

typedef struct Buffer
{
	char	   *data;
	size_t		length;
	size_t		capacity;
} Buffer;

typedef struct Transfer
{
	CURL	   *easy;
	struct curl_slist *headers;
	Buffer		header_bytes;
	Buffer		body_bytes;
	double		started;
} Transfer;

/* What we know of one descriptor. */
typedef struct Watch
{
	/* opened by open_socket(), so close_socket() will hear of its end */
	bool		ours;
	/* libcurl has asked for events and has not taken that back */
	bool		wanted;
	/* the events the epoll has it with; 0 = it is not in the epoll */
	uint32_t	registered;
} Watch;

/* the command line: --url U --count N and so on */
static const char *url;
static const char *cafile;
static const char *extra_headers[MAX_HEADERS];
static int	extra_header_count;
static long count = 10000;
static long concurrency = 100;
static long body_bytes;
static long max_seconds = 120;
static bool post;
static bool http2;
static bool fresh;
static bool latency;

static CURLM *multi;
static int	epoll_fd;
/* when libcurl wants to be called without an event; negative = never */
static double timer_due = -1;
/* indexed by descriptor */
static Watch *watches;
static int	watch_count;

static char *request_body;
static long started;
static long ok;
static long failed;
/* microseconds, one for each finished request */
static double *latencies;

static void read_options(int argc, char **argv);
static void open_multi(void);
static void run_all(void);
static void start_transfer(Transfer *transfer);
static void wait_and_act(double deadline);
static void take_finished(Transfer **idle, long *idle_count);
static void report(double seconds, double cpu_seconds);

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "bare: %s: %s\n", what, why);
	exit(2);
}

static void *
need(void *memory)
{
	if (memory == NULL)
		die("could not go on", "out of memory");
	return memory;
}

/* One place looks at every option's result, and names the option. */
#define SET(easy, option, value) \
	do { \
		CURLcode	set_result = curl_easy_setopt(easy, option, value); \
		if (set_result != CURLE_OK) \
			die(#option, curl_easy_strerror(set_result)); \
	} while (0)

#define SET_MULTI(option, value) \
	do { \
		CURLMcode	set_result = curl_multi_setopt(multi, option, value); \
		if (set_result != CURLM_OK) \
			die(#option, curl_multi_strerror(set_result)); \
	} while (0)

static double
clock_seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static double
now(void)
{
	return clock_seconds(CLOCK_MONOTONIC);
}

int
main(int argc, char **argv)
{
	double		begin;
	double		cpu_begin;

	read_options(argc, argv);
	/* should a library call ever hang, the kernel ends us */
	alarm(max_seconds + 10);
	request_body = need(malloc(body_bytes + 1));
	memset(request_body, 'x', body_bytes);
	latencies = need(malloc(count * sizeof(double)));
	open_multi();

	begin = now();
	cpu_begin = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
	run_all();
	report(now() - begin, clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_begin);

	return ok == count ? 0 : 1;
}

static long
read_number(const char *name, const char *text)
{
	char	   *end;
	long		value = strtol(text, &end, 10);

	if (end == text || *end != '\0' || value < 0 || value > 1000000000)
		die(name, "not a number we can use");
	return value;
}

static void
read_valued_option(const char *name, const char *value)
{
	if (strcmp(name, "--url") == 0)
		url = value;
	else if (strcmp(name, "--count") == 0)
		count = read_number(name, value);
	else if (strcmp(name, "--concurrency") == 0)
		concurrency = read_number(name, value);
	else if (strcmp(name, "--method") == 0)
		post = strcmp(value, "POST") == 0;
	else if (strcmp(name, "--body-bytes") == 0)
		body_bytes = read_number(name, value);
	else if (strcmp(name, "--header") == 0 && extra_header_count < MAX_HEADERS)
		extra_headers[extra_header_count++] = value;
	else if (strcmp(name, "--cafile") == 0)
		cafile = value;
	else if (strcmp(name, "--max-seconds") == 0)
		max_seconds = read_number(name, value);
	else
		die(name, "unknown, or too many of them");
}

static void
read_options(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
	{
		if (strcmp(argv[i], "--http2") == 0)
			http2 = true;
		else if (strcmp(argv[i], "--fresh") == 0)
			fresh = true;
		else if (strcmp(argv[i], "--latency") == 0)
			latency = true;
		else if (i + 1 == argc)
			die(argv[i], "unknown, or without its value");
		else
		{
			read_valued_option(argv[i], argv[i + 1]);
			i++;
		}
	}
	if (url == NULL || count < 1 || concurrency < 1)
		die("options", "--url, a count and a concurrency are needed");
	if (latency)
		concurrency = 1;
	if (concurrency > count)
		concurrency = count;
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

	(void) easy, (void) arg, (void) unused;

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

static curl_socket_t
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

static int
close_socket(void *arg, curl_socket_t fd)
{
	(void) arg;
	/* closing takes it out of the epoll */
	*watch_of(fd) = (Watch) {0};
	return close(fd);
}

/* CURLMOPT_TIMERFUNCTION */
static int
timer_changed(CURLM *unused_multi, long timeout_ms, void *arg)
{
	(void) unused_multi, (void) arg;
	timer_due = timeout_ms < 0 ? -1 : now() + timeout_ms / 1e3;
	return 0;
}

static void
open_multi(void)
{
	if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK)
		die("libcurl", "could not be set up");
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	multi = need(curl_multi_init());
	if (epoll_fd < 0)
		die("epoll", strerror(errno));
	SET_MULTI(CURLMOPT_SOCKETFUNCTION, socket_changed);
	SET_MULTI(CURLMOPT_TIMERFUNCTION, timer_changed);
	/* the default follows the handles added at this moment, and would close */
	SET_MULTI(CURLMOPT_MAXCONNECTS, concurrency);
}

/* Keeps concurrency transfers under way until all are through. */
static void
run_all(void)
{
	double		deadline = now() + max_seconds;
	Transfer   *transfers = need(calloc(concurrency, sizeof(Transfer)));
	Transfer  **idle = need(calloc(concurrency, sizeof(Transfer *)));
	long		idle_count = 0;

	for (long i = 0; i < concurrency; i++)
	{
		transfers[i].easy = need(curl_easy_init());
		idle[idle_count++] = &transfers[i];
	}

	while (ok + failed < count && now() < deadline)
	{
		while (idle_count > 0 && started < count)
			start_transfer(idle[--idle_count]);
		wait_and_act(deadline);
		take_finished(idle, &idle_count);
	}
}

/* CURLOPT_WRITEFUNCTION and CURLOPT_HEADERFUNCTION */
static size_t
collect(char *data, size_t size, size_t nitems, void *arg)
{
	Buffer	   *buffer = arg;
	size_t		bytes = size * nitems;

	if (buffer->length + bytes > buffer->capacity)
	{
		buffer->capacity = (buffer->length + bytes) * 2;
		buffer->data = need(realloc(buffer->data, buffer->capacity));
	}
	memcpy(buffer->data + buffer->length, data, bytes);
	buffer->length += bytes;
	return bytes;
}

static void
add_header(Transfer *transfer, const char *header)
{
	transfer->headers = need(curl_slist_append(transfer->headers, header));
}

/* All options are set anew: for pg_net every request is another one, too. */
static void
start_transfer(Transfer *transfer)
{
	CURL	   *easy = transfer->easy;

	transfer->started = now();
	transfer->header_bytes.length = 0;
	transfer->body_bytes.length = 0;
	curl_easy_reset(easy);

	add_header(transfer, "User-Agent: pg_net-bench/1");
	for (int i = 0; i < extra_header_count; i++)
		add_header(transfer, extra_headers[i]);
	if (fresh)
		add_header(transfer, "Connection: close");

	SET(easy, CURLOPT_URL, url);
	SET(easy, CURLOPT_NOSIGNAL, 1L);
	SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(easy, CURLOPT_PROXY, "");
	SET(easy, CURLOPT_HTTPHEADER, transfer->headers);
	SET(easy, CURLOPT_WRITEFUNCTION, collect);
	SET(easy, CURLOPT_WRITEDATA, &transfer->body_bytes);
	SET(easy, CURLOPT_HEADERFUNCTION, collect);
	SET(easy, CURLOPT_HEADERDATA, &transfer->header_bytes);
	SET(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
	SET(easy, CURLOPT_TIMEOUT_MS, REQUEST_TIMEOUT_MS);
	SET(easy, CURLOPT_HTTP_VERSION, http2 ?
		(long) CURL_HTTP_VERSION_2TLS : (long) CURL_HTTP_VERSION_1_1);
	SET(easy, CURLOPT_PRIVATE, transfer);
	/* a burst would open many connections before it knows it may share one */
	if (http2)
		SET(easy, CURLOPT_PIPEWAIT, 1L);
	if (fresh)
		SET(easy, CURLOPT_FORBID_REUSE, 1L);
	/* NB: the default CAPATH stays, for the store to be cheap: see README */
	if (cafile != NULL)
		SET(easy, CURLOPT_CAINFO, cafile);
	if (post)
	{
		SET(easy, CURLOPT_POST, 1L);
		SET(easy, CURLOPT_POSTFIELDS, request_body);
		SET(easy, CURLOPT_POSTFIELDSIZE_LARGE,
			(curl_off_t) body_bytes);
	}

	if (curl_multi_add_handle(multi, easy) != CURLM_OK)
		die("curl_multi_add_handle", "failed");
	started++;
}

static void
act(curl_socket_t fd, int what)
{
	int			running;
	CURLMcode	result = curl_multi_socket_action(multi, fd, what, &running);

	if (result != CURLM_OK)
		die("curl_multi_socket_action", curl_multi_strerror(result));
}

/* Milliseconds to sleep, rounded up so that a due timer really is due. */
static int
wait_ms(double deadline)
{
	double		until = deadline;
	double		left;

	if (timer_due >= 0 && timer_due < until)
		until = timer_due;
	left = until - now();
	return left <= 0 ? 0 : (int) (left * 1e3) + 1;
}

static void
wait_and_act(double deadline)
{
	struct epoll_event events[EVENTS_PER_WAIT];
	int			ready = epoll_wait(epoll_fd, events, EVENTS_PER_WAIT,
								   wait_ms(deadline));

	for (int i = 0; i < ready; i++)
	{
		int			fd = events[i].data.fd;
		uint32_t	what = events[i].events;
		Watch	   *watch = watch_of(fd);

		/* An idle connection we kept, and its server closed: stop hearing. */
		if (!watch->wanted)
		{
			watch_drop(fd, watch);
			continue;
		}
		act(fd, (what & EPOLLIN ? CURL_CSELECT_IN : 0) |
			(what & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			(what & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0));
	}
	if (timer_due >= 0 && timer_due <= now())
	{
		timer_due = -1;
		act(CURL_SOCKET_TIMEOUT, 0);
	}
}

static void
finish_transfer(Transfer *transfer, CURLcode result)
{
	long		status = 0;

	latencies[ok + failed] = (now() - transfer->started) * 1e6;
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (result == CURLE_OK && status == 200)
		ok++;
	/* one reason is enough: the others are in the count */
	else if (failed++ == 0)
		fprintf(stderr, "bare: first failure: status %ld, %s\n", status,
				curl_easy_strerror(result));

	curl_multi_remove_handle(multi, transfer->easy);
	curl_slist_free_all(transfer->headers);
	transfer->headers = NULL;
}

static void
take_finished(Transfer **idle, long *idle_count)
{
	CURLMsg    *message;
	int			left;

	while ((message = curl_multi_info_read(multi, &left)) != NULL)
	{
		Transfer   *transfer;
		/* the message dies with the handle's removal */
		CURLcode	result = message->data.result;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
		finish_transfer(transfer, result);
		idle[(*idle_count)++] = transfer;
	}
}

static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

static void
report(double seconds, double cpu_seconds)
{
	long		done = ok + failed;

	printf("{\"requests\": %ld, \"ok\": %ld, \"failed\": %ld, "
		   "\"seconds\": %.6f, \"per_second\": %.1f, \"cpu_seconds\": %.6f",
		   count, ok, count - ok, seconds,
		   seconds > 0 ? done / seconds : 0, cpu_seconds);
	if (latency && done > 0)
	{
		qsort(latencies, done, sizeof(double), compare_doubles);
		printf(", \"p50_us\": %.1f, \"p99_us\": %.1f",
			   latencies[(done - 1) / 2], latencies[(done - 1) * 99 / 100]);
	}
	puts("}");
}
