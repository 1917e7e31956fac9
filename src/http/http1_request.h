/*
 * http1_request.h -- a request of HTTP/1.1 as bytes (RFC 9112).
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_HTTP1_REQUEST_H
#define PGNET_HTTP1_REQUEST_H

#include "postgres.h"

#include "http/message.h"
#include "http/route.h"

/*
 * Write request line and header section into bytes; how many that takes, of
 * which only size are written.
 */
extern size_t pgnet_http1_request_head(const Message *message, char *bytes,
									   size_t size);

/* Likewise a CONNECT for the host of a route (RFC 9110, section 9.3.6). */
extern size_t pgnet_http1_connect_head(const Route *route,
									   const char *user_agent, char *bytes,
									   size_t size);

#endif							/* PGNET_HTTP1_REQUEST_H */
