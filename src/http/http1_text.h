/*
 * http1_text.h -- parts of what came of a response of HTTP/1.1.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_HTTP1_TEXT_H
#define PGNET_HTTP1_TEXT_H

#include "postgres.h"

/* Bytes that were given, and are not taken yet. */
typedef struct Http1Input
{
	const char *at;
	const char *end;
} Http1Input;

/* A line, or a part of one; it does not end with a NUL. */
typedef struct Http1Text
{
	const char *bytes;
	size_t		length;
} Http1Text;

/* Is this a decimal digit? */
static inline bool
pgnet_http1_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* White space within a line? */
static inline bool
pgnet_http1_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* That, or the end of a line? */
static inline bool
pgnet_http1_is_space(char c)
{
	return pgnet_http1_is_blank(c) || c == '\r' || c == '\n';
}

/* White space around it is no part of it (RFC 9110, section 5.5). */
static inline void
pgnet_http1_trim(Http1Text *text)
{
	while (text->length > 0 && pgnet_http1_is_space(*text->bytes))
	{
		text->bytes++;
		text->length--;
	}
	while (text->length > 0 &&
		   pgnet_http1_is_space(text->bytes[text->length - 1]))
		text->length--;
}

#endif							/* PGNET_HTTP1_TEXT_H */
