/*
 * convert.h -- bytes from the network as text of the database.
 *
 * Runs in: workers, inside a transaction (conversions are catalog entries).
 */
#ifndef PGNET_CONVERT_H
#define PGNET_CONVERT_H

#include "postgres.h"

/*
 * A body as text in the database's encoding, converted from the charset that
 * its byte order mark, its Content-Type or its XML declaration names, UTF-8 if
 * none does.  NULL when it cannot be text: it is not valid in that charset, has
 * a NUL or another character that the database cannot hold, or would have to be
 * converted and is over 4 MB.  in_place, unless that is NULL, is a varlena
 * without header of which body is the data: it is the result when nothing has
 * to be changed.
 */
extern text *pgnet_text_from_body(const char *body, size_t length,
								  const char *content_type,
								  struct varlena *in_place);

/*
 * The same of a body of which there was more: its last bytes may be the
 * beginning of a character, which is left out.
 */
extern text *pgnet_text_from_cut_body(const char *body, size_t length,
									  const char *content_type,
									  struct varlena *in_place);

/*
 * The same of the beginning of a body: at most so many characters.  is_cut:
 * there was more of it.
 */
extern text *pgnet_text_beginning(const char *body, size_t length,
								  const char *content_type, int max_chars,
								  bool is_cut);

/*
 * The bytes of at most so many characters of text of the database.  Where the
 * database has no encoding these are bytes, but none of a character of UTF-8
 * that is cut.
 */
extern int	pgnet_text_clip(const char *text, int length, int max_chars);

/* Bytes as a bytea. */
extern Datum pgnet_bytes_datum(const char *bytes, size_t length);

/*
 * A header field as a string that is valid in the database's encoding: field
 * itself, or one in the current memory context.
 */
extern const char *pgnet_text_from_header(const char *field);

#endif							/* PGNET_CONVERT_H */
