/*
 * throttle.c -- sending less while this machine is short of something.
 *
 * Runs in: workers.
 *
 * A request for which there is no descriptor, port, memory or thread has not
 * left this machine.  It goes back to where it waited, its timeout not
 * running, and no more are in flight at a time than those that could be sent:
 * when one of them ends the next takes its place.  Now and then there is more
 * room, until it is what the limits give, or something comes back again.
 *
 * Local ports are short for connections to one address, and threads look up
 * one name, so then the one host has less room.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/timestamp.h"

#include "job.h"
#include "url.h"
#include "worker/throttle.h"

/* With nothing else in flight nobody gives memory back: try so often. */
#define LONE_TRIES 8

/* It is over when nothing has come back for so long with all the room. */
#define CALM_MS 10000

/* What came back for want of one thing. */
typedef struct Returned
{
	int			count;
	int			error;			/* an errno */
	const Job  *first;
} Returned;

static void take_back(Throttle *throttle, dlist_head *unsent, Oid queue,
					  TimestampTz now);
static bool is_hopeless(Job *job, bool alone);
static void wait_again(Lanes *lanes, Job *job, bool lone);
static void begin_or_go_on(Throttle *throttle, const Returned *returned);
static void report(const Throttle *throttle, HttpShortage shortage,
				   const Returned *returned);
static const char *name_of(HttpShortage shortage);
static const char *hint_for(HttpShortage shortage);

/* See whether there is something. */
void
pgnet_throttle_collect(Throttle *throttle, Oid queue, TimestampTz now)
{
	dlist_head	unsent;

	dlist_init(&unsent);
	if (pgnet_engine_take_unsent(throttle->engine, &unsent))
		take_back(throttle, &unsent, queue, now);
}

/* Take back what was not sent, the last one first. */
static void
take_back(Throttle *throttle, dlist_head *unsent, Oid queue, TimestampTz now)
{
	Returned	returned[PGNET_SHORT_OF_THREADS + 1] = {{0}};
	int			nunsent = 0;
	bool		alone;
	dlist_iter	iter;

	dlist_foreach(iter, unsent)
		nunsent++;
	alone = pgnet_jobs_in_flight(throttle->jobs) == nunsent;
	while (!dlist_is_empty(unsent))
	{
		Job		   *job = pgnet_job_pop(unsent);
		Returned   *like = &returned[job->outcome.shortage];

		if (job->table != queue)
			pgnet_lanes_discard(throttle->lanes, job);
		else if (is_hopeless(job, alone))
		{
			pgnet_lanes_finished(throttle->lanes, job);
			pgnet_suspects_finished(throttle->suspects, job);
			pgnet_recorder_add(throttle->recorder, job, now);
		}
		else
		{
			pgnet_suspects_not_sent(throttle->suspects, job);
			like->count++;
			like->error = job->outcome.shortage_errno;
			like->first = job;
			wait_again(throttle->lanes, job, alone && nunsent == 1);
		}
	}
	begin_or_go_on(throttle, returned);
}

/* Relax step by step; it is over some time after the last. */
void
pgnet_throttle_relax(Throttle *throttle, TimestampTz now)
{
	if (!throttle->lasts)
		return;
	if (!throttle->full && pgnet_backoff_over(&throttle->backoff, now))
	{
		/* a second pause without trouble: go on quickly */
		if (throttle->quiet)
			pgnet_backoff_succeeded(&throttle->backoff);
		throttle->quiet = true;
		pgnet_backoff_again(&throttle->backoff);
		throttle->full = pgnet_lanes_relax(throttle->lanes);
		throttle->calm = TimestampTzPlusMilliseconds(now, CALM_MS);
	}
	if (!throttle->full || now < throttle->calm)
		return;

	throttle->lasts = false;
	throttle->said = 0;
	pgnet_backoff_succeeded(&throttle->backoff);
	pgnet_engine_set_frugal(throttle->engine, false);
	ereport(LOG, errmsg("pg_net is sending at full rate again"));
}

/* When is the next step? */
TimestampTz
pgnet_throttle_due(const Throttle *throttle)
{
	if (!throttle->lasts)
		return DT_NOEND;
	return throttle->full ? throttle->calm : throttle->backoff.until;
}

/*
 * Does it make no sense to wait on?  What others hold they give back one day,
 * but a request that finds no memory when it is the only one may be too large.
 */
static bool
is_hopeless(Job *job, bool alone)
{
	HttpOutcome *outcome = &job->outcome;
	bool		out_of_memory = outcome->shortage == PGNET_SHORT_OF_MEMORY;

	if (!alone ||
		(!out_of_memory && outcome->shortage != PGNET_SHORT_OF_THREADS) ||
		++job->oom_retries < LONE_TRIES)
		return false;
	*outcome = (HttpOutcome) {
		.kind = PGNET_OUTCOME_FAILED,
		.error = out_of_memory ? "out of memory" :
								 "could not start a thread to look up the host name",
	};
	return true;
}

/*
 * Put a request back, and have no room for more than is in flight.  One that
 * found no memory for itself alone is no reason not to send to other hosts.
 */
static void
wait_again(Lanes *lanes, Job *job, bool lone)
{
	HttpShortage shortage = job->outcome.shortage;

	job->outcome = (HttpOutcome) {0};
	pgnet_lanes_put_back(lanes, job);
	if (shortage == PGNET_SHORT_OF_PORTS ||
		shortage == PGNET_SHORT_OF_THREADS ||
		(shortage == PGNET_SHORT_OF_MEMORY && lone))
		pgnet_lanes_restrict_lane(lanes, job->lane_key);
	else
		pgnet_lanes_restrict(lanes);
}

/* Pause, and say why if that is new. */
static void
begin_or_go_on(Throttle *throttle, const Returned *returned)
{
	bool		any = false;

	for (int i = 0; i <= PGNET_SHORT_OF_THREADS; i++)
	{
		if (returned[i].count == 0)
			continue;
		any = true;
		if ((throttle->said & (1 << i)) == 0)
			report(throttle, i, &returned[i]);
		throttle->said |= 1 << i;
	}
	if (!any)
		return;
	if (returned[PGNET_SHORT_OF_DESCRIPTORS].count > 0)
		pgnet_engine_set_frugal(throttle->engine, true);
	/* within a pause it is no new failure: there is just less room yet */
	if (!throttle->lasts || throttle->quiet)
		pgnet_backoff_failed(&throttle->backoff);
	throttle->lasts = true;
	throttle->quiet = throttle->full = false;
}

/* The line in the log. */
static void
report(const Throttle *throttle, HttpShortage shortage,
	   const Returned *returned)
{
	char	   *whose = "";

	if (shortage == PGNET_SHORT_OF_PORTS)
	{
		int			length;
		const char *url = returned->first->request.url;
		const char *host = pgnet_url_host(url, &length);

		whose = psprintf(" for \"%.*s\"", pg_mbcliplen(host, length, length),
						 host);
	}
	ereport(WARNING,
			errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			errmsg("pg_net is out of %s%s: %s", name_of(shortage), whose,
				   strerror(returned->error)),
			errdetail("Requests waiting: %d, in flight: %d."
					  " Timeouts do not run while requests wait.",
					  returned->count,
					  throttle->jobs->count[PGNET_JOB_IN_FLIGHT]),
			errhint("%s", hint_for(shortage)));
}

/* What there is too little of. */
static const char *
name_of(HttpShortage shortage)
{
	switch (shortage)
	{
		case PGNET_SHORT_OF_DESCRIPTORS:
			return "file descriptors";
		case PGNET_SHORT_OF_PORTS:
			return "local ports";
		case PGNET_SHORT_OF_MEMORY:
			return "memory";
		case PGNET_SHORT_OF_THREADS:
			return "threads";
		case PGNET_SHORT_OF_NOTHING:
			break;
	}
	return "nothing";
}

/* And what to do about it. */
static const char *
hint_for(HttpShortage shortage)
{
	switch (shortage)
	{
		case PGNET_SHORT_OF_DESCRIPTORS:
			return "Raise the limit on open files (ulimit -n, LimitNOFILE,"
				   " fs.file-max), or lower \"pg_net.max_in_flight\".";
		case PGNET_SHORT_OF_PORTS:
			return "Widen net.ipv4.ip_local_port_range, or have the host keep"
				   " connections open.";
		case PGNET_SHORT_OF_MEMORY:
			return "Lower \"pg_net.max_in_flight\".";
		case PGNET_SHORT_OF_THREADS:
			return "Raise the limit on threads (ulimit -u, TasksMax), or lower"
				   " \"pg_net.max_in_flight\".";
		case PGNET_SHORT_OF_NOTHING:
			break;
	}
	return "";
}
