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

#include <sched.h>

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "clock_watch.h"
#include "compat.h"
#include "http/engine.h"
#include "http/heap.h"
#include "http/transfer.h"

/* Connections to be kept: one in use and one idle, for so many requests. */
#define MAX_OPEN(max_in_flight) (2 * (max_in_flight))

/* What the headers of one answer may be. */
#define MAX_HEADER_BYTES ((size_t) 256 * 1024)

/* How long to look for what comes before sleeping, and after what. */
#define MOMENT_US 60
#define LIVELY_US 1000

struct HttpEngine
{
	HttpDefaults defaults;
	TransferOptions options;
	Poller		poller;
	Timers		timers;
	Pool		pool;
	WebUrls		urls;
	ProxySetting proxy;
	BodyBudget	bodies;
	Decoding	decoding;

	int64		acted_us;		/* when there was something to do last */
	WaitEventSet *wait_set;
	uint32		idle_event;		/* what its sleep is called */
	uint32		send_event;		/* the same with something in flight */

	dlist_head	starting;		/* handed over, not yet begun */
	dlist_head	running;		/* in the order of their start */
	dlist_node	mark;			/* among these: see pgnet_engine_mark() */
	dlist_head	finished;
	dlist_head	unsent;			/* the last one first */
};

static bool create_parts(HttpEngine *engine, Account *account,
						 const char **error);
static void create_wait_set(HttpEngine *engine, MemoryContext context);
static int	start_requests(HttpEngine *engine);
static int	evict(HttpEngine *engine);
static void finished(Job *job, void *arg);
static bool has_transfers(HttpEngine *engine);
static bool comes_soon(HttpEngine *engine);
static long due_ms(HttpEngine *engine);
static long sooner(long one_ms, long other_ms);
static void tidy_up(HttpEngine *engine);

/* Make an engine. */
HttpEngine *
pgnet_engine_create(MemoryContext parent, Account *account,
					int max_in_flight, const char **error)
{
	MemoryContext context;
	HttpEngine *engine;

	/* may throw: the worker starts */
	context = AllocSetContextCreate(parent, "pg_net engine",
									ALLOCSET_DEFAULT_SIZES);
	/* may throw: as above */
	engine = MemoryContextAllocZero(context, sizeof(HttpEngine));
	dlist_init(&engine->starting);
	dlist_init(&engine->running);
	dlist_push_tail(&engine->running, &engine->mark);
	dlist_init(&engine->finished);
	dlist_init(&engine->unsent);
	pgnet_heap_prepare();
	if (!create_parts(engine, account, error))
		return NULL;
	pgnet_pool_init(&engine->pool, MAX_OPEN(max_in_flight));
	create_wait_set(engine, context);
	return engine;
}

/* Make what the transfers share; false, with *error, when that fails. */
static bool
create_parts(HttpEngine *engine, Account *account, const char **error)
{
	DialOptions *dials = &engine->pool.dials;

	pgnet_timers_init(&engine->timers);
	if (!pgnet_poller_init(&engine->poller))
	{
		*error = strerror(errno);
		return false;
	}
	pgnet_body_budget_init(&engine->bodies, account);
	dlist_init(&engine->decoding.paused);
	*dials = (DialOptions) {
		.poller = &engine->poller,
		.timers = &engine->timers,
		.tls = pgnet_tls_store_create(),
		.user_agent = "",
	};
	engine->pool.connections = (Connections) {
		.poller = &engine->poller,
		.max_head_bytes = MAX_HEADER_BYTES,
	};
	engine->options = (TransferOptions) {
		.timers = &engine->timers,
		.pool = &engine->pool,
		.tls = dials->tls,
		.urls = &engine->urls,
		.proxy = &engine->proxy,
		.defaults = &engine->defaults,
		.bodies = &engine->bodies,
		.decoding = &engine->decoding,
		.max_header_bytes = MAX_HEADER_BYTES,
		.finished = finished,
		.arg = engine,
	};
	if (dials->tls == NULL)
		*error = "out of memory";
	else
		dials->resolver = pgnet_resolver_create(&engine->poller,
												&engine->timers, account,
												error);
	return dials->tls != NULL && dials->resolver != NULL;
}

/* Keep connections for another limit. */
void
pgnet_engine_set_max_in_flight(HttpEngine *engine, int max_in_flight)
{
	pgnet_pool_set_max_open(&engine->pool, MAX_OPEN(max_in_flight));
}

/* Where one more descriptor is needed, the pool gives up its idle ones. */
void
pgnet_engine_limit_connections(HttpEngine *engine, bool limit)
{
	if (limit)
		pgnet_pool_close_idle(&engine->pool);
}

/* Send in another way. */
void
pgnet_engine_set_defaults(HttpEngine *engine, const HttpDefaults *defaults)
{
	engine->defaults = *defaults;
	engine->pool.dials.user_agent = engine->defaults.user_agent;
}

/* Deny networks. */
void
pgnet_engine_set_denied_networks(HttpEngine *engine, const Networks *networks)
{
	engine->pool.dials.denied_networks = networks;
	pgnet_pool_retire_denied(&engine->pool);
}

/* Send a request, at the next drive. */
void
pgnet_engine_start(HttpEngine *engine, Job *job)
{
	dlist_push_tail(&engine->starting, &job->node);
}

/* Act on whatever is new, ready or due; what has come goes before the time. */
bool
pgnet_engine_drive(HttpEngine *engine)
{
	int			acts;

	pgnet_timers_look(&engine->timers);
	acts = pgnet_decoding_turn(&engine->decoding);
	acts += pgnet_poller_run(&engine->poller);
	acts += pgnet_body_budget_resume(&engine->bodies);
	acts += start_requests(engine);
	pgnet_resolver_go_on(engine->pool.dials.resolver);
	acts += pgnet_dials_turn(&engine->pool.dials);
	acts += pgnet_connections_go_on(&engine->pool.connections);
	acts += evict(engine);
	acts += pgnet_timers_run(&engine->timers);
	/* until the next look: what comes meanwhile is not known */
	engine->poller.complete = false;
	pgnet_timers_look_away(&engine->timers);
	if (acts > 0)
		engine->acted_us = engine->timers.seen_us;
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

	pgnet_timers_look(&engine->timers);
	tidy_up(engine);
	timeout_ms = sooner(timeout_ms, due_ms(engine));
	if (timeout_ms != 0 && comes_soon(engine))
		timeout_ms = 0;
	if (WaitEventSetWait(engine->wait_set, timeout_ms, &event, 1,
						 wait_event) == 1)
	{
		if (event.events & WL_LATCH_SET)
			ResetLatch(MyLatch);
		else if (event.fd == pgnet_clock_watch_fd())
			pgnet_clock_watch_rearm();
	}
	pgnet_timers_look_away(&engine->timers);
}

/* Is anything in flight?  The mark is always among those that run. */
static bool
has_transfers(HttpEngine *engine)
{
	return !dlist_is_empty(&engine->starting) ||
		engine->running.head.next != &engine->mark ||
		engine->running.head.prev != &engine->mark;
}

/*
 * Does something come within a moment?  To be woken up takes longer than most
 * servers nearby take to answer.  Only just after something came: where answers
 * are slow nobody waits for them so.
 */
static bool
comes_soon(HttpEngine *engine)
{
	int64		began_us = pgnet_monotonic_us();
	int64		now_us = began_us;
	struct epoll_event unused;

	if (!has_transfers(engine) || began_us - engine->acted_us > LIVELY_US)
		return false;
	for (; now_us - began_us < MOMENT_US; now_us = pgnet_monotonic_us())
	{
		if (MyLatch->is_set ||
			epoll_wait(engine->poller.epoll_fd, &unused, 1, 0) > 0)
			return true;
		/* a server on the same processor needs it */
		(void) sched_yield();
	}
	return false;
}

/* When is something to be done at the latest?  Less than 0: never. */
static long
due_ms(HttpEngine *engine)
{
	long		due = pgnet_timers_due_ms(&engine->timers);

	if (engine->bodies.npaused > 0)
		due = sooner(due, PGNET_BODY_PATIENCE_MS);
	if (engine->decoding.npaused > 0 ||
		!dlist_is_empty(&engine->pool.dials.postponed) ||
		!dlist_is_empty(&engine->pool.connections.to_go_on))
		due = 0;
	return due;
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
	engine->options.closed = true;
}

/* Requests a server may know of. */
int
pgnet_engine_sent(const HttpEngine *engine)
{
	return engine->options.sent;
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
	if (dlist_is_empty(&engine->unsent) || engine->options.closed)
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
create_wait_set(HttpEngine *engine, MemoryContext context)
{
	engine->wait_set = PGNET_CREATE_WAIT_EVENT_SET(context, 4);
	AddWaitEventToSet(engine->wait_set, WL_LATCH_SET, PGINVALID_SOCKET,
					  MyLatch, NULL);
	AddWaitEventToSet(engine->wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET,
					  NULL, NULL);
	AddWaitEventToSet(engine->wait_set, WL_SOCKET_READABLE,
					  engine->poller.epoll_fd, NULL, NULL);
	if (pgnet_clock_watch_fd() >= 0)
		AddWaitEventToSet(engine->wait_set, WL_SOCKET_READABLE,
						  pgnet_clock_watch_fd(), NULL, NULL);
}

/* Begin new requests; how many. */
static int
start_requests(HttpEngine *engine)
{
	int			count = 0;

	for (; !dlist_is_empty(&engine->starting) && !engine->options.closed;
		 count++)
	{
		Job		   *job = pgnet_job_pop(&engine->starting);

		dlist_push_tail(&engine->running, &job->node);
		pgnet_transfer_start(job, &engine->options);
	}
	return count;
}

/* End transfers whose memory others need; how many. */
static int
evict(HttpEngine *engine)
{
	BodyReceiver *receiver;
	int			count = 0;

	for (; (receiver = pgnet_body_budget_evict(&engine->bodies)) != NULL;
		 count++)
		pgnet_transfer_evict(receiver);
	return count;
}

/* finished of TransferOptions: a request has its outcome. */
static void
finished(Job *job, void *arg)
{
	HttpEngine *engine = arg;

	dlist_delete(&job->node);
	if (job->outcome.kind == PGNET_OUTCOME_NOT_SENT)
		dlist_push_head(&engine->unsent, &job->node);
	else
		dlist_push_tail(&engine->finished, &job->node);
}

/* Nothing is urgent: give memory back that is of no use now. */
static void
tidy_up(HttpEngine *engine)
{
	if (has_transfers(engine) || !pgnet_heap_is_large(engine->bodies.highest))
		return;
	engine->bodies.highest = 0;
	pgnet_heap_give_back();
}
