/*
 * statement.h -- SQL statements, prepared once a process.
 *
 * Runs in: client backends and workers, with SPI connected.
 */
#ifndef PGNET_STATEMENT_H
#define PGNET_STATEMENT_H

#include "postgres.h"

#include "executor/spi.h"
#include "utils/snapshot.h"

/* Both tables have fewer columns. */
#define PGNET_PLAN_MAX_PARAMS 48

/* A statement of ours: written down where it is used, prepared on first use. */
typedef struct PreparedStatement
{
	const char *sql;
	int			nparams;
	Oid			param_types[PGNET_PLAN_MAX_PARAMS];
	SPIPlanPtr	plan;			/* kept */
} PreparedStatement;

/*
 * Open a session with SPI, and end it.  When an error comes between, the abort
 * of the (sub)transaction ends the session, and makes the memory context, the
 * snapshots and the user what they were.
 */
extern void pgnet_plans_connect(void);
extern void pgnet_plans_finish(void);

/* Run a statement; expected is the SPI_OK_... code of its kind. */
extern void pgnet_plan_run(PreparedStatement *statement, Datum *values,
						   const char *nulls, int expected);

/* Run a SELECT that sees what a snapshot, registered, shows. */
extern void pgnet_plan_run_as_of(PreparedStatement *statement, Datum *values,
								 Snapshot snapshot);

#endif							/* PGNET_STATEMENT_H */
