/*
 * tunnel.h -- asking a proxy for a tunnel (RFC 9110, section 9.3.6).
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 */
#ifndef PGNET_TUNNEL_H
#define PGNET_TUNNEL_H

#include "postgres.h"

#include "http/errors.h"
#include "http/route.h"
#include "http/stream.h"

typedef struct Tunnel Tunnel;

typedef enum TunnelStatus
{
	PGNET_TUNNEL_OPEN,
	PGNET_TUNNEL_AGAIN,			/* when the stream is ready */
	PGNET_TUNNEL_FAILED
} TunnelStatus;

/* To the host of a route.  NULL: no memory. */
extern Tunnel *pgnet_tunnel_create(const Route *route, const char *user_agent);

/* Go on; NULL fails for memory. */
extern TunnelStatus pgnet_tunnel_go_on(Tunnel *tunnel, Stream *stream,
									   HttpError *error);

extern void pgnet_tunnel_free(Tunnel *tunnel);

#endif							/* PGNET_TUNNEL_H */
