/*
 * installation.c -- net._installation, and ids that are not given out again.
 *
 * Runs in: client backends and workers.
 *
 * A crash loses what was not flushed, a failover what was not replicated; the
 * last values of the sequence may be part of that.  Both can be detected: the
 * unlogged net._no_crash is empty after a crash, and on a server that was
 * restored or was a standby; and a server that was a standby or was restored to
 * a point in time is on a new timeline.
 *
 * This server may know nothing of some timelines, nor of how far the sequence
 * was advanced on them.  So it is advanced by DISTANCE for each timeline since
 * the last one known.
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

/* More ids than are given out in the time that a crash or failover loses. */
#define DISTANCE (INT64CONST(1) << 20)

/* Conflicts with itself, and with nothing that reads or writes rows. */
#define OUR_LOCK ShareUpdateExclusiveLock

static PreparedStatement find_timeline = {
	.sql = "SELECT i.timeline, EXISTS (SELECT FROM ONLY net._no_crash)"
		   " FROM ONLY net._installation AS i",
};

static PreparedStatement note_timeline = {
	.sql = "UPDATE ONLY net._installation SET timeline = $1"
		   " WHERE timeline IS DISTINCT FROM $1",
	.nparams = 1,
	.param_types = {INT4OID}
};

static void move_on(void);
static int64 distance(void);

void
pgnet_installation_renew_ids(volatile bool *done)
{
	Oid			installation = pgnet_catalog_relation("_installation");

	if (!OidIsValid(installation) || XactReadOnly || RecoveryInProgress() ||
		IsInParallelMode())
		return;
	/* setval() is not undone by an abort: no need to lock until the end */
	LockRelationOid(installation, OUR_LOCK);
	if (!*done)
		move_on();
	*done = true;
	UnlockRelationOid(installation, OUR_LOCK);
}

/* Advance the sequence if ids may have been given out that are lost. */
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
		/* a second crash must not lose this: the next one advances from here */
		XLogFlush(XactLastRecEnd);
	}
	pgnet_catalog_become(before);
}

/* By how much to advance.  PGNET_LATEST, as others may have done it. */
static int64
distance(void)
{
	int64		by = 0;
	int64		timeline = (int64) GetWALInsertionTimeLine();
	StatementSession session;

	pgnet_statement_begin(&session, PGNET_SPI | PGNET_LATEST);
	if (pgnet_statement_run(&session, &find_timeline, NULL, NULL) == 1)
	{
		/* null, thus 0: not known on which timelines ids were given out */
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

void
pgnet_installation_note_timeline(void)
{
	StatementSession session;
	Datum		value = Int32GetDatum((int32) GetWALInsertionTimeLine());

	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	(void) pgnet_statement_run(&session, &note_timeline, &value, NULL);
	pgnet_statement_end(&session);
}
