/*
 * call.h -- one call of a request function: check it, queue its request.
 *
 * Runs in: client backends.
 */
#ifndef PGNET_API_CALL_H
#define PGNET_API_CALL_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/array.h"
#include "utils/jsonb.h"

#include "api/body.h"
#include "exchange.h"

/* The arguments of a call; NULL for null. */
typedef struct RequestCall
{
	int64		id;				/* of pgnet_call_next_id(); 0: a new one */
	Oid			role;			/* who asks; InvalidOid: the current user */
	text	   *method;
	const char *known_method;	/* instead of method */
	text	   *url;
	Jsonb	   *params;
	bool		params_repeat;	/* an array gives its name several times */
	Jsonb	   *headers;
	bool		has_timeout;
	int			timeout_ms;

	bool		sends_json;		/* json, or an empty body if that is NULL */
	Jsonb	   *json;
	HttpBody   *body;			/* instead of json */

	HttpOptions options;		/* but for the two below */
	text	   *http_version;
	ArrayType  *same_origin_headers;

	ArrayType  *retry;			/* of interval */
	text	   *ordering_key;
	bool		has_due;
	TimestampTz due;
	text	   *callback;		/* a function's name, as in SQL */
	Jsonb	   *context;
	bool		has_keep;
	bool		keep;
} RequestCall;

/*
 * Check a call, queue its request and have the worker told at commit; the id.
 * Throws not_null_violation or invalid_parameter_value for what cannot be
 * sent, object_not_in_prerequisite_state when no worker serves this database.
 */
extern int64 pgnet_call_queue(const RequestCall *call);

/*
 * The same, but a right that is missing or a full quota is not thrown: nothing
 * is queued then, and the error comes back.  NULL: the request is queued.
 */
extern ErrorData *pgnet_call_queue_unless_refused(const RequestCall *call);

/* The id of a call to come.  Throws as above when no worker serves us. */
extern int64 pgnet_call_next_id(void);

#endif							/* PGNET_API_CALL_H */
