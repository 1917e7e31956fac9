/*
 * callback.c -- the function that is called with the response.
 *
 * Runs in: client backends.
 */
#include "postgres.h"

#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"

#include "api/callback.h"
#include "compat.h"
#include "tables/catalog.h"

static Oid	find(List *names, Oid argument);
pg_noreturn static void refuse(int sqlstate, const char *format, List *names,
							   Oid argument);

char *
pgnet_callback_resolve(text *name)
{
	List	   *names = PGNET_QUALIFIED_NAME_LIST(text_to_cstring(name));
	Oid			argument =
		get_rel_type_id(pgnet_catalog_relation("_http_response"));
	Oid			function = find(names, argument);
	char	   *found = get_func_name(function);

	if (!pgnet_may_execute(function, GetUserId()))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FUNCTION, found);
	return quote_qualified_identifier(
		get_namespace_name(get_func_namespace(function)), found);
}

/* What SQL would call with such an argument. */
static Oid
find(List *names, Oid argument)
{
	Oid			function = InvalidOid;
	Oid			result;
	Oid			variadic_type;
	Oid		   *true_types;
	bool		returns_set;
	int			nvariadic;

	switch (PGNET_FUNC_GET_DETAIL(names, 1, &argument, &function, &result,
								  &returns_set, &nvariadic, &variadic_type,
								  &true_types))
	{
		case FUNCDETAIL_NORMAL:
			return function;
		case FUNCDETAIL_NOTFOUND:
		case FUNCDETAIL_COERCION:
			refuse(ERRCODE_UNDEFINED_FUNCTION, "function %s does not exist",
				   names, argument);
		case FUNCDETAIL_MULTIPLE:
			refuse(ERRCODE_AMBIGUOUS_FUNCTION, "function %s is not unique",
				   names, argument);
		default:
			refuse(ERRCODE_WRONG_OBJECT_TYPE, "%s is not a function", names,
				   argument);
	}
}

/* The error of a name that is not that of one function. */
static void
refuse(int sqlstate, const char *format, List *names, Oid argument)
{
	const char *signature = func_signature_string(names, 1, NIL, &argument);

	ereport(ERROR,
			errcode(sqlstate),
			errmsg_internal(format, signature),
			errhint("A callback is a function that takes one net._http_response."));
}
