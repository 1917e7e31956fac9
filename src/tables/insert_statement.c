/*
 * insert_statement.c -- the INSERT of a row, where it takes a statement.
 *
 * Runs in: client backends and workers.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "tables/insert_statement.h"

static void write_insert(PreparedStatement *insert, const char *table,
						 const ShapeColumn *columns, int ncolumns,
						 const char *returning);

int
pgnet_insert_statement_run(StatementSession *session, PreparedStatement *insert,
						   const char *table, const ShapeColumn *columns,
						   int ncolumns, const char *returning,
						   const Datum *values, const bool *nulls)
{
	Datum		parameters[PGNET_STATEMENT_MAX_PARAMS];
	char		flags[PGNET_STATEMENT_MAX_PARAMS];
	int			count = 0;

	write_insert(insert, table, columns, ncolumns, returning);
	for (int i = 0; i < ncolumns; i++)
	{
		if (columns[i].by_default)
			continue;
		parameters[count] = values[i];
		flags[count++] = nulls[i] ? 'n' : ' ';
	}
	return pgnet_statement_run(session, insert, parameters, flags);
}

/*
 * Write the statement, once.  A parameter of the type of a domain would be
 * taken to fulfil its constraints, so they have the types of the shape.
 */
static void
write_insert(PreparedStatement *insert, const char *table,
			 const ShapeColumn *columns, int ncolumns, const char *returning)
{
	StringInfoData names;
	StringInfoData parameters;
	const char *comma = "";

	if (insert->sql != NULL)
		return;
	insert->nparams = 0;
	initStringInfo(&names);
	initStringInfo(&parameters);
	for (int i = 0; i < ncolumns; i++)
	{
		if (columns[i].by_default)
			continue;
		insert->param_types[insert->nparams++] = columns[i].type;
		appendStringInfo(&names, "%s%s", comma, columns[i].name);
		appendStringInfo(&parameters, "%s$%d", comma, insert->nparams);
		comma = ", ";
	}
	insert->sql =
		MemoryContextStrdup(TopMemoryContext,
							psprintf("INSERT INTO net.%s (%s) VALUES (%s) %s",
									 table, names.data, parameters.data,
									 returning));
}
