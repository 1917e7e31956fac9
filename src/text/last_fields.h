/*
 * last_fields.h -- the header fields converted last.
 *
 * Runs in: workers.
 */
#ifndef PGNET_LAST_FIELDS_H
#define PGNET_LAST_FIELDS_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "exchange.h"

/*
 * What pgnet_headers_to_jsonb() makes of the fields, or made of the same when
 * it was asked last.  Do not free it; valid until the next call.
 */
extern const Jsonb *pgnet_last_fields_jsonb(const HttpHeader *headers,
											int nheaders);

#endif							/* PGNET_LAST_FIELDS_H */
