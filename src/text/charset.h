/*
 * charset.h -- the charset of a response body.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_CHARSET_H
#define PGNET_CHARSET_H

#include "postgres.h"

/* Charsets that are no encodings of PostgreSQL (enum pg_enc). */
#define PGNET_CHARSET_NONE (-1)
#define PGNET_CHARSET_UTF16LE (-2)
#define PGNET_CHARSET_UTF16BE (-3)

/*
 * What a body says of itself, if it is of a type that is text or unknown:
 * the charset of its byte order mark and, in *length, the mark's length.
 */
extern int	pgnet_charset_marked(const char *body, size_t size,
								 const char *content_type, size_t *length);

/*
 * What was declared, by the charset parameter of a content type or else by
 * the XML declaration; NONE when nothing was that we know.
 */
extern int	pgnet_charset_declared(const char *content_type, const char *body,
								   size_t size);

#endif							/* PGNET_CHARSET_H */
