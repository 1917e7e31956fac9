/*
 * webhook.c -- net.webhook(): a trigger that sends the rows that changed.
 *
 * Runs in: client backends, and what changes rows like them.
 *
 * Rows become JSON with the rights and settings of whoever changes them, as in
 * any trigger: casts and output functions are code of users.  The request is
 * the owner's of the table, who has the rights and the quota that count.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "api/call.h"
#include "api/row_json.h"
#include "api/support.h"
#include "api/transition_rows.h"
#include "api/webhook_options.h"
#include "api/webhook_payload.h"
#include "compat.h"
#include "tables/recovery/message_id.h"

/* A request with so many bytes is full; many servers take no more. */
#define FULL_BYTES (1024 * 1024 - PGNET_WEBHOOK_ENVELOPE_BYTES)

PG_FUNCTION_INFO_V1(pgnet_webhook);

/* A trigger, as long as its FmgrInfo. */
typedef struct Webhook
{
	WebhookOptions *options;
	RowJson    *json;
	AttrNumber	key_column;		/* whose value is the ordering key, or 0 */
	FmgrInfo	key_output;		/* of its type */
} Webhook;

/* The rows of one side of a statement, on their way into requests. */
typedef struct Side
{
	TransitionRows from;
	StringInfoData row;			/* the one that was read last, JSON */
	StringInfoData rows;		/* those of this request, with commas */
} Side;

/* Both sides. */
typedef struct Batch
{
	Webhook    *hook;
	TriggerData *trigger;
	MemoryContext row_context;	/* for one row */
	MemoryContext request_context;	/* for one request */
	Side		new_side;
	Side		old_side;
	int			nrows;			/* of this request */
} Batch;

static TriggerData *require_trigger(FunctionCallInfo fcinfo);
static Webhook *webhook_of(FunctionCallInfo fcinfo, TriggerData *trigger);
static void find_key_column(Webhook *hook, TupleDesc desc);
static text *key_of(Webhook *hook, TupleTableSlot *row);
static void add_context(void *arg);
static WebhookEvent event_of(const TriggerData *trigger);
static void send_row(Webhook *hook, TriggerData *trigger);
static const char *json_of(Webhook *hook, TupleTableSlot *row);
static void send_statement(Webhook *hook, TriggerData *trigger);
static void require_tables(const TriggerData *trigger);
pg_noreturn static void refuse_missing_table(const char *referencing);
static void batch_begin(Batch *batch, Webhook *hook, TriggerData *trigger);
static void batch_end(Batch *batch);
static void send_pairs(Batch *batch);
static void send_unpaired(Batch *batch);
static bool read_side(Batch *batch, Side *side);
static void take_side(Batch *batch, Side *side);
static bool is_full_with_next(const Batch *batch);
static void send_batch(Batch *batch, bool unpaired);
static void queue(Webhook *hook, const TriggerData *trigger,
				  const WebhookEvent *event, text *ordering_key);
static void warn(const TriggerData *trigger, const ErrorData *refusal);

/* webhook(), a trigger */
Datum
pgnet_webhook(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = require_trigger(fcinfo);
	ErrorContextCallback context = {
		.previous = error_context_stack,
		.callback = add_context,
		.arg = trigger
	};
	Webhook    *hook;

	error_context_stack = &context;
	pgnet_require_writable(fcinfo);
	hook = webhook_of(fcinfo, trigger);
	if (TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		send_row(hook, trigger);
	else
		send_statement(hook, trigger);
	error_context_stack = context.previous;
	PG_RETURN_POINTER(NULL);
}

/* What calls us; nothing but a trigger that fires afterwards. */
static TriggerData *
require_trigger(FunctionCallInfo fcinfo)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("net.webhook() is a trigger function"));
	if (!TRIGGER_FIRED_AFTER(trigger->tg_event))
		ereport(ERROR,
				errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("net.webhook() is for AFTER triggers"),
				errhint("Create the trigger \"%s\" with AFTER.",
						trigger->tg_trigger->tgname));
	return trigger;
}

/* The trigger, read once for each statement. */
static Webhook *
webhook_of(FunctionCallInfo fcinfo, TriggerData *trigger)
{
	MemoryContext before;
	Webhook    *hook;

	if (fcinfo->flinfo->fn_extra != NULL)
		return fcinfo->flinfo->fn_extra;
	before = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	hook = palloc(sizeof(Webhook));
	hook->options = pgnet_webhook_options_read(trigger->tg_trigger);
	hook->json = pgnet_row_json_create(RelationGetDescr(trigger->tg_relation),
									   hook->options->columns);
	find_key_column(hook, RelationGetDescr(trigger->tg_relation));
	MemoryContextSwitchTo(before);
	fcinfo->flinfo->fn_extra = hook;
	return hook;
}

/* Find the column that gives the ordering key, if one is to. */
static void
find_key_column(Webhook *hook, TupleDesc desc)
{
	const char *name = hook->options->ordering_key;
	Oid			output;
	bool		is_varlena;

	hook->key_column = InvalidAttrNumber;
	if (name == NULL)
		return;
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped &&
			strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0)
			hook->key_column = i + 1;
	if (hook->key_column == InvalidAttrNumber)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("the table has no column \"%s\"", name));
	getTypeOutputInfo(TupleDescAttr(desc, hook->key_column - 1)->atttypid,
					  &output, &is_varlena);
	fmgr_info(output, &hook->key_output);
}

/* The ordering key of a row, or NULL. */
static text *
key_of(Webhook *hook, TupleTableSlot *row)
{
	bool		null = true;
	Datum		value = (Datum) 0;

	if (hook->key_column != InvalidAttrNumber)
		value = slot_getattr(row, hook->key_column, &null);
	if (null)
		return NULL;
	return cstring_to_text(OutputFunctionCall(&hook->key_output, value));
}

/* Say in an error which trigger it comes from. */
static void
add_context(void *arg)
{
	const TriggerData *trigger = arg;

	errcontext("webhook trigger \"%s\" of table \"%s\"",
			   trigger->tg_trigger->tgname,
			   RelationGetRelationName(trigger->tg_relation));
}

/* The event, without rows. */
static WebhookEvent
event_of(const TriggerData *trigger)
{
	Relation	table = trigger->tg_relation;
	WebhookEvent event = {
		.table = RelationGetRelationName(table),
		.schema = get_namespace_name(RelationGetNamespace(table)),
		.of_rows = !TRIGGER_FIRED_FOR_ROW(trigger->tg_event)
	};

	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		event.type = "INSERT";
	else if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		event.type = "UPDATE";
	else if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		event.type = "DELETE";
	else
		event.type = "TRUNCATE";
	return event;
}

/* Send the row of a row trigger. */
static void
send_row(Webhook *hook, TriggerData *trigger)
{
	WebhookEvent event = event_of(trigger);
	bool		is_update = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	bool		is_delete = TRIGGER_FIRED_BY_DELETE(trigger->tg_event);
	/* the new row, but of a DELETE */
	TupleTableSlot *row = is_update ? trigger->tg_newslot :
									  trigger->tg_trigslot;

	if (hook->options->has_body && !is_delete)
		event.record = json_of(hook, row);
	if (hook->options->has_body && (is_update || is_delete))
		event.old_record = json_of(hook, trigger->tg_trigslot);
	queue(hook, trigger, &event, key_of(hook, row));
}

/* A row as JSON. */
static const char *
json_of(Webhook *hook, TupleTableSlot *row)
{
	StringInfoData out;

	initStringInfo(&out);
	pgnet_row_json_append(hook->json, &out, row);
	return out.data;
}

/* Send the rows of a statement trigger. */
static void
send_statement(Webhook *hook, TriggerData *trigger)
{
	WebhookEvent event = event_of(trigger);
	Batch		batch;

	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
	{
		queue(hook, trigger, &event, NULL);
		return;
	}
	require_tables(trigger);
	batch_begin(&batch, hook, trigger);
	if (!hook->options->has_body)
	{
		if (pgnet_transition_rows_count(&batch.new_side.from) > 0 ||
			pgnet_transition_rows_count(&batch.old_side.from) > 0)
			queue(hook, trigger, &event, NULL);
	}
	else if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) &&
			 pgnet_transition_rows_count(&batch.new_side.from) !=
				 pgnet_transition_rows_count(&batch.old_side.from))
		send_unpaired(&batch);
	else
		send_pairs(&batch);
	batch_end(&batch);
}

/* Are the transition tables there that the event can have? */
static void
require_tables(const TriggerData *trigger)
{
	bool		has_old = trigger->tg_oldtable != NULL;
	bool		has_new = trigger->tg_newtable != NULL;

	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event) && !has_new)
		refuse_missing_table("NEW TABLE AS new_rows");
	if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event) && !has_old)
		refuse_missing_table("OLD TABLE AS old_rows");
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) && !(has_old && has_new))
		refuse_missing_table("OLD TABLE AS old_rows NEW TABLE AS new_rows");
}

/* The error of a statement trigger that does not have its rows. */
static void
refuse_missing_table(const char *referencing)
{
	ereport(ERROR,
			errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			errmsg("net.webhook() needs transition tables in a statement trigger"),
			errdetail("PostgreSQL has them for triggers of one event, without a list of columns."),
			errhint("Create the trigger with REFERENCING %s FOR EACH STATEMENT.",
					referencing));
}

/* Begin to read the rows. */
static void
batch_begin(Batch *batch, Webhook *hook, TriggerData *trigger)
{
	*batch = (Batch) {.hook = hook, .trigger = trigger};
	batch->row_context = AllocSetContextCreate(CurrentMemoryContext,
											   "pg_net webhook row",
											   ALLOCSET_DEFAULT_SIZES);
	batch->request_context = AllocSetContextCreate(CurrentMemoryContext,
												   "pg_net webhook request",
												   ALLOCSET_DEFAULT_SIZES);
	pgnet_transition_rows_begin(&batch->new_side.from, trigger->tg_relation,
								trigger->tg_newtable);
	pgnet_transition_rows_begin(&batch->old_side.from, trigger->tg_relation,
								trigger->tg_oldtable);
	initStringInfo(&batch->new_side.row);
	initStringInfo(&batch->new_side.rows);
	initStringInfo(&batch->old_side.row);
	initStringInfo(&batch->old_side.rows);
}

/* End it; memory goes with the context of the call. */
static void
batch_end(Batch *batch)
{
	pgnet_transition_rows_end(&batch->new_side.from);
	pgnet_transition_rows_end(&batch->old_side.from);
}

/*
 * Send rows in requests that are not too large; old and new ones in pairs,
 * which belong together by their position.
 */
static void
send_pairs(Batch *batch)
{
	for (;;)
	{
		bool		has_new = read_side(batch, &batch->new_side);
		bool		has_old = read_side(batch, &batch->old_side);

		if (!has_new && !has_old)
			break;
		if (batch->nrows > 0 && is_full_with_next(batch))
			send_batch(batch, false);
		if (has_new)
			take_side(batch, &batch->new_side);
		if (has_old)
			take_side(batch, &batch->old_side);
		if (++batch->nrows == batch->hook->options->batch)
			send_batch(batch, false);
	}
	if (batch->nrows > 0)
		send_batch(batch, false);
}

/* Send rows that belong together in an unknown way, all in one request. */
static void
send_unpaired(Batch *batch)
{
	while (read_side(batch, &batch->new_side))
		take_side(batch, &batch->new_side);
	while (read_side(batch, &batch->old_side))
		take_side(batch, &batch->old_side);
	send_batch(batch, true);
}

/* Read the next row of a side; false at its end. */
static bool
read_side(Batch *batch, Side *side)
{
	MemoryContext before;

	CHECK_FOR_INTERRUPTS();
	resetStringInfo(&side->row);
	if (!pgnet_transition_rows_next(&side->from))
		return false;
	before = MemoryContextSwitchTo(batch->row_context);
	pgnet_row_json_append(batch->hook->json, &side->row, side->from.row);
	MemoryContextSwitchTo(before);
	MemoryContextReset(batch->row_context);
	return true;
}

/* Put the row that was read into the request. */
static void
take_side(Batch *batch, Side *side)
{
	(void) batch;
	if (side->rows.len > 0)
		appendStringInfoString(&side->rows, ", ");
	appendBinaryStringInfo(&side->rows, side->row.data, side->row.len);
}

/* Would the request be too large with the rows that were read? */
static bool
is_full_with_next(const Batch *batch)
{
	size_t		size = (size_t) batch->new_side.rows.len +
		batch->new_side.row.len + batch->old_side.rows.len +
		batch->old_side.row.len;

	return size + strlen(", , ") > FULL_BYTES;
}

/* Send what was taken, and begin anew. */
static void
send_batch(Batch *batch, bool unpaired)
{
	MemoryContext before = MemoryContextSwitchTo(batch->request_context);
	WebhookEvent event = event_of(batch->trigger);

	event.unpaired = unpaired;
	if (batch->new_side.from.store != NULL)
		event.record = batch->new_side.rows.data;
	if (batch->old_side.from.store != NULL)
		event.old_record = batch->old_side.rows.data;
	queue(batch->hook, batch->trigger, &event, NULL);
	MemoryContextSwitchTo(before);
	MemoryContextReset(batch->request_context);
	resetStringInfo(&batch->new_side.rows);
	resetStringInfo(&batch->old_side.rows);
	batch->nrows = 0;
}

/* Queue the request of an event, on behalf of the table's owner. */
static void
queue(Webhook *hook, const TriggerData *trigger, const WebhookEvent *event,
	  text *ordering_key)
{
	const WebhookOptions *options = hook->options;
	RequestCall call = {
		.options = PGNET_OPTIONS_UNSET,
		.role = trigger->tg_relation->rd_rel->relowner,
		.known_method = options->method,
		.url = options->url,
		.params = options->params,
		.headers = options->headers,
		.has_timeout = true,
		.timeout_ms = options->timeout_ms,
		.ordering_key = ordering_key
	};

	if (options->cloud_event)
	{
		/* the payload names the request */
		call.id = pgnet_call_next_id();
		call.body = pgnet_webhook_cloud_event(event,
											  pgnet_message_id(call.id));
	}
	else if (options->has_body)
		call.body = pgnet_webhook_payload(event);
	if (options->warn)
		warn(trigger, pgnet_call_queue_unless_refused(&call));
	else
		(void) pgnet_call_queue(&call);
}

/* Warn of a request that was refused, if it was. */
static void
warn(const TriggerData *trigger, const ErrorData *refusal)
{
	if (refusal == NULL)
		return;
	/* psql shows no context of a warning: name the trigger */
	ereport(WARNING,
			errcode(refusal->sqlerrcode),
			errmsg("trigger \"%s\" sends no request: %s",
				   trigger->tg_trigger->tgname, refusal->message),
			refusal->detail ? errdetail_internal("%s", refusal->detail) : 0,
			refusal->hint ? errhint("%s", refusal->hint) : 0);
}
