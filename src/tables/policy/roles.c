/*
 * roles.c -- roles by name, in the rows that say who may use something.
 *
 * Runs in: client backends and workers.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/acl.h"

#include "tables/policy/roles.h"

bool
pgnet_roles_include(Oid role, ArrayType *roles)
{
	Datum	   *items;
	bool	   *nulls;
	int			nitems;

	deconstruct_array(roles, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR,
					  &items, &nulls, &nitems);
	for (int i = 0; i < nitems; i++)
	{
		Oid			grantee = InvalidOid;

		if (!nulls[i])
			grantee = get_role_oid(NameStr(*DatumGetName(items[i])), true);

		if (OidIsValid(grantee) && has_privs_of_role(role, grantee))
			return true;
	}
	return false;
}

bool
pgnet_roles_have_public(ArrayType *roles)
{
	Datum	   *items;
	bool	   *nulls;
	int			nitems;

	deconstruct_array(roles, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR,
					  &items, &nulls, &nitems);
	for (int i = 0; i < nitems; i++)
		if (!nulls[i] && strcmp(NameStr(*DatumGetName(items[i])), "public") == 0)
			return true;
	return false;
}
