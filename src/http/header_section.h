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

/* One of zeros is empty; who has it sets max_bytes. */
typedef struct HeaderSection
{
	/* as received, in order; in the context given with each */
	Field	   *fields;
	int			nfields;
	int			room;

	bool		begun;			/* the status line came */
	bool		complete;		/* and all fields: what comes is a trailer */

	/* of all sections: there is one with each redirect, and with 1xx */
	size_t		bytes;
	int			lines;
	size_t		max_bytes;
	bool		too_large;
} HeaderSection;

/*
 * A status line came, with which another section begins.  False when it is over
 * a limit.
 */
extern bool pgnet_header_section_begin(HeaderSection *section);

/*
 * Take a field, whose texts need no NUL.  False when it is over a limit or
 * memory is out.
 */
extern bool pgnet_header_section_add(HeaderSection *section,
									 MemoryContext context, const char *name,
									 size_t name_length, const char *value,
									 size_t value_length);

/* The section is complete: trailers are counted, but not kept. */
extern void pgnet_header_section_end(HeaderSection *section);

/* Forget what came: another request goes out. */
extern void pgnet_header_section_clear(HeaderSection *section);

#endif							/* PGNET_HEADER_SECTION_H */
