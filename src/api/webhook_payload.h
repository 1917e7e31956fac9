/*
 * webhook_payload.h -- the body of a webhook's request.
 *
 * Runs in: client backends.
 */
#ifndef PGNET_API_WEBHOOK_PAYLOAD_H
#define PGNET_API_WEBHOOK_PAYLOAD_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "api/body.h"

#define PGNET_CLOUD_EVENT_TYPE "application/cloudevents+json"

/* What a payload has beside rows is shorter than this. */
#define PGNET_WEBHOOK_ENVELOPE_BYTES 4096

/* A change of a table. */
typedef struct WebhookEvent
{
	const char *type;			/* INSERT and its like */
	const char *table;
	const char *schema;
	bool		of_rows;		/* a statement with its rows, not one row */
	bool		unpaired;		/* old and new rows do not belong together */
	const char *record;			/* JSON in UTF-8, or NULL; of a statement the */
	const char *old_record;		/* elements of an array */
} WebhookEvent;

/* The payload, in UTF-8. */
extern HttpBody *pgnet_webhook_payload(const WebhookEvent *event);

/* The same as a CloudEvent (1.0, JSON format) with an id. */
extern HttpBody *pgnet_webhook_cloud_event(const WebhookEvent *event,
										   const char *id);

#endif							/* PGNET_API_WEBHOOK_PAYLOAD_H */
