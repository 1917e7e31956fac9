/*
 * throttle.c -- sending less while the machine is short of a resource.
 *
 * Runs in: workers.
 *
 * A request for which there is no descriptor, port or memory has not left the
 * machine.  It waits again where it did, without its timeout running,
 * and no more are in flight than could be sent: when one of them ends, the next
 * takes its place.  After pauses more are allowed, until only the limits apply,
 * or until a request comes back again.
 *
 * Local ports are short for connections to one address, so then the lane is
 * restricted.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/timestamp.h"

#include "job.h"
#include "url_target.h"
#include "worker/throttle.h"

/* How often a request that is short of memory is tried while it is alone. */
#define LONE_TRIES 8

/* It ends when no job comes back for this long without restrictions. */
#define TRIAL_MS 10000

/* The jobs that came back because of one shortage. */
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

void
pgnet_throttle_collect(Throttle *throttle, Oid queue, TimestampTz now)
{
	dlist_head	unsent;

	dlist_init(&unsent);
	if (pgnet_engine_take_unsent(throttle->engine, &unsent))
		take_back(throttle, &unsent, queue, now);
}

/* The list has the last one first: each goes to the front of its lane queue. */
static void
take_back(Throttle *throttle, dlist_head *unsent, Oid queue, TimestampTz now)
{
	Returned	returned[PGNET_SHORT_OF_MEMORY + 1] = {{0}};
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
			(void) pgnet_lanes_finished(throttle->lanes, job);
			pgnet_quarantine_finished(throttle->quarantine, job);
			pgnet_recorder_add(throttle->recorder, job, now);
		}
		else
		{
			pgnet_quarantine_not_sent(throttle->quarantine, job);
			like->count++;
			like->error = job->outcome.shortage_errno;
			like->first = job;
			wait_again(throttle->lanes, job, alone && nunsent == 1);
		}
	}
	begin_or_go_on(throttle, returned);
}

void
pgnet_throttle_relax(Throttle *throttle, TimestampTz now)
{
	if (!throttle->active)
		return;
	if (!throttle->unrestricted && pgnet_backoff_over(&throttle->backoff, now))
	{
		/* no job came back in two pauses in a row: begin with short ones */
		if (throttle->none_returned)
			pgnet_backoff_succeeded(&throttle->backoff);
		throttle->none_returned = true;
		pgnet_backoff_again(&throttle->backoff);
		throttle->unrestricted = pgnet_lanes_relax(throttle->lanes);
		throttle->ends = TimestampTzPlusMilliseconds(now, TRIAL_MS);
	}
	if (!throttle->unrestricted || now < throttle->ends)
		return;

	throttle->active = false;
	throttle->logged = 0;
	pgnet_backoff_succeeded(&throttle->backoff);
	pgnet_engine_limit_connections(throttle->engine, false);
	ereport(LOG, errmsg("pg_net is sending at full rate again"));
}

TimestampTz
pgnet_throttle_due(const Throttle *throttle)
{
	if (!throttle->active)
		return DT_NOEND;
	return throttle->unrestricted ? throttle->ends : throttle->backoff.until;
}

const char *
pgnet_throttle_short_of(const Throttle *throttle)
{
	static const char *const names[] = {
		[PGNET_SHORT_OF_DESCRIPTORS] = "descriptors",
		[PGNET_SHORT_OF_PORTS] = "ports",
		[PGNET_SHORT_OF_MEMORY] = "memory"
	};

	if (throttle->active)
		for (int i = PGNET_SHORT_OF_DESCRIPTORS; i < (int) lengthof(names); i++)
			if ((throttle->logged & (1 << i)) != 0)
				return names[i];
	return "";
}

/*
 * Is the job to be given up?  Requests in flight give back what they use, but
 * if one finds no memory when it is alone, it may be too large.
 */
static bool
is_hopeless(Job *job, bool alone)
{
	HttpOutcome *outcome = &job->outcome;

	if (!alone || outcome->shortage != PGNET_SHORT_OF_MEMORY ||
		++job->oom_retries < LONE_TRIES)
		return false;
	*outcome = (HttpOutcome) {
		.kind = PGNET_OUTCOME_FAILED,
		.error = "out of memory"
	};
	return true;
}

/*
 * Put a job back, and restrict its lane, or all.  That one request needs too
 * much memory is no reason not to send to other hosts.
 */
static void
wait_again(Lanes *lanes, Job *job, bool lone)
{
	HttpShortage shortage = job->outcome.shortage;

	job->outcome = (HttpOutcome) {0};
	pgnet_lanes_put_back(lanes, job);
	if (shortage == PGNET_SHORT_OF_PORTS ||
		(shortage == PGNET_SHORT_OF_MEMORY && lone))
		pgnet_lanes_restrict_lane(lanes, job->lane_key);
	else
		pgnet_lanes_restrict(lanes);
}

/* Pause if jobs came back, and log shortages that were not logged yet. */
static void
begin_or_go_on(Throttle *throttle, const Returned *returned)
{
	bool		any = false;

	for (int i = 0; i <= PGNET_SHORT_OF_MEMORY; i++)
	{
		if (returned[i].count == 0)
			continue;
		any = true;
		if ((throttle->logged & (1 << i)) == 0)
			report(throttle, i, &returned[i]);
		throttle->logged |= 1 << i;
	}
	if (!any)
		return;
	if (returned[PGNET_SHORT_OF_DESCRIPTORS].count > 0)
		pgnet_engine_limit_connections(throttle->engine, true);
	/* it is one failure until the next relaxation */
	if (!throttle->active || throttle->none_returned)
		pgnet_backoff_failed(&throttle->backoff);
	throttle->active = true;
	throttle->none_returned = throttle->unrestricted = false;
}

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
		case PGNET_SHORT_OF_NOTHING:
			break;
	}
	return "nothing";
}

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
		case PGNET_SHORT_OF_NOTHING:
			break;
	}
	return "";
}
