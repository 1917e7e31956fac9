/*
 * lane_table.h -- the lanes, roles and lane queues that there are, by key.
 *
 * Runs in: workers.  A lane or a queue exists from the first row that needs it
 * until pgnet_lane_table_remove(); a role is never removed, as there are few.
 */
#ifndef PGNET_LANE_TABLE_H
#define PGNET_LANE_TABLE_H

#include "postgres.h"

#include "utils/hsearch.h"

#include "account.h"
#include "worker/lane_queue.h"

/* Lane.restricted_to of a lane to which only the limits apply. */
#define PGNET_UNRESTRICTED PG_INT32_MAX

typedef struct LaneTable
{
	Account    *account;		/* counts the roles that have queues */
	HTAB	   *lanes;			/* Lane, by the hash of its origin */
	HTAB	   *roles;			/* Role, by OID */
	HTAB	   *queues;			/* LaneQueue, by both */
	dlist_head	changed;		/* lanes whose numbers changed */
} LaneTable;

extern void pgnet_lane_table_init(LaneTable *table, MemoryContext context,
								  Account *account);

/* Find a role, or the queue of a role in a lane; if there is none, make it. */
extern Role *pgnet_lane_table_role(LaneTable *table, Oid oid);
extern LaneQueue *pgnet_lane_table_queue(LaneTable *table, uint64 lane_key,
										 Oid role);

/* Find a lane; NULL if there is none. */
extern Lane *pgnet_lane_table_find_lane(LaneTable *table, uint64 key);

/* Rows of a lane came or went; have all that are so seen by others. */
extern void pgnet_lane_table_changed(LaneTable *table, Lane *lane);
extern void pgnet_lane_table_publish(LaneTable *table);

/*
 * Remove a queue, and its lane with its last queue.  The queue is idle, and
 * nothing is charged to it.
 */
extern void pgnet_lane_table_remove(LaneTable *table, LaneQueue *queue);

#endif							/* PGNET_LANE_TABLE_H */
