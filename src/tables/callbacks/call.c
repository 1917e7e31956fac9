/*
 * call.c -- calling a function with a response.
 *
 * Runs in: the process of the callbacks.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/regproc.h"

#include "compat.h"
#include "tables/callbacks/call.h"
#include "tables/catalog.h"
#include "tables/statement.h"

/*
 * The settings of a role, the closest first, as PostgreSQL applies them when
 * somebody connects (utils/init/postinit.c); those of who is connected, and of
 * nobody in particular, are in force.
 */
static PreparedStatement find_search_path = {
	.sql = "SELECT pg_catalog.substr(c, 13)"
		   " FROM pg_catalog.pg_db_role_setting AS s,"
		   " pg_catalog.unnest(s.setconfig) AS c,"
		   " pg_catalog.pg_database AS d"
		   " WHERE d.datname OPERATOR(pg_catalog.=)"
		   " pg_catalog.current_database()"
		   " AND s.setdatabase OPERATOR(pg_catalog.=)"
		   " ANY (ARRAY[0::pg_catalog.oid, d.oid])"
		   " AND s.setrole OPERATOR(pg_catalog.=)"
		   " ANY (ARRAY[0::pg_catalog.oid, $1])"
		   " AND pg_catalog.starts_with(c, 'search_path=')"
		   " ORDER BY s.setrole OPERATOR(pg_catalog.<>) 0::pg_catalog.oid DESC,"
		   " s.setdatabase OPERATOR(pg_catalog.<>) 0::pg_catalog.oid DESC"
		   " LIMIT 1",
	.nparams = 1,
	.param_types = {OIDOID}
};

static char *search_path_of(Oid role);

void
pgnet_become_role(Oid role)
{
	pgnet_catalog_become((CatalogUser) {
		.user = role,
		.security_context = SECURITY_LOCAL_USERID_CHANGE |
			SECURITY_RESTRICTED_OPERATION
	});
}

void
pgnet_become_session(void)
{
	pgnet_catalog_become((CatalogUser) {.user = GetSessionUserId()});
}

void
pgnet_function_call(const char *name, Datum row, Oid type)
{
	ParamListInfo params = makeParamList(1);
	SPIExecuteOptions options = {
		.params = params,
		.dest = None_Receiver
	};
	List	   *names = PGNET_QUALIFIED_NAME_LIST(name);
	char	   *call = psprintf("SELECT %s($1)", NameListToQuotedString(names));
	int			code;

	params->params[0] = (ParamExternData) {
		.value = row,
		.pflags = PARAM_FLAG_CONST,
		.ptype = type
	};
	code = SPI_execute_extended(call, &options);
	if (code < 0)
		elog(ERROR, "could not run \"%s\": %s", call,
			 SPI_result_code_string(code));
}

void
pgnet_session_discard(void)
{
	ResetAllOptions();
	LockReleaseAll(USER_LOCKMETHOD, true);
	ResetSequenceCaches();
}

void
pgnet_session_prepare(Oid role)
{
	static const char *const fixed[][2] = {
		{"default_transaction_read_only", "off"},
		{"idle_in_transaction_session_timeout", "0"},
		{"statement_timeout", "0"},
#ifdef PGNET_HAVE_TRANSACTION_TIMEOUT
		{"transaction_timeout", "0"},
#endif
	};
	char	   *path = NULL;

	for (int i = 0; i < (int) lengthof(fixed); i++)
		SetConfigOption(fixed[i][0], fixed[i][1], PGC_SUSET, PGC_S_OVERRIDE);
	if (role != GetSessionUserId())
		path = search_path_of(role);
	if (path != NULL)
		SetConfigOption("search_path", path, PGC_SUSET, PGC_S_OVERRIDE);
}

/*
 * What ALTER ROLE and ALTER DATABASE set; NULL: nothing, and what is in force
 * is nobody's in particular.
 */
static char *
search_path_of(Oid role)
{
	Oid			session = GetSessionUserId();
	Datum		roles[] = {ObjectIdGetDatum(role), ObjectIdGetDatum(session)};
	char	   *paths[2] = {NULL, NULL};

	for (int i = 0; i < (int) lengthof(roles); i++)
	{
		StatementSession statement;

		pgnet_statement_begin(&statement, PGNET_AS_OWNER);
		if (pgnet_statement_run(&statement, &find_search_path, &roles[i],
								NULL) > 0)
			paths[i] = pgnet_statement_text(&statement, 0, 1);
		pgnet_statement_end(&statement);
	}
	if (paths[0] == NULL && paths[1] != NULL)
		return pstrdup("\"$user\", public");
	return paths[0];
}
