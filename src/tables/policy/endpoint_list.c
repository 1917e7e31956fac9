/*
 * endpoint_list.c -- which endpoints there are, for the statistics.
 *
 * Runs in: client backends.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"

#include "tables/policy/endpoint_list.h"
#include "tables/policy/roles.h"
#include "tables/statement.h"

static PreparedStatement find_all = {
	.sql = "SELECT e.name, e.paused, e.back_off"
		   " AND coalesce(pg_catalog.cardinality(e.retry), 0)"
		   " OPERATOR(pg_catalog.>) 0, e.roles"
		   " FROM ONLY net.endpoint AS e ORDER BY e.name",
};

static bool may_use(Oid role, ArrayType *roles);

int
pgnet_endpoints_list(Oid role, ListedEndpoint **list)
{
	MemoryContext context = CurrentMemoryContext;
	StatementSession session;
	int			count;

	pgnet_statement_begin(&session, PGNET_AS_OWNER | PGNET_SPI);
	count = pgnet_statement_run(&session, &find_all, NULL, NULL);
	*list = MemoryContextAlloc(context,
							   sizeof(ListedEndpoint) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		bool		null;
		Datum		roles = pgnet_statement_datum(&session, i, 4, &null);
		char	   *name = pgnet_statement_text(&session, i, 1);

		(*list)[i] = (ListedEndpoint) {
			.name = MemoryContextStrdup(context, name),
			.paused = pgnet_statement_bool(&session, i, 2, false),
			.backs_off = pgnet_statement_bool(&session, i, 3, false),
			.may_use = may_use(role, null ? NULL : DatumGetArrayTypeP(roles))
		};
	}
	pgnet_statement_end(&session);
	return count;
}

/* The owner, whom we are now, may; and those that the row names. */
static bool
may_use(Oid role, ArrayType *roles)
{
	return has_privs_of_role(role, GetUserId()) ||
		(roles != NULL && pgnet_roles_have_public(roles)) ||
		(roles != NULL && pgnet_roles_include(role, roles));
}
