/*
 * webhook_payload.c -- the body of a webhook's request.
 *
 * Runs in: client backends.
 *
 * Objects are written as jsonb prints them, keys in its order included: the
 * shorter first, then by their bytes.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "api/webhook_payload.h"
#include "url.h"

static void add_record(StringInfo out, const WebhookEvent *event);
static void add_old_record(StringInfo out, const WebhookEvent *event);
static void add_rows(StringInfo out, const WebhookEvent *event,
					 const char *key, const char *rows);
static void add_paired(StringInfo out, const WebhookEvent *event);
static void add_time(StringInfo out);
static void add_string(StringInfo out, const char *key, const char *value);
static void add_key(StringInfo out, const char *key);
static const char *cloud_event_type(const WebhookEvent *event);
static const char *cloud_event_source(const WebhookEvent *event);

HttpBody *
pgnet_webhook_payload(const WebhookEvent *event)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoChar(&out, '{');
	add_string(&out, "type", event->type);
	add_string(&out, "table", event->table);
	if (!event->of_rows)
		add_record(&out, event);
	add_paired(&out, event);
	add_string(&out, "schema", event->schema);
	if (event->of_rows)
		add_record(&out, event);
	add_old_record(&out, event);
	appendStringInfoChar(&out, '}');
	return pgnet_body_make(PGNET_JSON_TYPE, out.data, out.len);
}

HttpBody *
pgnet_webhook_cloud_event(const WebhookEvent *event, const char *id)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoChar(&out, '{');
	add_string(&out, "id", id);
	add_key(&out, "data");
	appendStringInfoChar(&out, '{');
	add_paired(&out, event);
	add_record(&out, event);
	add_old_record(&out, event);
	appendStringInfoChar(&out, '}');
	add_time(&out);
	add_string(&out, "type", cloud_event_type(event));
	add_string(&out, "source", cloud_event_source(event));
	add_string(&out, "specversion", "1.0");
	appendStringInfoChar(&out, '}');
	return pgnet_body_make(PGNET_CLOUD_EVENT_TYPE, out.data, out.len);
}

/* The new row, or rows. */
static void
add_record(StringInfo out, const WebhookEvent *event)
{
	add_rows(out, event, event->of_rows ? "records" : "record", event->record);
}

/* The old one, or ones. */
static void
add_old_record(StringInfo out, const WebhookEvent *event)
{
	add_rows(out, event, event->of_rows ? "old_records" : "old_record",
			 event->old_record);
}

/* Rows as JSON, an array of them if they are of a statement; or null. */
static void
add_rows(StringInfo out, const WebhookEvent *event, const char *key,
		 const char *rows)
{
	bool		is_array = event->of_rows && rows != NULL;

	add_key(out, key);
	if (is_array)
		appendStringInfoChar(out, '[');
	appendStringInfoString(out, rows ? rows : "null");
	if (is_array)
		appendStringInfoChar(out, ']');
}

/* Say that old and new rows are not paired. */
static void
add_paired(StringInfo out, const WebhookEvent *event)
{
	if (!event->unpaired)
		return;
	add_key(out, "paired");
	appendStringInfoString(out, "false");
}

/* When the transaction began, as RFC 3339 has it, in UTC. */
static void
add_time(StringInfo out)
{
	struct pg_tm tm;
	fsec_t		fraction;

	if (timestamp2tm(GetCurrentTransactionStartTimestamp(), NULL, &tm,
					 &fraction, NULL, NULL) != 0)
		elog(ERROR, "the time of the transaction is out of range");
	add_string(out, "time",
			   psprintf("%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year,
						tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
						(int) fraction));
}

/* A member that is a string, in the database's encoding. */
static void
add_string(StringInfo out, const char *key, const char *value)
{
	add_key(out, key);
	escape_json(out, pg_server_to_any(value, (int) strlen(value), PG_UTF8));
}

/* The key of the next member of an object; keys need no escapes. */
static void
add_key(StringInfo out, const char *key)
{
	if (out->data[out->len - 1] != '{')
		appendStringInfoString(out, ", ");
	appendStringInfo(out, "\"%s\": ", key);
}

/* public.orders.insert */
static const char *
cloud_event_type(const WebhookEvent *event)
{
	char	   *operation = pstrdup(event->type);

	for (char *c = operation; *c != '\0'; c++)
		*c = pg_ascii_tolower((unsigned char) *c);
	return psprintf("%s.%s.%s", event->schema, event->table, operation);
}

/* /shop/public/orders, percent-encoded: it is a reference to a URI. */
static const char *
cloud_event_source(const WebhookEvent *event)
{
	return psprintf("/%s/%s/%s",
					pgnet_url_encode(get_database_name(MyDatabaseId)),
					pgnet_url_encode(event->schema),
					pgnet_url_encode(event->table));
}
