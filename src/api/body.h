/*
 * body.h -- the type net.http_body: bytes, and what they are.
 *
 * Runs in: client backends.
 */
#ifndef PGNET_API_BODY_H
#define PGNET_API_BODY_H

#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "exchange.h"

#define PGNET_JSON_TYPE "application/json"
#define PGNET_TEXT_TYPE "text/plain; charset=utf-8"
#define PGNET_BINARY_TYPE "application/octet-stream"

/* A value of the type, detoasted. */
typedef struct HttpBody
{
	int32		vl_len_;		/* varlena header; not touched directly */
	int32		type_length;
	char		data[FLEXIBLE_ARRAY_MEMBER];	/* content type, bytes */
} HttpBody;

#define DatumGetHttpBody(datum) ((HttpBody *) PG_DETOAST_DATUM(datum))
#define PG_GETARG_HTTP_BODY(number) DatumGetHttpBody(PG_GETARG_DATUM(number))

/* Make a value; type is a content type, ASCII. */
extern HttpBody *pgnet_body_make(const char *type, const char *bytes,
								 size_t length);

/* Its parts; the content type palloc'd, the bytes in body. */
extern char *pgnet_body_type(const HttpBody *body);
extern const char *pgnet_body_bytes(const HttpBody *body, size_t *length);

/*
 * The fields of a form, an array giving one for each element; how many.
 * Throws invalid_parameter_value when jsonb is not an object.
 */
extern int	pgnet_body_fields(Jsonb *jsonb, Field **fields);

/* Throws invalid_parameter_value unless type may be a content type. */
extern void pgnet_body_check_type(const char *type);

#endif							/* PGNET_API_BODY_H */
