/*
 * row_json.c -- rows of a table as JSON, as to_jsonb() has them.
 *
 * Runs in: client backends.
 *
 * to_jsonb() of a row looks up each time what its columns are, builds a tree
 * and copies that; most of what a webhook costs would be that.  Here the keys
 * are put in jsonb's order once, and the types that most columns have are
 * written directly.  All others go through to_jsonb().
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "api/row_json.h"

typedef struct JsonColumn JsonColumn;

/* Append a value that is not null. */
typedef void (*ValueWriter) (JsonColumn *column, StringInfo out, Datum value);

struct JsonColumn
{
	const char *name;
	const char *key;			/* written as JSON, with its colon */
	int			attribute;		/* counted from 0 */
	Oid			type;
	ValueWriter write;
	FmgrInfo	to_jsonb;		/* of that type, if write needs it */
};

struct RowJson
{
	int			ncolumns;
	JsonColumn *columns;		/* in the order of jsonb's keys */
};

static void convert(StringInfo out, int start);
static bool is_wanted(const char *name, List *names);
static void require_columns(const RowJson *json, List *names);
static void describe(JsonColumn *column, Form_pg_attribute attribute);
static ValueWriter writer_of(Oid type);
static void prepare_to_jsonb(JsonColumn *column);
static int	compare_columns(const void *one, const void *other);
static void write_bool(JsonColumn *column, StringInfo out, Datum value);
static void write_int2(JsonColumn *column, StringInfo out, Datum value);
static void write_int4(JsonColumn *column, StringInfo out, Datum value);
static void write_int8(JsonColumn *column, StringInfo out, Datum value);
static void write_numeric(JsonColumn *column, StringInfo out, Datum value);
static void write_text(JsonColumn *column, StringInfo out, Datum value);
static void write_uuid(JsonColumn *column, StringInfo out, Datum value);
static void write_time(JsonColumn *column, StringInfo out, Datum value);
static void write_jsonb(JsonColumn *column, StringInfo out, Datum value);
static void write_other(JsonColumn *column, StringInfo out, Datum value);

RowJson *
pgnet_row_json_create(TupleDesc desc, List *names)
{
	RowJson    *json = palloc(sizeof(RowJson));

	json->ncolumns = 0;
	json->columns = palloc0(sizeof(JsonColumn) * Max(desc->natts, 1));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped &&
			is_wanted(NameStr(attribute->attname), names))
			describe(&json->columns[json->ncolumns++], attribute);
	}
	require_columns(json, names);
	qsort(json->columns, json->ncolumns, sizeof(JsonColumn), compare_columns);
	/* where they are for good */
	for (int i = 0; i < json->ncolumns; i++)
		if (json->columns[i].write == write_other)
			prepare_to_jsonb(&json->columns[i]);
	return json;
}

void
pgnet_row_json_append(RowJson *json, StringInfo out, TupleTableSlot *row)
{
	int			start = out->len;

	slot_getallattrs(row);
	appendStringInfoChar(out, '{');
	for (int i = 0; i < json->ncolumns; i++)
	{
		JsonColumn *column = &json->columns[i];

		if (i > 0)
			appendStringInfoString(out, ", ");
		appendStringInfoString(out, column->key);
		if (row->tts_isnull[column->attribute])
			appendStringInfoString(out, "null");
		else
			column->write(column, out, row->tts_values[column->attribute]);
	}
	appendStringInfoChar(out, '}');
	convert(out, start);
}

/* Convert what was appended since to UTF-8. */
static void
convert(StringInfo out, int start)
{
	char	   *text = out->data + start;
	char	   *utf8 = pg_server_to_any(text, out->len - start, PG_UTF8);

	if (utf8 == text)
		return;
	out->len = start;
	appendStringInfoString(out, utf8);
	pfree(utf8);
}

/* Is a column among those that are asked for? */
static bool
is_wanted(const char *name, List *names)
{
	ListCell   *cell;

	foreach(cell, names)
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	return names == NIL;
}

/* Is there a column of each name? */
static void
require_columns(const RowJson *json, List *names)
{
	ListCell   *cell;

	foreach(cell, names)
	{
		bool		found = false;

		for (int i = 0; !found && i < json->ncolumns; i++)
			found = strcmp(lfirst(cell), json->columns[i].name) == 0;
		if (!found)
			ereport(ERROR,
					errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("the table has no column \"%s\"",
						   (const char *) lfirst(cell)));
	}
}

/* Fill in a column, but for its to_jsonb(). */
static void
describe(JsonColumn *column, Form_pg_attribute attribute)
{
	StringInfoData key;

	initStringInfo(&key);
	escape_json(&key, NameStr(attribute->attname));
	appendStringInfoString(&key, ": ");
	column->name = pstrdup(NameStr(attribute->attname));
	column->key = key.data;
	column->attribute = attribute->attnum - 1;
	column->type = attribute->atttypid;
	column->write = writer_of(attribute->atttypid);
}

/* How values of a type are written. */
static ValueWriter
writer_of(Oid type)
{
	switch (type)
	{
		case BOOLOID:
			return write_bool;
		case INT2OID:
			return write_int2;
		case INT4OID:
			return write_int4;
		case INT8OID:
			return write_int8;
		case NUMERICOID:
			return write_numeric;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return write_text;
		case UUIDOID:
			return write_uuid;
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return write_time;
		case JSONBOID:
			return write_jsonb;
		default:
			return write_other;
	}
}

/* A call of to_jsonb() that can tell the type of its argument. */
static void
prepare_to_jsonb(JsonColumn *column)
{
	Const	   *argument = makeNullConst(column->type, -1, InvalidOid);
	FuncExpr   *call = makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(argument),
									InvalidOid, InvalidOid,
									COERCE_EXPLICIT_CALL);

	fmgr_info(F_TO_JSONB, &column->to_jsonb);
	fmgr_info_set_expr((Node *) call, &column->to_jsonb);
}

/* For qsort(): jsonb has the shorter key first (utils/adt/jsonb_util.c). */
static int
compare_columns(const void *one, const void *other)
{
	const char *a = ((const JsonColumn *) one)->name;
	const char *b = ((const JsonColumn *) other)->name;
	size_t		a_length = strlen(a);
	size_t		b_length = strlen(b);

	if (a_length != b_length)
		return a_length < b_length ? -1 : 1;
	return memcmp(a, b, a_length);
}

/* boolean */
static void
write_bool(JsonColumn *column, StringInfo out, Datum value)
{
	(void) column;
	appendStringInfoString(out, DatumGetBool(value) ? "true" : "false");
}

/* smallint */
static void
write_int2(JsonColumn *column, StringInfo out, Datum value)
{
	write_int4(column, out, Int32GetDatum((int32) DatumGetInt16(value)));
}

/* integer */
static void
write_int4(JsonColumn *column, StringInfo out, Datum value)
{
	(void) column;
	enlargeStringInfo(out, 12);
	out->len += pg_ltoa(DatumGetInt32(value), out->data + out->len);
}

/* bigint */
static void
write_int8(JsonColumn *column, StringInfo out, Datum value)
{
	(void) column;
	enlargeStringInfo(out, MAXINT8LEN + 1);
	out->len += pg_lltoa(DatumGetInt64(value), out->data + out->len);
}

/* numeric; what JSON has no number for is a string */
static void
write_numeric(JsonColumn *column, StringInfo out, Datum value)
{
	char	   *text = DatumGetCString(DirectFunctionCall1(numeric_out, value));

	(void) column;
	if (strpbrk(text, "nN") != NULL)
		escape_json(out, text);
	else
		appendStringInfoString(out, text);
}

/* text, varchar, char(n) with its blanks */
static void
write_text(JsonColumn *column, StringInfo out, Datum value)
{
	(void) column;
	escape_json(out, TextDatumGetCString(value));
}

/* uuid */
static void
write_uuid(JsonColumn *column, StringInfo out, Datum value)
{
	(void) column;
	escape_json(out, DatumGetCString(DirectFunctionCall1(uuid_out, value)));
}

/* date, timestamp, timestamptz: ISO 8601, whatever DateStyle is */
static void
write_time(JsonColumn *column, StringInfo out, Datum value)
{
	char		text[MAXDATELEN + 1];

	JsonEncodeDateTime(text, value, column->type, NULL);
	escape_json(out, text);
}

/* jsonb */
static void
write_jsonb(JsonColumn *column, StringInfo out, Datum value)
{
	Jsonb	   *jsonb = DatumGetJsonbP(value);

	(void) column;
	(void) JsonbToCString(out, &jsonb->root, VARSIZE(jsonb));
}

/* Any other type, with its cast to json if it has one. */
static void
write_other(JsonColumn *column, StringInfo out, Datum value)
{
	write_jsonb(column, out, FunctionCall1(&column->to_jsonb, value));
}
