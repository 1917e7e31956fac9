/*
 * endpoints.h -- net.endpoint: where and how net://name is sent.
 *
 * Runs in: client backends and workers, inside a transaction.  Nothing that
 * is said of a problem has the URL of an endpoint.
 */
#ifndef PGNET_ENDPOINTS_H
#define PGNET_ENDPOINTS_H

#include "postgres.h"

#include "job.h"
#include "policy/lane_policy.h"
#include "tables/queue/queue.h"

/*
 * Why a row to be, whose URL is that of an endpoint, may not be queued: a
 * palloc'd sentence without a period.  NULL when it may; *target then has
 * scheme, host and port of where it goes, palloc'd, for what judges that, and
 * nobody else.  Runs in: client backends.
 */
extern char *pgnet_endpoints_problem(const QueueRow *row, char **target);

/*
 * Have a request, loaded and about to be sent, go where its endpoint says and
 * as it says, or decide it because it may not.  Runs in: workers.
 */
extern void pgnet_endpoints_apply(Job *job);

/* How many delays the schedule of the endpoint of a URL has; 0: none. */
extern int	pgnet_endpoints_count_delays(const char *url);

/* Do requests without an ordering key share one? */
extern bool pgnet_endpoints_are_ordered(const char *url);

/* What limits the requests to it; nothing if there is none of that name. */
extern LanePolicy pgnet_endpoints_limits(const char *url);

#endif							/* PGNET_ENDPOINTS_H */
