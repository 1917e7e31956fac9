/*
 * http2_response.h -- what comes over a connection with HTTP/2.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_HTTP2_RESPONSE_H
#define PGNET_HTTP2_RESPONSE_H

#include "postgres.h"

#include <nghttp2/nghttp2.h>

/* Have nghttp2, whose argument is an Http2, tell of everything that comes. */
extern void
pgnet_http2_response_callbacks(nghttp2_session_callbacks *callbacks);

#endif							/* PGNET_HTTP2_RESPONSE_H */
