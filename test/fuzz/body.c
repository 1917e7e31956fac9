/*
 * body.c -- fuzzes src/text/convert.c: a body and its content type.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "fuzz.h"
#include "text/convert.h"

/* A string, the content type, and the rest, the body. */
void
fuzz_body(const uint8 *data, size_t size)
{
	const char *content_type = fuzz_string(&data, &size);
	text	   *content;

	if (content_type == NULL)
		return;
	FUZZ_CHECK(fuzz_is_text(pgnet_text_from_header(content_type)));
	content = pgnet_text_from_body((const char *) data, size,
								   *content_type ? content_type : NULL, NULL);
	if (content == NULL)
		return;
	FUZZ_CHECK(pg_verify_mbstr(GetDatabaseEncoding(), VARDATA(content),
							   (int) (VARSIZE(content) - VARHDRSZ), true));
	FUZZ_CHECK(memchr(VARDATA(content), '\0',
					  VARSIZE(content) - VARHDRSZ) == NULL);
}
