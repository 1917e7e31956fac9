/*
 * installation.c -- net._installation, and ids that are not given out again.
 *
 * Runs in: client backends and workers.
 *
 * A crash takes what was not flushed, a failover what was not replicated, the
 * last numbers of the sequence among them.  Both leave a mark: the unlogged
 * net._no_crash is empty after a crash, on a server that was restored or was a
 * standby; and a server that was a standby or was restored to a point in time
 * is on a new timeline.
 *
 * A timeline may be missed altogether, with the move that was made on it: so
 * the ids of each have a distance of their own from the last one known.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "tables/catalog.h"
#include "tables/recovery/installation.h"
#include "tables/statement.h"

/* More ids than are ever given out in what a crash or a failover takes. */
#define DISTANCE (INT64CONST(1) << 20)

/* Conflicts with itself and with nothing that reads or writes rows. */
#define OUR_LOCK ShareUpdateExclusiveLock

static PreparedStatement find_timeline = {
	.sql = "SELECT i.timeline, EXISTS (SELECT FROM net._no_crash)"
		   " FROM net._installation AS i",
};

static PreparedStatement note_timeline = {
	.sql = "UPDATE net._installation SET timeline = $1"
		   " WHERE timeline IS DISTINCT FROM $1",
	.nparams = 1,
	.param_types = {INT4OID}
};

static void move_on(void);
static int64 distance(void);

/* Move the sequence on if nobody did. */
void
pgnet_installation_renew_ids(volatile bool *done)
{
	Oid			installation = pgnet_catalog_relation("_installation");

	if (!OidIsValid(installation) || XactReadOnly || RecoveryInProgress() ||
		IsInParallelMode())
		return;
	/* what it protects is no part of the transaction: not until its end */
	LockRelationOid(installation, OUR_LOCK);
	if (!*done)
		move_on();
	*done = true;
	UnlockRelationOid(installation, OUR_LOCK);
}

/* Move the sequence on if need be. */
static void
move_on(void)
{
	Oid			sequence = pgnet_catalog_relation("http_request_queue_id_seq");
	CatalogUser before = pgnet_catalog_become_owner();
	int64		by = distance();

	if (by > 0 && OidIsValid(sequence))
	{
		int64		next = nextval_internal(sequence, false);

		(void) DirectFunctionCall2(setval_oid, ObjectIdGetDatum(sequence),
								   Int64GetDatum(next + by));
		/* a second crash must not take this: the next move begins here */
		XLogFlush(XactLastRecEnd);
	}
	pgnet_catalog_become(before);
}

/* How far?  A transaction that began before must see what is there now. */
static int64
distance(void)
{
	int64		by = 0;
	int64		timeline = (int64) GetWALInsertionTimeLine();
	StatementSession session;

	pgnet_statement_begin(&session, PGNET_SPI | PGNET_LATEST);
	if (pgnet_statement_run(&session, &find_timeline, NULL, NULL) == 1)
	{
		/* null: nobody knows on which timelines ids were given out */
		int64		noted = pgnet_statement_int32(&session, 0, 1, 0);
		bool		unharmed = pgnet_statement_bool(&session, 0, 2, false);

		if (timeline != noted)
			by = DISTANCE * Max(timeline - noted, 1);
		else if (!unharmed)
			by = DISTANCE;
	}
	pgnet_statement_end(&session);
	return by;
}

/* Write the timeline down. */
void
pgnet_installation_note_timeline(void)
{
	StatementSession session;
	Datum		value = Int32GetDatum((int32) GetWALInsertionTimeLine());

	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	(void) pgnet_statement_run(&session, &note_timeline, &value, NULL);
	pgnet_statement_end(&session);
}
