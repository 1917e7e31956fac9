/*
 * header_section.h -- the header fields of an answer, while they arrive
 * (RFC 9110, section 6.3).
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_HEADER_SECTION_H
#define PGNET_HEADER_SECTION_H

#include "postgres.h"

#include "exchange.h"

/* No server sends as many; each takes memory beside its bytes. */
#define PGNET_MAX_HEADER_LINES 1000

typedef struct HeaderSection
{
	/* as received, in order; in the context given with each line */
	Field	   *fields;
	int			nfields;
	int			room;

	/* the value of the last field, if it went on in a line of its own */
	char	   *long_value;		/* NULL: it did not */
	size_t		long_length;
	size_t		long_room;

	bool		begun;			/* the status line came */
	bool		complete;		/* the empty line came */
	bool		no_http;		/* the status line names no version of HTTP */

	/* of all sections: there is one with each redirect, 1xx and proxy */
	size_t		bytes;
	int			lines;
	size_t		max_bytes;
	bool		too_large;
} HeaderSection;

/*
 * Take a line, its end included; libcurl says which lines are of a header
 * section.  False when it is over a limit or memory is out.
 */
extern bool pgnet_header_section_take(HeaderSection *section,
									  MemoryContext context, const char *line,
									  size_t length);

/* Begin the next section. */
extern void pgnet_header_section_clear(HeaderSection *section);

#endif							/* PGNET_HEADER_SECTION_H */
