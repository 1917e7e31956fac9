/*
 * statement.h -- SQL statements, prepared once a process.
 *
 * Runs in: client backends and workers, inside a transaction.
 */
#ifndef PGNET_STATEMENT_H
#define PGNET_STATEMENT_H

#include "postgres.h"

#include "executor/spi.h"
#include "utils/snapshot.h"

#include "tables/catalog.h"

/* More than the columns of either table. */
#define PGNET_STATEMENT_MAX_PARAMS 48

/* A statement, static where it is used, and prepared on first use. */
typedef struct PreparedStatement
{
	const char *sql;
	int			nparams;
	Oid			param_types[PGNET_STATEMENT_MAX_PARAMS];
	SPIPlanPtr	plan;			/* kept by SPI_keepplan(); NULL: not prepared */
} PreparedStatement;

typedef enum StatementOptions
{
	PGNET_AS_OWNER = 1 << 0,	/* run as the owner of the tables */
	/* connect to SPI; in a worker's transaction it is connected */
	PGNET_SPI = 1 << 1,
	/* see what is committed now, at any isolation level */
	PGNET_LATEST = 1 << 2
} StatementOptions;

typedef struct StatementSession
{
	int			options;
	CatalogUser caller;			/* the user to restore */
	Snapshot	snapshot;		/* for PGNET_LATEST, or NULL */
	SPITupleTable *found;		/* rows of the last statement, or NULL */
} StatementSession;

/*
 * Begin and end to run statements; options are of StatementOptions.  After an
 * error the abort of the (sub)transaction ends it, and restores user, snapshots
 * and memory context.
 */
extern void pgnet_statement_begin(StatementSession *session, int options);
extern void pgnet_statement_end(StatementSession *session);

/*
 * Run a statement.  nulls is as for SPI_execute_plan(), NULL if none is null.
 * Returns how many rows were found or changed.
 */
extern int	pgnet_statement_run(StatementSession *session,
								PreparedStatement *statement, Datum *values,
								const char *nulls);

/*
 * Columns of the rows that the last statement returned.  Rows are counted from
 * 0, columns from 1.  An oid is InvalidOid for null.  Text is copied to the
 * current memory context, NULL for null; a Datum is valid until the next
 * statement.
 */
extern int64 pgnet_statement_int64(const StatementSession *session, int row,
								   int column, int64 if_null);
extern int32 pgnet_statement_int32(const StatementSession *session, int row,
								   int column, int32 if_null);
extern bool pgnet_statement_bool(const StatementSession *session, int row,
								 int column, bool if_null);
extern Oid	pgnet_statement_oid(const StatementSession *session, int row,
								int column);
extern char *pgnet_statement_text(const StatementSession *session, int row,
								  int column);
extern Datum pgnet_statement_datum(const StatementSession *session, int row,
								   int column, bool *null);

/* Connect to SPI alone, and disconnect; after an error the abort does. */
extern void pgnet_statement_connect(void);
extern void pgnet_statement_finish(void);

#endif							/* PGNET_STATEMENT_H */
