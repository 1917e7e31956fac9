/*
 * fuzz.c -- libFuzzer inside a PostgreSQL backend.
 *
 * Our code needs a backend: memory contexts, jsonb, encodings, errors.  So this
 * is a library for one, with libFuzzer's runtime in it, and an SQL function
 * that starts the fuzzer.  It does not return: libFuzzer ends the process.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "fuzz.h"

PG_FUNCTION_INFO_V1(pgnet_fuzz);

/* Of libFuzzer. */
extern int	LLVMFuzzerRunDriver(int *argc, char ***argv,
								int (*callback) (const uint8_t *, size_t));

static const struct
{
	const char *name;
	void		(*run) (const uint8 *data, size_t size);
} targets[] = {
	{"url", fuzz_url},
	{"endpoint", fuzz_endpoint},
	{"headers", fuzz_headers},
	{"body", fuzz_body},
	{"decoder", fuzz_decoder},
	{"request", fuzz_request},
	{"http1", fuzz_http1},
	{"http2", fuzz_http2},
	{"dns", fuzz_dns},
	{"tls", fuzz_tls},
	{"date", fuzz_date},
};

static void (*target) (const uint8 *data, size_t size);
static MemoryContext context;

static int	run_once(const uint8_t *data, size_t size);

/* pgnet_fuzz(target text, arguments text[]): the arguments are libFuzzer's. */
Datum
pgnet_fuzz(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Datum	   *arguments;
	int			narguments;
	char	  **argv;
	int			argc = 0;

	for (int i = 0; i < (int) lengthof(targets); i++)
		if (strcmp(targets[i].name, name) == 0)
			target = targets[i].run;
	if (target == NULL)
		elog(ERROR, "there is no target \"%s\"", name);

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false,
					  TYPALIGN_INT, &arguments, NULL, &narguments);
	argv = palloc0(sizeof(char *) * (narguments + 2));
	argv[argc++] = name;
	for (int i = 0; i < narguments; i++)
		argv[argc++] = TextDatumGetCString(arguments[i]);

	context = AllocSetContextCreate(TopMemoryContext, "fuzz input",
									ALLOCSET_DEFAULT_SIZES);
	LLVMFuzzerRunDriver(&argc, &argv, run_once);
	PG_RETURN_VOID();
}

/* Run the target on one input, in a memory context of its own. */
static int
run_once(const uint8_t *data, size_t size)
{
	MemoryContext before = MemoryContextSwitchTo(context);

	PG_TRY();
	{
		target(data, size);
	}
	PG_CATCH();
	{
		EmitErrorReport();
		fuzz_failed("no error", __FILE__, __LINE__);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(before);
	MemoryContextReset(context);
	return 0;
}

/* Take a string. */
char *
fuzz_string(const uint8 **data, size_t *size)
{
	size_t		length = strnlen((const char *) *data, *size);
	char	   *string;

	if (*size == 0)
		return NULL;
	string = pnstrdup((const char *) *data, length);
	length = Min(length + 1, *size);
	*data += length;
	*size -= length;
	return string;
}

/* Could it be a value of the database? */
bool
fuzz_is_text(const char *text)
{
	return pg_verify_mbstr(GetDatabaseEncoding(), text, (int) strlen(text),
						   true);
}

/* Something that must hold does not. */
void
fuzz_failed(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, condition);
	abort();
}
