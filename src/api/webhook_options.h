/*
 * webhook_options.h -- the arguments of a trigger that calls net.webhook().
 *
 * Runs in: client backends.
 */
#ifndef PGNET_API_WEBHOOK_OPTIONS_H
#define PGNET_API_WEBHOOK_OPTIONS_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/reltrigger.h"

/* What they say, with the defaults filled in. */
typedef struct WebhookOptions
{
	text	   *url;
	const char *method;			/* static, one that http_request() has */
	bool		has_body;		/* requests of that method have the payload */
	Jsonb	   *headers;
	Jsonb	   *params;
	int			timeout_ms;

	List	   *columns;		/* names; NIL: all */
	char	   *ordering_key;	/* name of a column, of row triggers, or NULL */
	int			batch;			/* rows of a request, of statement triggers */
	bool		warn;			/* what policy refuses is a WARNING */
	bool		cloud_event;	/* the payload is a CloudEvent */
} WebhookOptions;

/*
 * Read them, in the current memory context.  Throws invalid_parameter_value for
 * what cannot be, also by the kind of the trigger; what only a call can tell,
 * such as a wrong URL, it does not look at.
 */
extern WebhookOptions *pgnet_webhook_options_read(const Trigger *trigger);

#endif							/* PGNET_API_WEBHOOK_OPTIONS_H */
