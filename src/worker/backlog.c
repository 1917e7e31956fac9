/*
 * backlog.c -- requests the worker knows of and has not sent.
 *
 * Runs in: workers.
 *
 * Nouns: a host queue holds the waiting requests of one host, first come first
 * served.  It is in one of three places, and host_settle() is the only
 * function that moves it:
 *
 *   ready    it may send now, and its first request is in memory
 *   hungry   it may send now, and its first request is an id: load it
 *   neither  it has nothing waiting, or as many in flight as it may have
 *
 * Hosts take turns within each list, so a long queue delays its own host only.
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "job.h"
#include "worker/backlog.h"
#include "worker/held_ids.h"
#include "worker/host_queue.h"

/* Waiting requests held whole, together. */
#define MAX_LOADED_BYTES ((size_t) 4 * 1024 * 1024)

/* What one read of waiting rows may bring, beyond its first row. */
#define MAX_LOAD_BYTES ((size_t) 8 * 1024 * 1024)

/* Requests on their way, in all; host_queue.c has what one host may have. */
#define MAX_IN_FLIGHT_BYTES ((size_t) 256 * 1024 * 1024)

struct Backlog
{
	MemoryContext context;
	BacklogLimits limits;
	held_hash  *held;
	HTAB	   *hosts;
	dlist_head	ready;
	dlist_head	hungry;
	Room		room;
	size_t		loaded_bytes;	/* of waiting requests */
};

static HostQueue *host_get(Backlog *backlog, uint64 key);
static void host_settle(Backlog *backlog, HostQueue *host);
static void host_clear(Backlog *backlog, HostQueue *host);
static void host_push(Backlog *backlog, HostQueue *host, Waiting waiting,
					  bool first);
static Waiting host_pop(Backlog *backlog, HostQueue *host);

/* Make an empty backlog. */
Backlog *
pgnet_backlog_create(MemoryContext parent, WorkerState *worker)
{
	MemoryContext context = AllocSetContextCreate(parent, "pg_net backlog",
												  ALLOCSET_DEFAULT_SIZES);
	Backlog    *backlog = MemoryContextAllocZero(context, sizeof(Backlog));
	HASHCTL		control = {
		.keysize = sizeof(uint64),
		.entrysize = sizeof(HostQueue),
		.hcxt = context
	};

	backlog->context = context;
	backlog->room.restricted_to = PGNET_UNRESTRICTED;
	backlog->room.counted_in = worker;
	backlog->held = held_create(context, 1024, NULL);
	backlog->hosts = hash_create("pg_net hosts", 64, &control,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	dlist_init(&backlog->ready);
	dlist_init(&backlog->hungry);
	return backlog;
}

/* Drop all that waits, and all ids. */
void
pgnet_backlog_clear(Backlog *backlog)
{
	HASH_SEQ_STATUS all;
	HostQueue  *host;

	held_reset(backlog->held);

	hash_seq_init(&all, backlog->hosts);
	while ((host = hash_seq_search(&all)) != NULL)
	{
		host_clear(backlog, host);
		host_settle(backlog, host);
	}
}

/* Drop the rows of what waits. */
void
pgnet_backlog_unload(Backlog *backlog)
{
	HASH_SEQ_STATUS all;
	HostQueue  *host;

	hash_seq_init(&all, backlog->hosts);
	while ((host = hash_seq_search(&all)) != NULL)
	{
		for (int i = 0; i < host->count; i++)
		{
			Waiting    *waiting = pgnet_host_at(host, i);

			if (waiting->job != NULL)
				pgnet_job_free(waiting->job);
			waiting->job = NULL;
		}
		host_settle(backlog, host);
	}
	backlog->loaded_bytes = 0;
}

/* Limits that changed count from the next request on. */
void
pgnet_backlog_set_limits(Backlog *backlog, BacklogLimits limits)
{
	HASH_SEQ_STATUS all;
	HostQueue  *host;

	backlog->limits = limits;
	hash_seq_init(&all, backlog->hosts);
	while ((host = hash_seq_search(&all)) != NULL)
		host_settle(backlog, host);
}

/* Take a request over. */
void
pgnet_backlog_add(Backlog *backlog, Job *job)
{
	HostQueue  *host;
	Waiting		waiting = pgnet_waiting_of(job);

	if (!pgnet_backlog_hold(backlog, job->id))
	{
		pgnet_job_free(job);
		return;
	}
	host = host_get(backlog, job->lane_key);

	/* what may go at once stays whole, whatever it weighs */
	if (!job->loaded ||
		(pgnet_backlog_is_rich(backlog) &&
		 host->room.in_flight + host->count >=
			 backlog->limits.in_flight_per_host))
	{
		pgnet_job_free(job);
		waiting.job = NULL;
	}
	host_push(backlog, host, waiting, false);
	host_settle(backlog, host);
}

/* Hold an id. */
bool
pgnet_backlog_hold(Backlog *backlog, int64 id)
{
	bool		found;

	held_insert(backlog->held, id, &found);
	return !found;
}

/* Is an id held? */
bool
pgnet_backlog_holds(const Backlog *backlog, int64 id)
{
	return held_lookup(backlog->held, id) != NULL;
}

/* Choose what to send next. */
Job *
pgnet_backlog_next(Backlog *backlog)
{
	HostQueue  *host;
	Job		   *job;

	if (!pgnet_backlog_has_ready(backlog))
		return NULL;
	host = dlist_head_element(HostQueue, node, &backlog->ready);
	job = host_pop(backlog, host).job;
	pgnet_room_take(&host->room, job->size);
	pgnet_room_take(&backlog->room, job->size);

	/* the others first */
	dlist_delete(&host->node);
	host->place = HOST_NOWHERE;
	host_settle(backlog, host);
	return job;
}

/* Name what should be loaded. */
int
pgnet_backlog_to_load(Backlog *backlog, int64 *ids, int max)
{
	HostQueue  *host;
	size_t		bytes = 0;
	int			nids = 0;

	if (!pgnet_backlog_has_hungry(backlog))
		return 0;
	host = dlist_head_element(HostQueue, node, &backlog->hungry);
	while (nids < Min(host->count, max))
	{
		const Waiting *waiting = pgnet_host_at(host, nids);

		bytes += waiting->size;
		if (waiting->job != NULL || (nids > 0 && bytes > MAX_LOAD_BYTES))
			break;
		ids[nids++] = waiting->id;
	}
	return nids;
}

/* Put loaded requests in the place of the first nids of the hungry host. */
void
pgnet_backlog_loaded(Backlog *backlog, int nids, dlist_head *requests)
{
	HostQueue  *host = dlist_head_element(HostQueue, node, &backlog->hungry);
	HostQueue  *other;

	for (int i = 0; i < nids; i++)
		pgnet_backlog_release(backlog, host_pop(backlog, host).id);

	/* from the last to the first, so that they stand in order again */
	while (!dlist_is_empty(requests))
	{
		dlist_node *last = dlist_tail_node(requests);
		Job		   *job = dlist_container(Job, node, last);

		dlist_delete(last);
		pgnet_backlog_hold(backlog, job->id);
		if (job->lane_key == host->key)
		{
			host_push(backlog, host, pgnet_waiting_of(job), true);
			continue;
		}
		/* somebody changed the URL meanwhile */
		other = host_get(backlog, job->lane_key);
		host_push(backlog, other, pgnet_waiting_of(job), false);
		host_settle(backlog, other);
	}
	host_settle(backlog, host);
}

/* The first of the hungry host cannot be loaded: it waits for all others. */
void
pgnet_backlog_postpone(Backlog *backlog)
{
	HostQueue  *host = dlist_head_element(HostQueue, node, &backlog->hungry);

	host_push(backlog, host, host_pop(backlog, host), false);
	dlist_delete(&host->node);
	host->place = HOST_NOWHERE;
	host_settle(backlog, host);
}

/* A transfer ended. */
void
pgnet_backlog_finished(Backlog *backlog, Job *job)
{
	HostQueue  *host = host_get(backlog, job->lane_key);

	pgnet_room_give_back(&host->room, job->size);
	pgnet_room_give_back(&backlog->room, job->size);
	host_settle(backlog, host);
}

/* A transfer did not begin; the id is held still. */
void
pgnet_backlog_put_back(Backlog *backlog, Job *job)
{
	HostQueue  *host = host_get(backlog, job->lane_key);

	pgnet_host_push_early(host, backlog->context, pgnet_waiting_of(job));
	backlog->loaded_bytes += job->size;
	host_settle(backlog, host);
}

/* No more than now. */
void
pgnet_backlog_restrict(Backlog *backlog)
{
	pgnet_room_restrict(&backlog->room);
}

/* No more than now to a host. */
void
pgnet_backlog_restrict_host(Backlog *backlog, uint64 host_key)
{
	HostQueue  *host = host_get(backlog, host_key);

	pgnet_room_restrict(&host->room);
	host_settle(backlog, host);
}

/*
 * More room.  A host is short of ports, which come back with time and not
 * when a request ends: it has all its room at once.
 */
bool
pgnet_backlog_relax(Backlog *backlog)
{
	HASH_SEQ_STATUS all;
	HostQueue  *host;

	hash_seq_init(&all, backlog->hosts);
	while ((host = hash_seq_search(&all)) != NULL)
	{
		host->room.restricted_to = PGNET_UNRESTRICTED;
		host_settle(backlog, host);
	}
	return pgnet_room_relax(&backlog->room, backlog->limits.in_flight);
}

/* Forget an id. */
void
pgnet_backlog_release(Backlog *backlog, int64 id)
{
	held_delete(backlog->held, id);
}

/* Is there room in all? */
bool
pgnet_backlog_has_room(const Backlog *backlog)
{
	return backlog->room.bytes < MAX_IN_FLIGHT_BYTES &&
		pgnet_room_is_left(&backlog->room, backlog->limits.in_flight);
}

/* Is there something to send, and room for it? */
bool
pgnet_backlog_has_ready(const Backlog *backlog)
{
	return !dlist_is_empty(unconstify(dlist_head *, &backlog->ready)) &&
		pgnet_backlog_has_room(backlog);
}

/* Is there something to load, and room to send it? */
bool
pgnet_backlog_has_hungry(const Backlog *backlog)
{
	return !dlist_is_empty(unconstify(dlist_head *, &backlog->hungry)) &&
		pgnet_backlog_has_room(backlog);
}

/* Is enough in memory? */
bool
pgnet_backlog_is_rich(const Backlog *backlog)
{
	return backlog->loaded_bytes >= MAX_LOADED_BYTES;
}

/* Count the ids. */
uint32
pgnet_backlog_held(const Backlog *backlog)
{
	return backlog->held->members;
}

/* The queue of a host, made if need be. */
static HostQueue *
host_get(Backlog *backlog, uint64 key)
{
	bool		found;
	HostQueue  *host = hash_search(backlog->hosts, &key, HASH_ENTER, &found);

	if (!found)
		*host = (HostQueue) {
			.key = key,
			.place = HOST_NOWHERE,
			.room.restricted_to = PGNET_UNRESTRICTED
		};
	return host;
}

/*
 * Move a host to where it belongs now, at the end of that list, or end it
 * when nothing of it is left: the caller must not use it after that.
 */
static void
host_settle(Backlog *backlog, HostQueue *host)
{
	HostPlace	place = HOST_NOWHERE;

	if (pgnet_host_may_send(host, backlog->limits.in_flight_per_host))
		place = pgnet_host_at(host, 0)->job ? HOST_READY : HOST_HUNGRY;

	if (place != host->place)
	{
		if (host->place != HOST_NOWHERE)
			dlist_delete(&host->node);
		host->place = place;
		if (place == HOST_READY)
			dlist_push_tail(&backlog->ready, &host->node);
		else if (place == HOST_HUNGRY)
			dlist_push_tail(&backlog->hungry, &host->node);
	}

	if (host->count == 0)
		pgnet_host_free_ring(host);
	if (host->count == 0 && host->room.in_flight == 0)
		hash_search(backlog->hosts, &host->key, HASH_REMOVE, NULL);
}

/* Drop all that waits for a host. */
static void
host_clear(Backlog *backlog, HostQueue *host)
{
	while (host->count > 0)
	{
		Waiting		waiting = host_pop(backlog, host);

		if (waiting.job != NULL)
			pgnet_job_free(waiting.job);
	}
}

/* Queue a request, at the end or at the front. */
static void
host_push(Backlog *backlog, HostQueue *host, Waiting waiting, bool first)
{
	if (first)
		pgnet_host_push_first(host, backlog->context, waiting);
	else
		pgnet_host_push_last(host, backlog->context, waiting);
	if (waiting.job != NULL)
		backlog->loaded_bytes += waiting.size;
}

/* Take the first request of a host. */
static Waiting
host_pop(Backlog *backlog, HostQueue *host)
{
	Waiting		waiting = pgnet_host_pop_first(host);

	if (waiting.job != NULL)
		backlog->loaded_bytes -= waiting.size;
	return waiting;
}
