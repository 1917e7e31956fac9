/*
 * lane_policy.h -- what limits the requests to an endpoint.
 *
 * Runs in: workers.
 */
#ifndef PGNET_LANE_POLICY_H
#define PGNET_LANE_POLICY_H

#include "postgres.h"

/* Of a row of net.endpoint; all zero is no limit but those of the settings. */
typedef struct LanePolicy
{
	double		rate;			/* attempts a second; 0: any number */
	int			burst;			/* of them at once after a pause */
	int			max_in_flight;	/* 0: as the setting says */
	bool		ordered;		/* those without an ordering key share one */
	bool		backs_off;		/* hold a role's requests while they fail */
	bool		retry_all;		/* all but 2xx is a failure */
	bool		paused;
	int64		pause_after_us; /* without a success; 0: never */
	int			counted_timeout_ms; /* a shorter timeout is no failure of it */
	uint64		version;		/* another one when the row was changed */
} LanePolicy;

#endif							/* PGNET_LANE_POLICY_H */
