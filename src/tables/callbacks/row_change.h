/*
 * row_change.h -- changing a row of net._http_response without a plan.
 *
 * Runs in: the process of the callbacks, inside a transaction, as the owner of
 * the tables.  Triggers and rules of users take no part: where a role's
 * functions run, nobody else's do.
 */
#ifndef PGNET_ROW_CHANGE_H
#define PGNET_ROW_CHANGE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/itemptr.h"
#include "utils/rel.h"

/* What becomes of the columns that are about the callback. */
typedef struct RowChange
{
	bool		removes;		/* the whole row */
	TimestampTz called;			/* 0: not yet */
	const char *error;			/* NULL: none */
	int			deaths;			/* 0: null */
} RowChange;

/* Change the row at that place; false when it is not there any more. */
extern bool pgnet_row_change(Relation log, ItemPointer tid,
							 const RowChange *change);

#endif							/* PGNET_ROW_CHANGE_H */
