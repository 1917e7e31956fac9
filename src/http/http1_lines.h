/*
 * http1_lines.h -- the lines of the header sections of a response of HTTP/1.1.
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 */
#ifndef PGNET_HTTP1_LINES_H
#define PGNET_HTTP1_LINES_H

#include "postgres.h"

#include "http/errors.h"
#include "http/http1_text.h"

/* All zeros at first. */
typedef struct Http1Lines
{
	size_t		bytes;			/* of all lines */
	int			count;

	/* a line that did not come in one piece */
	char	   *held;
	size_t		held_length;
	size_t		held_room;
	bool		ended;			/* unless a blank comes next */
} Http1Lines;

/*
 * Find the next line, its end included, and those that go on with it (RFC
 * 9112, section 5.2), unless it is_alone.  It is valid until it is forgotten,
 * or input is.  False when more input is needed, or with *error: lines have
 * together at most max_bytes, and no characters that others take for an end.
 */
extern bool pgnet_http1_line_find(Http1Lines *lines, Http1Input *input,
								  bool is_alone, size_t max_bytes,
								  Http1Text *line, HttpError *error);

/* Join lines that go on into one; false, with *error: no memory. */
extern bool pgnet_http1_line_join(Http1Lines *lines, Http1Text *line,
								  HttpError *error);

/* It was dealt with. */
extern void pgnet_http1_line_forget(Http1Lines *lines);

/* Free what there is. */
extern void pgnet_http1_lines_free(Http1Lines *lines);

#endif							/* PGNET_HTTP1_LINES_H */
