/*
 * engine.c -- drives many HTTP transfers at once.
 *
 * Runs in: workers.
 *
 * All sockets are in one epoll descriptor, and that descriptor is in one wait
 * event set beside the latch, so there is one place to sleep and its cost is
 * by event, not by open connection.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "compat.h"
#include "job.h"
#include "clock_watch.h"
#include "http/body_budget.h"
#include "http/decoding.h"
#include "http/engine.h"
#include "http/handle.h"
#include "http/heap.h"
#include "http/metrics.h"
#include "http/multi.h"
#include "http/outcome.h"
#include "http/signals.h"
#include "http/sockets.h"
#include "http/transfer.h"

/* Handles cleaned before sleep while an answer may come: some 50 us. */
#define CLEAN_AT_ONCE 16

/* What the headers of one answer may be. */
#define MAX_HEADER_BYTES ((size_t) 256 * 1024)

/* Descriptors beyond this are not used. */
#define MAX_FD 262144

#define SOCKET_EVENTS 256

struct HttpEngine
{
	MemoryContext context;
	TransferOptions options;
	HttpDefaults defaults;
	Sockets    *sockets;
	WaitEventSet *wait_set;
	uint32		idle_event;		/* what its sleep is called */
	uint32		send_event;		/* the same with something in flight */

	Multi		multi;
	ParsedUrls	urls;

	Handles		handles;

	dlist_head	starting;		/* handed over, not yet libcurl's */
	dlist_head	running;		/* libcurl's, in the order of their start */
	dlist_node	mark;			/* among these: see pgnet_engine_mark() */
	SendingShared sending;		/* of those: a connection took them */
	dlist_head	finished;
	dlist_head	unsent;			/* the last one first */

	BodyBudget	bodies;
	Decoding	decoding;
	Deadlines	deadlines;
	Attempts	attempts;
};

static void create_wait_set(HttpEngine *engine);
static int	start_requests(HttpEngine *engine);
static void start_request(HttpEngine *engine, Job *job);
static void connect_now(HttpEngine *engine);
static int	drive_sockets(HttpEngine *engine);
static void reap(HttpEngine *engine);
static int	evict(HttpEngine *engine);
static int	expire(HttpEngine *engine);
static void cut_off(HttpEngine *engine, Transfer *transfer, CURL *easy,
					CURLcode result);
static void end_transfer(HttpEngine *engine, Transfer *transfer, CURL *easy,
						 CURLcode result);
static void finish(HttpEngine *engine, Job *job);
static bool has_transfers(HttpEngine *engine);
static long sooner(long one_ms, long other_ms);
static void tidy_up(HttpEngine *engine);

/* Make an engine. */
HttpEngine *
pgnet_engine_create(MemoryContext parent, Account *account,
					int max_in_flight, const char **error)
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
	dlist_init(&engine->running);
	dlist_push_tail(&engine->running, &engine->mark);
	dlist_init(&engine->finished);
	dlist_init(&engine->unsent);
	engine->sockets = pgnet_sockets_create(context, MAX_FD);
	if (engine->sockets == NULL)
	{
		*error = strerror(errno);
		return NULL;
	}
	engine->sending.sockets = engine->sockets;
	pgnet_body_budget_init(&engine->bodies, account);
	pgnet_deadlines_init(&engine->deadlines);
	pgnet_attempts_init(&engine->attempts, engine->sockets);
	engine->options = (TransferOptions) {
		.sockets = engine->sockets,
		.urls = &engine->urls,
		.defaults = &engine->defaults,
		.bodies = &engine->bodies,
		.decoding = &engine->decoding,
		.deadlines = &engine->deadlines,
		.attempts = &engine->attempts,
		.sending = &engine->sending,
		.max_header_bytes = MAX_HEADER_BYTES,
	};

	pgnet_heap_prepare();
	pgnet_signals_block(&before);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		*error = "libcurl could not be initialized";
	else
		*error = pgnet_multi_init(&engine->multi, engine->sockets,
								  max_in_flight);
	pgnet_signals_restore(&before);
	if (*error != NULL)
		return NULL;
	create_wait_set(engine);
	return engine;
}

/* Keep connections for another limit. */
void
pgnet_engine_set_max_in_flight(HttpEngine *engine, int max_in_flight)
{
	pgnet_multi_set_max_transfers(&engine->multi, max_in_flight);
}

void
pgnet_engine_limit_connections(HttpEngine *engine, bool limit)
{
	sigset_t	before;

	pgnet_signals_block(&before);
	pgnet_multi_limit_connections(&engine->multi, limit);
	pgnet_signals_restore(&before);
}

/* Send in another way. */
void
pgnet_engine_set_defaults(HttpEngine *engine, const HttpDefaults *defaults)
{
	engine->defaults = *defaults;
}

/* Deny networks. */
void
pgnet_engine_set_denied_networks(HttpEngine *engine, const Networks *networks)
{
	engine->options.denied_networks = networks;
	pgnet_sockets_shut_down_idle(engine->sockets, networks);
}

/* Send a request, at the next drive. */
void
pgnet_engine_start(HttpEngine *engine, Job *job)
{
	dlist_push_tail(&engine->starting, &job->node);
}

/* Let libcurl act on whatever is new, ready or due. */
bool
pgnet_engine_drive(HttpEngine *engine)
{
	sigset_t	before;
	int			acts;

	pgnet_signals_block(&before);
	pgnet_deadlines_look(&engine->deadlines);
	acts = pgnet_decoding_turn(&engine->decoding);
	acts += start_requests(engine);
	acts += pgnet_body_budget_resume(&engine->bodies);
	acts += drive_sockets(engine);
	acts += pgnet_multi_run_timer(&engine->multi);
	if (engine->multi.touched)
		reap(engine);
	acts += evict(engine);
	acts += expire(engine);
	acts += pgnet_attempts_go_on(&engine->attempts);
	pgnet_deadlines_look_away(&engine->deadlines);
	pgnet_signals_restore(&before);
	return acts > 0;
}

/* Sleep. */
void
pgnet_engine_wait(HttpEngine *engine, long timeout_ms)
{
	uint32		wait_event = has_transfers(engine) ?
		pgnet_wait_event(&engine->send_event, "NetSend") :
		pgnet_wait_event(&engine->idle_event, "NetIdle");
	WaitEvent	event;

	pgnet_deadlines_look(&engine->deadlines);
	tidy_up(engine);
	timeout_ms = sooner(timeout_ms, pgnet_multi_due_ms(&engine->multi));
	timeout_ms = sooner(timeout_ms, pgnet_deadlines_due_ms(&engine->deadlines));
	if (engine->bodies.npaused > 0)
		timeout_ms = sooner(timeout_ms, PGNET_BODY_PATIENCE_MS);
	if (WaitEventSetWait(engine->wait_set, timeout_ms, &event, 1,
						 wait_event) == 1)
	{
		if (event.events & WL_LATCH_SET)
			ResetLatch(MyLatch);
		else if (event.fd == pgnet_clock_watch_fd())
			pgnet_clock_watch_rearm();
	}
	pgnet_deadlines_look_away(&engine->deadlines);
}

/* Is anything in flight?  The mark is always among those that run. */
static bool
has_transfers(HttpEngine *engine)
{
	return !dlist_is_empty(&engine->starting) ||
		engine->running.head.next != &engine->mark ||
		engine->running.head.prev != &engine->mark;
}

/* The shorter of two times to wait; less than 0 is for ever. */
static long
sooner(long one_ms, long other_ms)
{
	return one_ms < 0 || (other_ms >= 0 && other_ms < one_ms) ? other_ms :
																one_ms;
}

void
pgnet_engine_mark(HttpEngine *engine)
{
	dlist_delete(&engine->mark);
	dlist_push_tail(&engine->running, &engine->mark);
}

bool
pgnet_engine_mark_passed(const HttpEngine *engine)
{
	return engine->running.head.next == &engine->mark;
}

/* Send no more. */
void
pgnet_engine_close(HttpEngine *engine)
{
	engine->sending.closed = true;
}

/* Requests a server may know of. */
int
pgnet_engine_sent(const HttpEngine *engine)
{
	return engine->sending.count;
}

/* Hand over what is finished. */
int
pgnet_engine_take_finished(HttpEngine *engine, dlist_head *list)
{
	int			count = 0;

	for (; !dlist_is_empty(&engine->finished); count++)
		dlist_push_tail(list, dlist_pop_head_node(&engine->finished));
	return count;
}

/* Hand over what was not sent. */
bool
pgnet_engine_take_unsent(HttpEngine *engine, dlist_head *list)
{
	if (dlist_is_empty(&engine->unsent) || engine->sending.closed)
		return false;
	while (!dlist_is_empty(&engine->unsent))
		dlist_push_tail(list, dlist_pop_head_node(&engine->unsent));
	return true;
}

/*
 * The latch, the end of the postmaster, all sockets as one, and that the clock
 * was set: then whoever called may have something to do.
 */
static void
create_wait_set(HttpEngine *engine)
{
	engine->wait_set = PGNET_CREATE_WAIT_EVENT_SET(engine->context, 4);
	AddWaitEventToSet(engine->wait_set, WL_LATCH_SET, PGINVALID_SOCKET,
					  MyLatch, NULL);
	AddWaitEventToSet(engine->wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET,
					  NULL, NULL);
	AddWaitEventToSet(engine->wait_set, WL_SOCKET_READABLE,
					  pgnet_sockets_epoll_fd(engine->sockets), NULL, NULL);
	if (pgnet_clock_watch_fd() >= 0)
		AddWaitEventToSet(engine->wait_set, WL_SOCKET_READABLE,
						  pgnet_clock_watch_fd(), NULL, NULL);
}

/* Give new requests to libcurl; how many. */
static int
start_requests(HttpEngine *engine)
{
	int			count = 0;

	while (!dlist_is_empty(&engine->starting) && !engine->sending.closed)
	{
		start_request(engine, pgnet_job_pop(&engine->starting));
		count++;
	}
	return count;
}

/* Give one request to libcurl; one it does not take is finished. */
static void
start_request(HttpEngine *engine, Job *job)
{
	CURL	   *easy = pgnet_handle_take(&engine->handles);
	Transfer   *transfer;

	dlist_push_tail(&engine->running, &job->node);
	pgnet_metrics_begin(job);
	if (easy == NULL)
	{
		pgnet_outcome_not_sent(job, PGNET_SHORT_OF_MEMORY, ENOMEM);
		finish(engine, job);
		return;
	}
	transfer = pgnet_transfer_create(easy, job, &engine->options);
	if (transfer != NULL && pgnet_multi_add(&engine->multi, easy))
	{
		if (engine->multi.limited)
			connect_now(engine);
		return;
	}
	if (transfer != NULL)
		pgnet_transfer_finish(transfer, easy, CURLE_OUT_OF_MEMORY);
	pgnet_handle_put(&engine->handles, easy);
	finish(engine, job);
}

/*
 * Let a transfer that was added ask for its connection before another one is
 * added: pgnet_multi_add() counts on it.
 */
static void
connect_now(HttpEngine *engine)
{
	(void) pgnet_multi_run_timer(&engine->multi);
	reap(engine);
}

/* Tell libcurl which sockets are ready; how many. */
static int
drive_sockets(HttpEngine *engine)
{
	SocketEvent events[SOCKET_EVENTS];
	int			nevents = pgnet_sockets_poll(engine->sockets, events,
											 SOCKET_EVENTS);

	for (int i = 0; i < nevents; i++)
		pgnet_multi_socket_ready(&engine->multi, &events[i]);
	return nevents;
}

/* Collect the finished transfers. */
static void
reap(HttpEngine *engine)
{
	CURLcode	result;
	CURL	   *easy;

	while ((easy = pgnet_multi_reap(&engine->multi, &result)) != NULL)
	{
		Transfer   *transfer = pgnet_transfer_of(easy);

		if (pgnet_transfer_go_on(transfer, &easy, result))
		{
			if (pgnet_multi_add(&engine->multi, easy))
				continue;
			result = CURLE_OUT_OF_MEMORY;
		}
		end_transfer(engine, transfer, easy, result);
	}
}

/*
 * End transfers whose memory others need, and those that failed when they
 * should go on; how many.
 */
static int
evict(HttpEngine *engine)
{
	BodyReceiver *receiver;
	DecodingMember *member;
	int			count = 0;

	while ((member = pgnet_decoding_failed(&engine->decoding)) != NULL)
	{
		CURL	   *easy;
		Transfer   *transfer = pgnet_transfer_undecodable(member, &easy);

		cut_off(engine, transfer, easy, CURLE_WRITE_ERROR);
		count++;
	}
	while ((receiver = pgnet_body_budget_evict(&engine->bodies)) != NULL)
	{
		CURL	   *easy;
		Transfer   *transfer = pgnet_transfer_evicted(receiver, &easy);

		cut_off(engine, transfer, easy, CURLE_WRITE_ERROR);
		count++;
	}
	return count;
}

/* End the transfers whose time is over; how many. */
static int
expire(HttpEngine *engine)
{
	Deadline   *deadline;
	int			count = 0;

	while ((deadline = pgnet_deadlines_due(&engine->deadlines)) != NULL)
	{
		CURL	   *easy;
		Transfer   *transfer = pgnet_transfer_due(deadline, &easy);

		cut_off(engine, transfer, easy, CURLE_OPERATION_TIMEDOUT);
		count++;
	}
	return count;
}

/* End a transfer that libcurl has not finished. */
static void
cut_off(HttpEngine *engine, Transfer *transfer, CURL *easy, CURLcode result)
{
	pgnet_multi_remove(&engine->multi, easy);
	end_transfer(engine, transfer, easy, result);
}

/* libcurl has let go of a transfer. */
static void
end_transfer(HttpEngine *engine, Transfer *transfer, CURL *easy,
			 CURLcode result)
{
	Job		   *job = pgnet_transfer_finish(transfer, easy, result);

	pgnet_handle_put(&engine->handles, easy);
	finish(engine, job);
}

/* A request has its outcome. */
static void
finish(HttpEngine *engine, Job *job)
{
	dlist_delete(&job->node);
	if (job->outcome.kind == PGNET_OUTCOME_NOT_SENT)
	{
		dlist_push_head(&engine->unsent, &job->node);
		return;
	}
	dlist_push_tail(&engine->finished, &job->node);
}

/* Nothing is urgent: prepare for the next requests, and keep what is of use. */
static void
tidy_up(HttpEngine *engine)
{
	bool		idle = engine->multi.transfers == 0;
	bool		renew = idle && pgnet_sockets_have_ended(engine->sockets);
	sigset_t	before;

	if (idle && pgnet_heap_is_large(engine->bodies.highest))
	{
		engine->bodies.highest = 0;
		pgnet_heap_give_back();
	}
	if (engine->handles.nused == 0 && !renew)
		return;
	pgnet_signals_block(&before);
	pgnet_handles_clean(&engine->handles,
						idle ? PGNET_SPARE_HANDLES : CLEAN_AT_ONCE);
	if (renew)
		pgnet_multi_renew(&engine->multi);
	pgnet_signals_restore(&before);
}
