/*
 * name_servers.h -- which name server is asked first.
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 */
#ifndef PGNET_NAME_SERVERS_H
#define PGNET_NAME_SERVERS_H

#include "postgres.h"

/* Room for an address with a port, as text. */
#define PGNET_NAME_SERVER_BYTES 128

/* One of zeros knows none. */
typedef struct NameServers
{
	char	   *listed;			/* in resolv.conf, with commas between */

	/* answered when others did not; "": asked is the first one */
	char		preferred[PGNET_NAME_SERVER_BYTES];
} NameServers;

struct ares_channeldata;

/* Have a channel ask the one that is preferred before the others. */
extern void pgnet_name_servers_order(NameServers *servers,
									 struct ares_channeldata *channel);

/* Which one is a socket connected to?  "": nobody needs to know. */
extern void pgnet_name_server_of(const NameServers *servers, int fd,
								 char server[PGNET_NAME_SERVER_BYTES]);

/* One answered, and others did not in time. */
extern void pgnet_name_servers_prefer(NameServers *servers, const char *server);

#endif							/* PGNET_NAME_SERVERS_H */
