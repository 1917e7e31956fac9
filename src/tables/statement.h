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

/* Both tables have fewer columns. */
#define PGNET_STATEMENT_MAX_PARAMS 48

/* A statement of ours: written down where it is used, prepared on first use. */
typedef struct PreparedStatement
{
	const char *sql;
	int			nparams;
	Oid			param_types[PGNET_STATEMENT_MAX_PARAMS];
	SPIPlanPtr	plan;			/* kept */
} PreparedStatement;

/* How statements run; a worker's transaction has SPI connected. */
typedef enum StatementOptions
{
	PGNET_AS_OWNER = 1 << 0,	/* of the tables, whoever called */
	PGNET_SPI = 1 << 1,			/* with a session of SPI of their own */
	/* SELECTs see what is there now, whatever the transaction's snapshot */
	PGNET_LATEST = 1 << 2
} StatementOptions;

/* From begin to end. */
typedef struct StatementSession
{
	int			options;
	CatalogUser caller;			/* whom to be again */
	Snapshot	snapshot;		/* or NULL */
	SPITupleTable *found;		/* what the last statement gave, or NULL */
} StatementSession;

/*
 * Begin to run statements, and end it.  When an error comes between, the abort
 * of the (sub)transaction ends it, and makes the memory context, the snapshots
 * and the user what they were.
 */
extern void pgnet_statement_begin(StatementSession *session, int options);
extern void pgnet_statement_end(StatementSession *session);

/*
 * Run a statement; how many rows it gave or changed.  Nulls is as for
 * SPI_execute_plan(), NULL for none.
 */
extern int	pgnet_statement_run(StatementSession *session,
								PreparedStatement *statement, Datum *values,
								const char *nulls);

/*
 * Columns of the rows that the last statement gave; rows are counted from 0,
 * columns from 1.  The text is copied to the current memory context, NULL for
 * null; a Datum is valid until the next statement.
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

/* A session of SPI alone; after an error it ends as above. */
extern void pgnet_statement_connect(void);
extern void pgnet_statement_finish(void);

#endif							/* PGNET_STATEMENT_H */
