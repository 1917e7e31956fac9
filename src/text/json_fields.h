/*
 * json_fields.h -- header fields between jsonb and our own struct.
 *
 * Runs in: client backends and workers.
 */
#ifndef PGNET_JSON_FIELDS_H
#define PGNET_JSON_FIELDS_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "exchange.h"

/*
 * The members of a jsonb object as text, in CurrentMemoryContext.  Members
 * that are null are left out; arrays and objects become their JSON text.
 * NULL jsonb means none.  Returns false and sets *problem when it is not an
 * object; what is "headers" or "params", for that message.
 */
extern bool pgnet_headers_from_jsonb(Jsonb *jsonb, const char *what,
									 HttpHeader **headers, int *nheaders,
									 char **problem);

/*
 * One value, not null, of such an object as text, in CurrentMemoryContext; an
 * array or object is jbvBinary.
 */
extern char *pgnet_headers_value(const JsonbValue *value);

/* Received header fields as a jsonb object in the database's encoding. */
extern Jsonb *pgnet_headers_to_jsonb(const HttpHeader *headers, int nheaders);

#endif							/* PGNET_JSON_FIELDS_H */
