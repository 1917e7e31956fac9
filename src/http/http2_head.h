/*
 * http2_head.h -- the header section of a request, for nghttp2.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_HTTP2_HEAD_H
#define PGNET_HTTP2_HEAD_H

#include "postgres.h"

#include <nghttp2/nghttp2.h>

#include "http/message.h"

/* With more fields than this they are in memory from malloc(). */
#define PGNET_HTTP2_FEW_FIELDS 32

/* It points to the message. */
typedef struct Http2Head
{
	nghttp2_nv *fields;
	size_t		nfields;
	size_t		bytes;			/* as a peer counts them (RFC 9113, 6.5.2) */

	/* private */
	char		length[24];		/* of the body */
	nghttp2_nv	few[PGNET_HTTP2_FEW_FIELDS];
} Http2Head;

/* Make it; false when there is no memory. */
extern bool pgnet_http2_head_init(Http2Head *head, const Message *message);
extern void pgnet_http2_head_free(Http2Head *head);

/* Blanks around a value are no part of it (RFC 9113, section 8.2.1). */
extern void pgnet_http2_trim(const char **value, size_t *length);

#endif							/* PGNET_HTTP2_HEAD_H */
