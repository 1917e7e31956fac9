/*
 * engine.c -- drives many HTTP transfers at once.
 *
 * Runs in: workers.
 *
 * Nouns: the engine has shards.  A shard is one libcurl multi handle with the
 * connections of those hosts that hash to it: a multi handle walks lists whose
 * length is the number of its transfers, so a few small ones are faster than
 * a large one, and a host keeps to its shard so that connections are reused.
 *
 * All sockets of all shards are in one epoll descriptor, and that descriptor
 * is in one wait event set beside the latch, so there is one place to sleep
 * and its cost is by event, not by open connection.
 *
 * Signals: libcurl's resolver makes threads, and a thread inherits the signal
 * mask of the moment.  PostgreSQL's handlers must not run in one, so all
 * signals are blocked while libcurl is at work.
 */
#include "postgres.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "compat.h"
#include "exchange.h"
#include "http/engine.h"
#include "http/outcome.h"
#include "http/sockets.h"
#include "http/transfer.h"

/* As measured: beyond some 128 active connections a multi handle slows down. */
#define TRANSFERS_PER_SHARD 128
#define MAX_SHARDS 16

/* Idle handles kept; each holds a few kB. */
#define MAX_SPARE_HANDLES 256

/* What we keep of one response. */
#define MAX_RESPONSE_BYTES ((size_t) 256 * 1024 * 1024)
#define MAX_HEADER_BYTES ((size_t) 256 * 1024)

/* Descriptors beyond this are not used. */
#define MAX_FD 262144

#define SOCKET_EVENTS 256
#define NO_DEADLINE PG_INT64_MAX

typedef struct EngineShard
{
	HttpEngine *engine;
	int			index;
	CURLM	   *multi;
	int64		deadline_us;	/* libcurl's timer, in now_us() time */
	bool		touched;		/* libcurl did something since the last reap */
} EngineShard;

struct HttpEngine
{
	MemoryContext context;
	TransferOptions options;
	Sockets    *sockets;
	WaitEventSet *wait_set;
	uint32		wait_event;

	int			nshards;
	EngineShard shards[MAX_SHARDS];

	CURL	   *spare[MAX_SPARE_HANDLES];
	int			nspare;

	dlist_head	starting;		/* handed over, not yet libcurl's */
	int			in_flight;		/* starting ones included */
	int			nfinished;
	dlist_head	finished;
};

static const char *create_shards(HttpEngine *engine, int max_in_flight,
								 int max_per_host);
static const char *create_shard(HttpEngine *engine, int max_connections);
static void create_wait_set(HttpEngine *engine);
static int	start_requests(HttpEngine *engine);
static void start_request(HttpEngine *engine, HttpRequest *request);
static CURL *take_handle(HttpEngine *engine);
static void put_handle(HttpEngine *engine, CURL *easy);
static void finish(HttpEngine *engine, HttpRequest *request);
static int	drive_sockets(HttpEngine *engine);
static int	drive_timers(HttpEngine *engine);
static void reap(EngineShard *shard);
static long until_deadline_ms(const HttpEngine *engine);
static int	on_socket(CURL *easy, curl_socket_t fd, int what, void *shard,
					  void *unused);
static int	on_timer(CURLM *multi, long timeout_ms, void *shard);
static int64 now_us(void);
static void block_signals(sigset_t *before);
static void restore_signals(const sigset_t *before);

/* Make an engine. */
HttpEngine *
pgnet_engine_create(MemoryContext parent, int max_in_flight, int max_per_host,
					const char **error)
{
	MemoryContext context = AllocSetContextCreate(parent, "pg_net engine",
												  ALLOCSET_DEFAULT_SIZES);
	HttpEngine *engine = MemoryContextAllocZero(context, sizeof(HttpEngine));
	sigset_t	before;

	engine->context = context;
	dlist_init(&engine->starting);
	dlist_init(&engine->finished);
	engine->sockets = pgnet_sockets_create(context, MAX_FD);
	if (engine->sockets == NULL)
	{
		*error = strerror(errno);
		return NULL;
	}
	engine->options = (TransferOptions) {
		.sockets = engine->sockets,
		.ca_path = curl_version_info(CURLVERSION_NOW)->capath,
		.max_response_bytes = MAX_RESPONSE_BYTES,
		.max_header_bytes = MAX_HEADER_BYTES
	};

	block_signals(&before);
	*error = create_shards(engine, max_in_flight, max_per_host);
	restore_signals(&before);
	if (*error != NULL)
		return NULL;
	create_wait_set(engine);
	return engine;
}

/* Trust a file, or the system's authorities. */
void
pgnet_engine_set_ca_file(HttpEngine *engine, const char *ca_file)
{
	/* transfers under way may hold the old string: it stays */
	engine->options.ca_file = *ca_file == '\0' ? NULL :
		MemoryContextStrdup(engine->context, ca_file);
}

/* Send a request, at the next drive. */
void
pgnet_engine_start(HttpEngine *engine, HttpRequest *request)
{
	dlist_push_tail(&engine->starting, &request->node);
	engine->in_flight++;
}

/* Let libcurl act on whatever is ready or due. */
bool
pgnet_engine_drive(HttpEngine *engine)
{
	sigset_t	before;
	int			acts;

	block_signals(&before);
	acts = start_requests(engine);
	acts += drive_sockets(engine);
	acts += drive_timers(engine);
	for (int i = 0; i < engine->nshards; i++)
		if (engine->shards[i].touched)
			reap(&engine->shards[i]);
	restore_signals(&before);
	return acts > 0;
}

/* Sleep. */
void
pgnet_engine_wait(HttpEngine *engine, long timeout_ms)
{
	long		due_ms = until_deadline_ms(engine);
	WaitEvent	event;

	if (due_ms >= 0 && (timeout_ms < 0 || due_ms < timeout_ms))
		timeout_ms = due_ms;
	if (WaitEventSetWait(engine->wait_set, timeout_ms, &event, 1,
						 pgnet_wait_event(&engine->wait_event, "PgNetWorkerMain")) == 1 &&
		(event.events & WL_LATCH_SET))
		ResetLatch(MyLatch);
}

/* Requests under way. */
int
pgnet_engine_in_flight(const HttpEngine *engine)
{
	return engine->in_flight;
}

/* Hand over what is finished. */
int
pgnet_engine_take_finished(HttpEngine *engine, dlist_head *list)
{
	int			count = engine->nfinished;

	while (!dlist_is_empty(&engine->finished))
		dlist_push_tail(list, dlist_pop_head_node(&engine->finished));
	engine->nfinished = 0;
	return count;
}

/* Make as many shards as the transfers need. */
static const char *
create_shards(HttpEngine *engine, int max_in_flight, int max_per_host)
{
	int			wanted = max_in_flight / TRANSFERS_PER_SHARD;
	int			connections = Max(max_per_host, TRANSFERS_PER_SHARD);

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return "libcurl could not be initialized";
	while (engine->nshards < Max(Min(wanted, MAX_SHARDS), 1))
	{
		const char *error = create_shard(engine, Min(connections, max_in_flight));

		if (error != NULL)
			return error;
	}
	return NULL;
}

/* Make one more shard, which keeps so many connections open. */
static const char *
create_shard(HttpEngine *engine, int max_connections)
{
	EngineShard *shard = &engine->shards[engine->nshards];

	*shard = (EngineShard) {
		.engine = engine,
		.index = engine->nshards,
		.multi = curl_multi_init(),
		.deadline_us = NO_DEADLINE
	};
	if (shard->multi == NULL)
		return "out of memory";
	if (curl_multi_setopt(shard->multi, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK ||
		curl_multi_setopt(shard->multi, CURLMOPT_SOCKETDATA, shard) != CURLM_OK ||
		curl_multi_setopt(shard->multi, CURLMOPT_TIMERFUNCTION, on_timer) != CURLM_OK ||
		curl_multi_setopt(shard->multi, CURLMOPT_TIMERDATA, shard) != CURLM_OK ||
		curl_multi_setopt(shard->multi, CURLMOPT_MAXCONNECTS, (long) max_connections) != CURLM_OK)
		return "libcurl refused an option of its multi interface";
	engine->nshards++;
	return NULL;
}

/* The latch, the end of the postmaster, and all sockets as one. */
static void
create_wait_set(HttpEngine *engine)
{
	engine->wait_set = PGNET_CREATE_WAIT_EVENT_SET(engine->context, 3);
	AddWaitEventToSet(engine->wait_set, WL_LATCH_SET, PGINVALID_SOCKET,
					  MyLatch, NULL);
	AddWaitEventToSet(engine->wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET,
					  NULL, NULL);
	AddWaitEventToSet(engine->wait_set, WL_SOCKET_READABLE,
					  pgnet_sockets_epoll_fd(engine->sockets), NULL, NULL);
}

/* Give new requests to libcurl; how many. */
static int
start_requests(HttpEngine *engine)
{
	int			count = 0;

	for (; !dlist_is_empty(&engine->starting); count++)
		start_request(engine,
					  dlist_container(HttpRequest, node,
									  dlist_pop_head_node(&engine->starting)));
	return count;
}

/* Give one request to libcurl; one it does not take is finished. */
static void
start_request(HttpEngine *engine, HttpRequest *request)
{
	EngineShard *shard = &engine->shards[request->host_key % engine->nshards];
	CURL	   *easy = take_handle(engine);
	Transfer   *transfer;

	if (easy == NULL)
	{
		pgnet_outcome_failed(request, "out of memory");
		finish(engine, request);
		return;
	}
	transfer = pgnet_transfer_create(easy, request, &engine->options);
	if (transfer != NULL && curl_multi_add_handle(shard->multi, easy) == CURLM_OK)
		return;
	if (transfer != NULL)
		pgnet_transfer_finish(transfer, easy, CURLE_OUT_OF_MEMORY);
	put_handle(engine, easy);
	finish(engine, request);
}

/* A handle, clean; NULL when memory is out. */
static CURL *
take_handle(HttpEngine *engine)
{
	if (engine->nspare > 0)
		return engine->spare[--engine->nspare];
	return curl_easy_init();
}

/* Keep a handle for the next request, or not. */
static void
put_handle(HttpEngine *engine, CURL *easy)
{
	if (engine->nspare == MAX_SPARE_HANDLES)
	{
		curl_easy_cleanup(easy);
		return;
	}
	curl_easy_reset(easy);
	engine->spare[engine->nspare++] = easy;
}

/* A request has its outcome. */
static void
finish(HttpEngine *engine, HttpRequest *request)
{
	engine->in_flight--;
	engine->nfinished++;
	dlist_push_tail(&engine->finished, &request->node);
}

/* Tell libcurl which sockets are ready; how many. */
static int
drive_sockets(HttpEngine *engine)
{
	SocketEvent events[SOCKET_EVENTS];
	int			nevents = pgnet_sockets_poll(engine->sockets, events,
											 SOCKET_EVENTS);

	for (int i = 0; i < nevents; i++)
	{
		EngineShard *shard = &engine->shards[events[i].owner];
		int			running;

		(void) curl_multi_socket_action(shard->multi, events[i].fd,
										events[i].ready, &running);
		shard->touched = true;
	}
	return nevents;
}

/* Tell libcurl which timers are due; how many. */
static int
drive_timers(HttpEngine *engine)
{
	int64		now = now_us();
	int			ndue = 0;

	for (int i = 0; i < engine->nshards; i++)
	{
		EngineShard *shard = &engine->shards[i];
		int			running;

		if (shard->deadline_us > now)
			continue;
		/* libcurl sets the next one through on_timer(), or none */
		shard->deadline_us = NO_DEADLINE;
		(void) curl_multi_socket_action(shard->multi, CURL_SOCKET_TIMEOUT, 0,
										&running);
		shard->touched = true;
		ndue++;
	}
	return ndue;
}

/* Collect the finished transfers of a shard. */
static void
reap(EngineShard *shard)
{
	CURLMsg    *message;
	int			left;

	shard->touched = false;
	while ((message = curl_multi_info_read(shard->multi, &left)) != NULL)
	{
		CURL	   *easy = message->easy_handle;
		CURLcode	result = message->data.result;
		HttpRequest *request;

		if (message->msg != CURLMSG_DONE)
			continue;
		/* removing the handle ends the life of the message */
		(void) curl_multi_remove_handle(shard->multi, easy);
		request = pgnet_transfer_finish(pgnet_transfer_of(easy), easy, result);
		put_handle(shard->engine, easy);
		finish(shard->engine, request);
	}
}

/* Milliseconds until the next timer of libcurl's, rounded up; -1: none. */
static long
until_deadline_ms(const HttpEngine *engine)
{
	int64		earliest = NO_DEADLINE;
	int64		now;

	for (int i = 0; i < engine->nshards; i++)
		earliest = Min(earliest, engine->shards[i].deadline_us);
	if (earliest == NO_DEADLINE)
		return -1;
	now = now_us();
	return earliest <= now ? 0 : (long) ((earliest - now + 999) / 1000);
}

/* CURLMOPT_SOCKETFUNCTION */
static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	EngineShard *shard = arg;

	(void) easy;
	(void) unused;
	pgnet_sockets_watch(shard->engine->sockets, fd, what, shard->index);
	return 0;
}

/* CURLMOPT_TIMERFUNCTION */
static int
on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	EngineShard *shard = arg;

	(void) multi;
	shard->deadline_us = timeout_ms < 0 ? NO_DEADLINE :
		now_us() + (int64) timeout_ms * 1000;
	return 0;
}

/* A clock that nobody sets back, in microseconds. */
static int64
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Block every signal. */
static void
block_signals(sigset_t *before)
{
	sigset_t	all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, before);
}

/* Undo block_signals(). */
static void
restore_signals(const sigset_t *before)
{
	pthread_sigmask(SIG_SETMASK, before, NULL);
}
