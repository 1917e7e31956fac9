/*
 * form.c -- net.form(): fields as an HTML form sends them.
 *
 * Runs in: client backends.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "api/body.h"

#define FORM_TYPE "application/x-www-form-urlencoded"

PG_FUNCTION_INFO_V1(pgnet_form);

static void append_encoded(StringInfo form, const char *text);

/* form(fields); null fields make an empty form */
Datum
pgnet_form(PG_FUNCTION_ARGS)
{
	Jsonb	   *jsonb = PG_ARGISNULL(0) ? NULL : PG_GETARG_JSONB_P(0);
	Field	   *fields;
	int			nfields = pgnet_body_fields(jsonb, &fields);
	StringInfoData form;

	initStringInfo(&form);
	for (int i = 0; i < nfields; i++)
	{
		if (i > 0)
			appendStringInfoChar(&form, '&');
		append_encoded(&form, fields[i].name);
		appendStringInfoChar(&form, '=');
		append_encoded(&form, fields[i].value);
	}
	PG_RETURN_POINTER(pgnet_body_make(FORM_TYPE, form.data, form.len));
}

/* The serializer of https://url.spec.whatwg.org/#urlencoded-serializing */
static void
append_encoded(StringInfo form, const char *text)
{
	const char *utf8 = pg_server_to_any(text, strlen(text), PG_UTF8);

	for (const char *c = utf8; *c != '\0'; c++)
	{
		if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			(*c >= '0' && *c <= '9') || strchr("*-._", *c) != NULL)
			appendStringInfoChar(form, *c);
		else if (*c == ' ')
			appendStringInfoChar(form, '+');
		else
			appendStringInfo(form, "%%%02X", (unsigned char) *c);
	}
}
