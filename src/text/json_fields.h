/*
 * json_fields.h -- fields between jsonb and our own struct.
 *
 * Runs in: client backends and workers.
 */
#ifndef PGNET_JSON_FIELDS_H
#define PGNET_JSON_FIELDS_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "exchange.h"

/* What an array among the members is. */
typedef enum JsonArrays
{
	PGNET_ARRAYS_TEXT,			/* a value, its JSON text */
	PGNET_ARRAYS_REPEAT			/* one field for each element */
} JsonArrays;

/*
 * The members of a jsonb object as text, in the order jsonb keeps them, in
 * CurrentMemoryContext.  Nulls are left out; objects, and arrays that are
 * further inside, become their JSON text.  NULL jsonb means none.  Returns
 * false and sets *problem, palloc'd, when it is not an object; what is
 * "headers" or the like, for that message.
 */
extern bool pgnet_json_fields_read(Jsonb *jsonb, const char *what,
								   JsonArrays arrays, Field **fields,
								   int *nfields, char **problem);

/*
 * Received header fields as a jsonb object in the database's encoding.  A
 * field that came more than once is one member.
 */
extern Jsonb *pgnet_json_fields_build(const Field *fields, int nfields);

/*
 * The same, or what it made of the same fields when it was asked last.  Do not
 * free it; valid until the next call.
 */
extern const Jsonb *pgnet_json_fields_build_cached(const Field *fields,
												   int nfields);

#endif							/* PGNET_JSON_FIELDS_H */
