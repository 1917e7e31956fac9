/*
 * signing.c -- src/policy/signing.c as a function of SQL, for its test.
 *
 * sign(scheme, names, values, message id, seconds, body) returns the header
 * fields, name and value by turns.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "compat.h"
#include "policy/signing.h"

#define MAX_SECRETS 10

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(sign);

/* The elements of an array of text. */
static int
read_texts(ArrayType *array, const char *texts[MAX_SECRETS])
{
	Datum	   *elements;
	int			count;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &count);
	for (int i = 0; i < count && i < MAX_SECRETS; i++)
		texts[i] = TextDatumGetCString(elements[i]);
	return Min(count, MAX_SECRETS);
}

Datum
sign(PG_FUNCTION_ARGS)
{
	SigningScheme scheme;
	const char *names[MAX_SECRETS];
	const char *values[MAX_SECRETS];
	int			nsecrets = read_texts(PG_GETARG_ARRAYTYPE_P(1), names);
	Field		secrets[MAX_SECRETS];
	Field		fields[PGNET_SIGNING_MAX_FIELDS];
	Datum		result[2 * PGNET_SIGNING_MAX_FIELDS];
	SignedMessage message = {.id = text_to_cstring(PG_GETARG_TEXT_PP(3)), .seconds = PG_GETARG_INT64(4)};
	char	   *problem = NULL;
	int			nfields;

	if (!pgnet_signing_scheme(text_to_cstring(PG_GETARG_TEXT_PP(0)), &scheme))
		elog(ERROR, "there is no such scheme");
	(void) read_texts(PG_GETARG_ARRAYTYPE_P(2), values);
	for (int i = 0; i < nsecrets; i++)
		secrets[i] = (Field) {names[i], values[i]};
	if (!PG_ARGISNULL(5))
	{
		bytea	   *body = PG_GETARG_BYTEA_PP(5);

		message.body = VARDATA_ANY(body);
		message.body_len = VARSIZE_ANY_EXHDR(body);
	}
	nfields = pgnet_signing_sign(scheme, secrets, nsecrets, &message, fields, &problem);
	if (nfields < 0)
		elog(ERROR, "%s", problem);
	for (int i = 0; i < nfields; i++)
	{
		result[2 * i] = CStringGetTextDatum(fields[i].name);
		result[2 * i + 1] = CStringGetTextDatum(fields[i].value);
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(result, 2 * nfields, TEXTOID, -1, false, TYPALIGN_INT));
}
