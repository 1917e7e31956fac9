/*
 * webhook_options.c -- the arguments of a trigger that calls net.webhook().
 *
 * Runs in: client backends.
 *
 * The first five are those of Database Webhooks, so that their triggers need
 * another function name and nothing else.  Options follow.
 */
#include "postgres.h"

#include "catalog/pg_trigger.h"
#include "common/string.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/varlena.h"

#include "api/body.h"
#include "api/webhook_options.h"
#include "api/webhook_payload.h"
#include "compat.h"
#include "text/json_fields.h"

#define DEFAULT_TIMEOUT_MS 5000
#define DEFAULT_BATCH 500
#define MAX_BATCH 10000

/* The arguments that have a place, in order. */
enum
{
	ARGUMENT_URL,
	ARGUMENT_METHOD,
	ARGUMENT_HEADERS,
	ARGUMENT_PARAMS,
	ARGUMENT_TIMEOUT,
	NARGUMENTS
};

/* A method, and whether its requests have the payload. */
typedef struct Method
{
	const char *name;
	bool		has_body;
} Method;

static const Method methods[] = {
	{"POST", true},				/* the default */
	{"GET", false},
	{"HEAD", false},
	{"PUT", true},
	{"PATCH", true},
	{"DELETE", true}
};

/* Which triggers an option is for. */
typedef enum OptionKind
{
	FOR_ALL,
	FOR_ROWS,
	FOR_STATEMENTS
} OptionKind;

/* An option, and what reads its value. */
typedef struct Option
{
	const char *name;
	OptionKind	kind;
	void		(*read) (WebhookOptions *options, char *value);
} Option;

static void read_columns(WebhookOptions *options, char *value);
static void read_ordering_key(WebhookOptions *options, char *value);
static void read_batch(WebhookOptions *options, char *value);
static void read_on_error(WebhookOptions *options, char *value);
static void read_format(WebhookOptions *options, char *value);

static const Option all_options[] = {
	{"columns", FOR_ALL, read_columns},
	{"ordering_key", FOR_ROWS, read_ordering_key},
	{"batch", FOR_STATEMENTS, read_batch},
	{"on_error", FOR_ALL, read_on_error},
	{"format", FOR_ALL, read_format}
};

static void read_arguments(WebhookOptions *options, char **arguments,
						   int count);
static Jsonb *cloud_event_headers(Jsonb *headers);
static const Method *method_called(const char *name);
static Jsonb *read_object(char *json, const char *what);
static int	read_timeout(const char *number);
static void read_options(WebhookOptions *options, char **arguments, int count,
						 bool for_rows);
static const Option *option_of(const char *argument, size_t length,
							   bool for_rows);
static size_t option_length(const char *argument);
pg_noreturn static void refuse_value(const char *option, const char *value,
									 const char *hint);

WebhookOptions *
pgnet_webhook_options_read(const Trigger *trigger)
{
	WebhookOptions *options = palloc0(sizeof(WebhookOptions));
	int			count = trigger->tgnargs;
	int			named = Min(count, 1);

	/* the URL comes first, whatever it looks like */
	while (named < count && option_length(trigger->tgargs[named]) == 0)
		named++;
	if (named > NARGUMENTS)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("net.webhook() takes at most %d arguments before the options",
					   NARGUMENTS),
				errhint("They are the URL, the method, the headers, the parameters and the timeout."));
	options->batch = DEFAULT_BATCH;
	read_arguments(options, trigger->tgargs, named);
	read_options(options, trigger->tgargs + named, count - named,
				 TRIGGER_FOR_ROW(trigger->tgtype));
	if (options->cloud_event && !options->has_body)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("format=cloudevents needs a method with a body, not %s",
					   options->method));
	if (options->cloud_event)
		options->headers = cloud_event_headers(options->headers);
	return options;
}

/* The headers with the content type of a CloudEvent. */
static Jsonb *
cloud_event_headers(Jsonb *headers)
{
	Field	   *given;
	int			ngiven;
	Field	   *fields;
	int			nfields = 0;
	char	   *problem;

	/* the call says it again */
	if (!pgnet_json_fields_read(headers, "headers", PGNET_ARRAYS_TEXT, &given,
								&ngiven, &problem))
		return headers;
	fields = palloc(sizeof(Field) * (ngiven + 1));
	for (int i = 0; i < ngiven; i++)
		if (pg_strcasecmp(given[i].name, "Content-Type") != 0)
			fields[nfields++] = given[i];
	fields[nfields++] = (Field) {"Content-Type", PGNET_CLOUD_EVENT_TYPE};
	return pgnet_json_fields_build(fields, nfields);
}

/* Read those that have a place; one that is empty or "null" is the default. */
static void
read_arguments(WebhookOptions *options, char **arguments, int count)
{
	char	   *given[NARGUMENTS] = {NULL};
	const Method *method;

	for (int i = 0; i < count; i++)
		if (arguments[i][0] != '\0' && strcmp(arguments[i], "null") != 0)
			given[i] = arguments[i];
	if (given[ARGUMENT_URL] == NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("net.webhook() needs a URL as its first argument"));
	options->url = cstring_to_text(given[ARGUMENT_URL]);
	method = given[ARGUMENT_METHOD] ? method_called(given[ARGUMENT_METHOD]) :
									  &methods[0];
	options->method = method->name;
	options->has_body = method->has_body;
	options->headers = read_object(given[ARGUMENT_HEADERS] ?
									   given[ARGUMENT_HEADERS] :
									   "{\"Content-Type\": \"" PGNET_JSON_TYPE "\"}",
								   "headers");
	options->params = read_object(given[ARGUMENT_PARAMS] ?
									  given[ARGUMENT_PARAMS] :
									  "{}",
								  "params");
	options->timeout_ms = given[ARGUMENT_TIMEOUT] ?
		read_timeout(given[ARGUMENT_TIMEOUT]) :
		DEFAULT_TIMEOUT_MS;
}

/* A method by its name, in any case. */
static const Method *
method_called(const char *name)
{
	for (int i = 0; i < (int) lengthof(methods); i++)
		if (pg_strcasecmp(name, methods[i].name) == 0)
			return &methods[i];
	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("net.webhook() does not send %s requests", name),
			errhint("The methods are GET, HEAD, POST, PUT, PATCH and DELETE."));
}

/* JSON; that it is an object is checked by the call. */
static Jsonb *
read_object(char *json, const char *what)
{
	MemoryContext context = CurrentMemoryContext;
	volatile Datum value = (Datum) 0;

	PG_TRY();
	{
		value = DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		if (error->sqlerrcode != ERRCODE_INVALID_TEXT_REPRESENTATION)
			ReThrowError(error);
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("the %s of a webhook are not JSON", what),
				errdetail_internal("%s", error->detail ? error->detail : error->message));
	}
	PG_END_TRY();
	return DatumGetJsonbP(value);
}

/* A number of milliseconds; its range is checked by the call. */
static int
read_timeout(const char *number)
{
	char	   *end;
	int			value;

	errno = 0;
	value = strtoint(number, &end, 10);
	if (errno != 0 || *end != '\0')
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("invalid timeout of a webhook: \"%s\"", number),
				errhint("The timeout is a number of milliseconds."));
	return value;
}

/* Read those that follow, name=value. */
static void
read_options(WebhookOptions *options, char **arguments, int count,
			 bool for_rows)
{
	const Option *given[lengthof(all_options)] = {NULL};

	for (int i = 0; i < count; i++)
	{
		size_t		length = option_length(arguments[i]);
		const Option *option;

		if (length == 0)
			ereport(ERROR,
					errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("argument \"%s\" of net.webhook() follows an option",
						   arguments[i]),
					errhint("Arguments without a name come before all options."));
		option = option_of(arguments[i], length, for_rows);
		if (given[option - all_options] != NULL)
			ereport(ERROR,
					errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("option \"%s\" of net.webhook() is given twice",
						   option->name));
		given[option - all_options] = option;
		option->read(options, pstrdup(arguments[i] + length + 1));
	}
}

/* The option that an argument names, with a name so long. */
static const Option *
option_of(const char *argument, size_t length, bool for_rows)
{
	for (int i = 0; i < (int) lengthof(all_options); i++)
	{
		const Option *option = &all_options[i];

		if (strlen(option->name) != length ||
			strncmp(option->name, argument, length) != 0)
			continue;
		if (option->kind == (for_rows ? FOR_STATEMENTS : FOR_ROWS))
			ereport(ERROR,
					errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg(for_rows ?
							   "option \"%s\" of net.webhook() is for statement triggers" :
							   "option \"%s\" of net.webhook() is for row triggers",
						   option->name));
		return option;
	}
	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("net.webhook() has no option \"%s\"",
				   pnstrdup(argument, length)),
			errhint("The options are columns, ordering_key, batch, on_error and format."));
}

/* Bytes of the name before "="; 0 if the argument is not an option. */
static size_t
option_length(const char *argument)
{
	size_t		length = strspn(argument, "abcdefghijklmnopqrstuvwxyz_");

	return argument[length] == '=' ? length : 0;
}

/* columns=id,status */
static void
read_columns(WebhookOptions *options, char *value)
{
	if (!SplitIdentifierString(pstrdup(value), ',', &options->columns) ||
		options->columns == NIL)
		refuse_value("columns", value, "It is a list of column names.");
}

/* ordering_key=id */
static void
read_ordering_key(WebhookOptions *options, char *value)
{
	List	   *names;

	if (!SplitIdentifierString(pstrdup(value), ',', &names) ||
		list_length(names) != 1)
		refuse_value("ordering_key", value, "It is the name of a column.");
	options->ordering_key = linitial(names);
}

/* batch=500 */
static void
read_batch(WebhookOptions *options, char *value)
{
	char	   *end;

	errno = 0;
	options->batch = strtoint(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || options->batch < 1 ||
		options->batch > MAX_BATCH)
		refuse_value("batch", value, "It is a number of rows, 1 to 10000.");
}

/* on_error=warn */
static void
read_on_error(WebhookOptions *options, char *value)
{
	options->warn = strcmp(value, "warn") == 0;
	if (!options->warn && strcmp(value, "fail") != 0)
		refuse_value("on_error", value, "It is warn or fail.");
}

/* format=cloudevents */
static void
read_format(WebhookOptions *options, char *value)
{
	options->cloud_event = true;
	if (strcmp(value, "cloudevents") != 0)
		refuse_value("format", value, "It is cloudevents, or not given.");
}

/* The error of a value that an option cannot have. */
static void
refuse_value(const char *option, const char *value, const char *hint)
{
	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("invalid value of option \"%s\" of net.webhook(): \"%s\"",
				   option, value),
			errhint("%s", hint));
}
