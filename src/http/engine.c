/*
 * engine.c -- drives many HTTP transfers at once.
 *
 * Runs in: workers.
 *
 * The engine has shards, each one libcurl multi handle with the connections of
 * those hosts that hash to it: a multi handle walks lists whose length is the
 * number of its transfers, so a few small ones are faster than a large one,
 * and a host keeps to its shard so that connections are reused.
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

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "compat.h"
#include "exchange.h"
#include "http/engine.h"
#include "http/outcome.h"
#include "http/shard.h"
#include "http/sockets.h"
#include "http/transfer.h"

/* As measured: beyond some 128 active connections a multi handle slows down. */
#define TRANSFERS_PER_SHARD 128
#define MAX_SHARDS 16

/* Idle handles kept; each holds a few kB. */
#define MAX_SPARE_HANDLES 256

/* What we keep of one response, and of all until they are recorded. */
#define MAX_RESPONSE_BYTES ((size_t) 256 * 1024 * 1024)
#define MAX_ALL_RESPONSE_BYTES ((size_t) 512 * 1024 * 1024)
#define MAX_HEADER_BYTES ((size_t) 256 * 1024)

/* Descriptors beyond this are not used. */
#define MAX_FD 262144

#define SOCKET_EVENTS 256

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

	size_t		response_bytes; /* of responses not recorded yet */
};

static const char *create_shards(HttpEngine *engine, int max_in_flight,
								 int max_per_host);
static void create_wait_set(HttpEngine *engine);
static int	start_requests(HttpEngine *engine);
static void start_request(HttpEngine *engine, HttpRequest *request);
static int	drive_sockets(HttpEngine *engine);
static int	drive_timers(HttpEngine *engine);
static void reap(HttpEngine *engine, EngineShard *shard);
static void finish(HttpEngine *engine, HttpRequest *request);
static CURL *take_handle(HttpEngine *engine);
static void put_handle(HttpEngine *engine, CURL *easy);
static long until_deadline_ms(const HttpEngine *engine);
static void block_signals(sigset_t *before);
static void restore_signals(const sigset_t *before);

/* Make an engine. */
HttpEngine *
pgnet_engine_create(MemoryContext parent, int max_in_flight, int max_per_host,
					const char **error)
{
	MemoryContext context;
	HttpEngine *engine;
	sigset_t	before;

	/* may throw: the worker starts, and libcurl has not been called yet */
	context = AllocSetContextCreate(parent, "pg_net engine",
									ALLOCSET_DEFAULT_SIZES);
	/* may throw: as above */
	engine = MemoryContextAllocZero(context, sizeof(HttpEngine));
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
		.max_all_response_bytes = MAX_ALL_RESPONSE_BYTES,
		.all_response_bytes = &engine->response_bytes,
		.max_header_bytes = MAX_HEADER_BYTES,
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
	/* libcurl copies it for each transfer */
	strlcpy(engine->options.ca_file, ca_file, sizeof(engine->options.ca_file));
}

/* Send a request, at the next drive. */
void
pgnet_engine_start(HttpEngine *engine, HttpRequest *request)
{
	dlist_push_tail(&engine->starting, &request->node);
	engine->in_flight++;
}

/* Let libcurl act on whatever is new, ready or due. */
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
			reap(engine, &engine->shards[i]);
	restore_signals(&before);
	return acts > 0;
}

/* Sleep. */
void
pgnet_engine_wait(HttpEngine *engine, long timeout_ms)
{
	long		due_ms = until_deadline_ms(engine);
	uint32		wait_event = pgnet_wait_event(&engine->wait_event,
											  "PgNetWorkerMain");
	WaitEvent	event;

	if (due_ms >= 0 && (timeout_ms < 0 || due_ms < timeout_ms))
		timeout_ms = due_ms;
	if (WaitEventSetWait(engine->wait_set, timeout_ms, &event, 1,
						 wait_event) == 1 &&
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
	int			nshards = max_in_flight / TRANSFERS_PER_SHARD;
	int			connections = Max(max_per_host, TRANSFERS_PER_SHARD);

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return "libcurl could not be initialized";
	nshards = Max(Min(nshards, MAX_SHARDS), 1);
	while (engine->nshards < nshards)
	{
		const char *error =
			pgnet_shard_init(&engine->shards[engine->nshards], engine->sockets,
							 engine->nshards, Min(connections, max_in_flight));

		if (error != NULL)
			return error;
		engine->nshards++;
	}
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

	while (!dlist_is_empty(&engine->starting))
	{
		dlist_node *node = dlist_pop_head_node(&engine->starting);

		start_request(engine, dlist_container(HttpRequest, node, node));
		count++;
	}
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
	if (transfer != NULL && pgnet_shard_add(shard, easy))
		return;
	if (transfer != NULL)
		pgnet_transfer_finish(transfer, easy, CURLE_OUT_OF_MEMORY);
	put_handle(engine, easy);
	finish(engine, request);
}

/* Tell libcurl which sockets are ready; how many. */
static int
drive_sockets(HttpEngine *engine)
{
	SocketEvent events[SOCKET_EVENTS];
	int			nevents = pgnet_sockets_poll(engine->sockets, events,
											 SOCKET_EVENTS);

	for (int i = 0; i < nevents; i++)
		pgnet_shard_socket_ready(&engine->shards[events[i].owner], &events[i]);
	return nevents;
}

/* Tell libcurl which timers are due; how many. */
static int
drive_timers(HttpEngine *engine)
{
	int64		now_us = pgnet_shard_now();
	int			ndue = 0;

	for (int i = 0; i < engine->nshards; i++)
		ndue += pgnet_shard_run_timer(&engine->shards[i], now_us);
	return ndue;
}

/* Collect the finished transfers of a shard. */
static void
reap(HttpEngine *engine, EngineShard *shard)
{
	CURLcode	result;
	CURL	   *easy;

	while ((easy = pgnet_shard_reap(shard, &result)) != NULL)
	{
		HttpRequest *request = pgnet_transfer_finish(pgnet_transfer_of(easy),
													 easy, result);

		put_handle(engine, easy);
		finish(engine, request);
	}
}

/* A request has its outcome. */
static void
finish(HttpEngine *engine, HttpRequest *request)
{
	engine->in_flight--;
	engine->nfinished++;
	dlist_push_tail(&engine->finished, &request->node);
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

/* Milliseconds until the next timer of libcurl's, rounded up; -1: none. */
static long
until_deadline_ms(const HttpEngine *engine)
{
	int64		earliest = PGNET_NO_DEADLINE;
	int64		now_us;

	for (int i = 0; i < engine->nshards; i++)
		earliest = Min(earliest, engine->shards[i].deadline_us);
	if (earliest == PGNET_NO_DEADLINE)
		return -1;
	now_us = pgnet_shard_now();
	return earliest <= now_us ? 0 : (long) ((earliest - now_us + 999) / 1000);
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
