/*
 * encode.c -- percent-encoding in SQL.
 *
 * Runs in: client backends.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "url.h"

PG_FUNCTION_INFO_V1(pgnet_urlencode_string);
PG_FUNCTION_INFO_V1(pgnet_encode_url_with_params_array);

/* _urlencode_string(string), strict */
Datum
pgnet_urlencode_string(PG_FUNCTION_ARGS)
{
	char	   *string = text_to_cstring(PG_GETARG_TEXT_PP(0));

	PG_RETURN_TEXT_P(cstring_to_text(pgnet_url_encode(string)));
}

/*
 * _encode_url_with_params_array(url, params), strict: the params are
 * "key=value" and encoded already; null ones are left out.
 */
Datum
pgnet_encode_url_with_params_array(PG_FUNCTION_ARGS)
{
	char	   *url = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *problem = NULL;
	char	   *result;
	char	  **pairs;
	Datum	   *elements;
	bool	   *nulls;
	int			nelements;
	int			npairs = 0;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, &nelements);
	pairs = palloc(sizeof(char *) * (nelements + 1));
	for (int i = 0; i < nelements; i++)
		if (!nulls[i])
			pairs[npairs++] = TextDatumGetCString(elements[i]);

	result = pgnet_url_append(url, pairs, npairs, &problem);
	if (result == NULL)
	{
		char	   *hint = pgnet_url_hint(url);

		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("%s", problem),
				hint ? errhint("%s", hint) : 0);
	}
	PG_RETURN_TEXT_P(cstring_to_text(result));
}
