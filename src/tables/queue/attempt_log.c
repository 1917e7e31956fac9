/*
 * attempt_log.c -- the log of failed attempts, in the column failures.
 *
 * Runs in: client backends and workers.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "digits.h"
#include "tables/queue/attempt_log.h"
#include "text/convert.h"
#include "text/json_fields.h"

/* The most entries that a log has, and the most bytes. */
#define MAX_ENTRIES 100
#define MAX_LOG_BYTES (128 * 1024)

/* The most characters of a body in an entry. */
#define MAX_BODY_CHARS 1000

/* The members of entries. */
#define KEY_DUE "due"
#define KEY_AT "at"
#define KEY_MS "ms"
#define KEY_STATUS "status"
#define KEY_ERROR "error"
#define KEY_BODY "body"
#define KEY_BODY_BYTES "body_bytes"
#define KEY_HEADERS "headers"
#define KEY_RESENT "resent"
#define KEY_ROLE "role"

/* Which entries of a log are kept, by their index. */
typedef struct Retention
{
	int			first;			/* the first that is kept */
	int			first_body;		/* the first that keeps its body */
} Retention;

/* Adds an entry to the array that is being built. */
typedef void (*AddEntry) (PgnetJsonbState *state, const void *arg);

typedef struct Resend
{
	TimestampTz now;
	TimestampTz due;
	const char *role;
} Resend;

static int	count_entries(Jsonb *log);
static TimestampTz member_time(JsonbContainer *entry, const char *key);
static bool read_time_of_day(const char *at, struct pg_tm *tm, int *micros);
static JsonbContainer *entry_at(Jsonb *log, int number);
static bool has_member(JsonbContainer *entry, const char *key);
static char *member_text(JsonbContainer *entry, const char *key);
static Jsonb *append(Jsonb *log, AddEntry add, const void *arg);
static Jsonb *append_retaining(Jsonb *log, Retention retention, AddEntry add,
							   const void *arg);
static void copy_entry(PgnetJsonbState *state, JsonbContainer *entry,
					   bool with_body);
static void add_attempt(PgnetJsonbState *state, const void *job);
static void add_resend(PgnetJsonbState *state, const void *resend);
static void add_part(PgnetJsonbState *state, const HttpPart *part);
static void push_body(PgnetJsonbState *state, const text *body);
static bool is_key(const JsonbValue *key, const char *name);
static void clip(JsonbValue *value);
static void push_key(PgnetJsonbState *state, const char *key);
static void push_text(PgnetJsonbState *state, const char *key,
					  const char *value);
static void push_number(PgnetJsonbState *state, const char *key,
						char *value);
static void push_time(PgnetJsonbState *state, const char *key,
					  TimestampTz time);

AttemptLogSummary
pgnet_attempt_log_summary(Jsonb *log)
{
	AttemptLogSummary summary = {0};

	for (int i = 0; i < count_entries(log); i++)
	{
		JsonbContainer *entry = entry_at(log, i);

		if (entry == NULL)
			continue;
		if (has_member(entry, KEY_RESENT))
		{
			summary.sent_before += summary.sent;
			summary.failed = summary.sent = 0;
			continue;
		}
		summary.failed++;
		if (member_text(entry, KEY_AT) != NULL)
			summary.sent++;
		summary.reason = member_text(entry, KEY_ERROR);
		if (summary.reason == NULL)
			summary.reason = member_text(entry, KEY_STATUS);
	}
	return summary;
}

Jsonb *
pgnet_attempt_log_add(const Job *job)
{
	return append(job->delivery.failures, add_attempt, job);
}

TimestampTz
pgnet_attempt_log_since(Jsonb *log, TimestampTz due, TimestampTz queued)
{
	int			count = count_entries(log);
	JsonbContainer *entry = count > 0 ? entry_at(log, 0) : NULL;

	if (entry != NULL)
		due = member_time(entry, KEY_DUE);
	if (due == 0)
		due = queued;
	for (int i = count - 1; i >= 0; i--)
	{
		TimestampTz resent;

		entry = entry_at(log, i);
		resent = entry ? member_time(entry, KEY_RESENT) : 0;
		if (resent != 0)
			return Max(resent, member_time(entry, KEY_DUE));
	}
	return due;
}

Jsonb *
pgnet_attempt_log_resend(Jsonb *log, TimestampTz now, TimestampTz due,
						 const char *role)
{
	Resend		resend = {.now = now, .due = due, .role = role};

	return append(log, add_resend, &resend);
}

char *
pgnet_attempt_reason(const HttpOutcome *outcome)
{
	if (outcome->kind == PGNET_OUTCOME_ANSWERED)
		return psprintf("%d", outcome->status_code);
	return pstrdup(pgnet_text_from_header(outcome->error));
}

char *
pgnet_gave_up_message(int nsent, const char *reason)
{
	if (nsent == 0)
		return pstrdup(reason ? reason : "gave up");
	return psprintf("gave up after %d attempt%s%s%s", nsent,
					nsent == 1 ? "" : "s", reason ? ": " : "",
					reason ? reason : "");
}

/* 0 for a log that is not an array. */
static int
count_entries(Jsonb *log)
{
	if (log == NULL || !JB_ROOT_IS_ARRAY(log) || JB_ROOT_IS_SCALAR(log))
		return 0;
	return JB_ROOT_COUNT(log);
}

/* NULL for an entry that is not an object. */
static JsonbContainer *
entry_at(Jsonb *log, int number)
{
	JsonbValue *value = getIthJsonbValueFromContainer(&log->root, number);

	if (value == NULL || value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		return NULL;
	return value->val.binary.data;
}

static bool
has_member(JsonbContainer *entry, const char *key)
{
	JsonbValue	value;

	return getKeyJsonValueFromContainer(entry, key, strlen(key), &value) !=
		NULL;
}

/* A string or number; NULL for anything else. */
static char *
member_text(JsonbContainer *entry, const char *key)
{
	JsonbValue	value;

	if (getKeyJsonValueFromContainer(entry, key, strlen(key), &value) == NULL)
		return NULL;
	if (value.type == jbvString)
		return pnstrdup(value.val.string.val, value.val.string.len);
	if (value.type == jbvNumeric)
		return numeric_normalize(value.val.numeric);
	return NULL;
}

/* A time as push_time() writes it; 0 for anything else. */
static TimestampTz
member_time(JsonbContainer *entry, const char *key)
{
	const char *at = member_text(entry, key);
	struct pg_tm tm = {0};
	int			micros;
	TimestampTz time;
	int			utc = 0;

	if (at == NULL || !pgnet_read_digits(&at, 4, &tm.tm_year) ||
		!pgnet_read_literal(&at, "-") ||
		!pgnet_read_digits(&at, 2, &tm.tm_mon) ||
		!pgnet_read_literal(&at, "-") ||
		!pgnet_read_digits(&at, 2, &tm.tm_mday) ||
		!pgnet_read_literal(&at, "T") ||
		!read_time_of_day(at, &tm, &micros) || tm.tm_mon < 1 ||
		tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
		tm2timestamp(&tm, micros, &utc, &time) != 0)
		return 0;
	return time;
}

/* 08:49:37.000000Z */
static bool
read_time_of_day(const char *at, struct pg_tm *tm, int *micros)
{
	return pgnet_read_digits(&at, 2, &tm->tm_hour) &&
		pgnet_read_literal(&at, ":") &&
		pgnet_read_digits(&at, 2, &tm->tm_min) &&
		pgnet_read_literal(&at, ":") &&
		pgnet_read_digits(&at, 2, &tm->tm_sec) &&
		pgnet_read_literal(&at, ".") && pgnet_read_digits(&at, 6, micros) &&
		strcmp(at, "Z") == 0;
}

/*
 * A copy of a log with another entry.  If it gets too long, bodies are removed
 * first, then entries, in each case those of the oldest.
 */
static Jsonb *
append(Jsonb *log, AddEntry add, const void *arg)
{
	int			count = count_entries(log);
	Retention	retention = {.first = Max(count - MAX_ENTRIES + 1, 0)};
	Jsonb	   *longer;

	retention.first_body = retention.first;
	while (VARSIZE(longer = append_retaining(log, retention, add, arg)) >
			   MAX_LOG_BYTES &&
		   retention.first < count)
	{
		pfree(longer);
		if (retention.first_body < count)
			retention.first_body++;
		else
			retention.first++;
	}
	return longer;
}

static Jsonb *
append_retaining(Jsonb *log, Retention retention, AddEntry add,
				 const void *arg)
{
	PgnetJsonbState state = {0};
	int			count = count_entries(log);

	pgnet_jsonb_push(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = retention.first; i < count; i++)
	{
		JsonbContainer *entry = entry_at(log, i);

		if (entry != NULL)
			copy_entry(&state, entry, i >= retention.first_body);
	}
	add(&state, arg);
	pgnet_jsonb_push(&state, WJB_END_ARRAY, NULL);
	return JsonbValueToJsonb(state.result);
}

/* Copy an entry, with its body or without. */
static void
copy_entry(PgnetJsonbState *state, JsonbContainer *entry, bool with_body)
{
	JsonbIterator *iterator = JsonbIteratorInit(entry);
	JsonbValue	value;
	JsonbIteratorToken token;
	bool		is_body = false;
	bool		is_left_out = false;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		bool		has_value = token == WJB_KEY || token == WJB_VALUE;

		if (token == WJB_KEY)
		{
			is_body = is_key(&value, KEY_BODY);
			is_left_out = (is_body && !with_body) ||
				is_key(&value, KEY_BODY_BYTES) || is_key(&value, KEY_HEADERS);
		}
		if (has_value && is_left_out)
			continue;
		if (token == WJB_VALUE && is_body)
			clip(&value);
		pgnet_jsonb_push(state, token, has_value ? &value : NULL);
	}
}

static bool
is_key(const JsonbValue *key, const char *name)
{
	return key->val.string.len == (int) strlen(name) &&
		memcmp(key->val.string.val, name, strlen(name)) == 0;
}

/* Leave no more of a body than an entry keeps that is not the newest. */
static void
clip(JsonbValue *value)
{
	if (value->type == jbvString)
		value->val.string.len = pgnet_text_clip(value->val.string.val,
												value->val.string.len,
												MAX_BODY_CHARS);
}

/* AddEntry of pgnet_attempt_log_add(). */
static void
add_attempt(PgnetJsonbState *state, const void *arg)
{
	const Job  *job = arg;
	const HttpOutcome *outcome = &job->outcome;
	const HttpMetrics *metrics = &job->metrics;
	bool		sent = pgnet_job_was_sent(job);
	bool		answered = outcome->kind == PGNET_OUTCOME_ANSWERED;
	int			status = answered ? outcome->status_code :
		outcome->part	  ? outcome->part->status_code :
							0;

	pgnet_jsonb_push(state, WJB_BEGIN_OBJECT, NULL);
	push_time(state, KEY_DUE, job->delivery.due);
	push_time(state, KEY_AT, sent ? metrics->started : 0);
	push_number(state, KEY_MS,
				sent ? psprintf("%.1f", metrics->duration_us / 1000.0) : NULL);
	push_number(state, KEY_STATUS, status > 0 ? psprintf("%d", status) : NULL);
	push_text(state, KEY_ERROR,
			  answered ? NULL : pgnet_text_from_header(outcome->error));
	if (answered)
		push_body(state,
				  pgnet_text_beginning(outcome->content, outcome->content_len,
									   outcome->content_type, MAX_BODY_CHARS,
									   outcome->content_is_cut));
	else if (outcome->part != NULL)
		add_part(state, outcome->part);
	else
		push_body(state, NULL);
	pgnet_jsonb_push(state, WJB_END_OBJECT, NULL);
}

/* What came of a response that was not complete. */
static void
add_part(PgnetJsonbState *state, const HttpPart *part)
{
	Jsonb	   *headers;
	JsonbValue	value = {.type = jbvBinary};

	push_body(state,
			  pgnet_text_beginning(part->content, part->content_len,
								   part->content_type, PGNET_MAX_PART_BYTES,
								   part->content_len < part->received ||
									   part->content_len > 0));
	push_number(state, KEY_BODY_BYTES, psprintf("%zu", part->received));
	headers = pgnet_json_fields_build(part->headers, part->nheaders);
	push_key(state, KEY_HEADERS);
	value.val.binary.data = &headers->root;
	value.val.binary.len = VARSIZE(headers) - VARHDRSZ;
	pgnet_jsonb_push(state, WJB_VALUE, &value);
}

/* A body, or null. */
static void
push_body(PgnetJsonbState *state, const text *body)
{
	push_text(state, KEY_BODY, body ? text_to_cstring(body) : NULL);
}

/* AddEntry of pgnet_attempt_log_resend(). */
static void
add_resend(PgnetJsonbState *state, const void *arg)
{
	const Resend *resend = arg;

	pgnet_jsonb_push(state, WJB_BEGIN_OBJECT, NULL);
	push_time(state, KEY_RESENT, resend->now);
	push_time(state, KEY_DUE, resend->due);
	/* as it was given, maybe in a database of another encoding */
	push_text(state, KEY_ROLE, pgnet_text_from_header(resend->role));
	pgnet_jsonb_push(state, WJB_END_OBJECT, NULL);
}

static void
push_key(PgnetJsonbState *state, const char *key)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = unconstify(char *, key);
	value.val.string.len = strlen(key);
	pgnet_jsonb_push(state, WJB_KEY, &value);
}

/* A member with a string; null if value is NULL. */
static void
push_text(PgnetJsonbState *state, const char *key, const char *value)
{
	JsonbValue	json = {.type = jbvNull};

	push_key(state, key);
	if (value != NULL)
	{
		json.type = jbvString;
		json.val.string.val = unconstify(char *, value);
		json.val.string.len = strlen(value);
	}
	pgnet_jsonb_push(state, WJB_VALUE, &json);
}

/* A member with a number; null if value is NULL. */
static void
push_number(PgnetJsonbState *state, const char *key, char *value)
{
	JsonbValue	json = {.type = jbvNull};
	Datum		numeric;

	push_key(state, key);
	if (value != NULL)
	{
		numeric = DirectFunctionCall3(numeric_in, CStringGetDatum(value),
									  ObjectIdGetDatum(InvalidOid),
									  Int32GetDatum(-1));
		json.type = jbvNumeric;
		json.val.numeric = DatumGetNumeric(numeric);
	}
	pgnet_jsonb_push(state, WJB_VALUE, &json);
}

/* A member with a time; null if it is 0. */
static void
push_time(PgnetJsonbState *state, const char *key, TimestampTz time)
{
	char	   *text = NULL;
	struct pg_tm tm;
	fsec_t		fsec;

	if (time != 0 && timestamp2tm(time, NULL, &tm, &fsec, NULL, NULL) == 0)
		text = psprintf("%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year,
						tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min,
						tm.tm_sec, (int) fsec);
	push_text(state, key, text);
}
