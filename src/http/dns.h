/*
 * dns.h -- what the hosts file and name servers know, by c-ares.
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 */
#ifndef PGNET_DNS_H
#define PGNET_DNS_H

#include "postgres.h"

#include "lib/ilist.h"

#include "http/name_servers.h"
#include "http/poller.h"
#include "http/resolver.h"
#include "http/timers.h"

typedef struct Dns Dns;
typedef struct DnsQuery DnsQuery;

/* What became of a question; of several, the greatest counts. */
typedef enum DnsResult
{
	PGNET_DNS_PENDING,
	PGNET_DNS_FOUND,
	PGNET_DNS_NONE,				/* there is no such name or no such address */
	PGNET_DNS_SERVER_FAILED,	/* it says that it could not find out */
	PGNET_DNS_FAILED,			/* there is no answer, or none that is one */
	PGNET_DNS_NO_MEMORY,
	PGNET_DNS_SHORT				/* of something of this machine */
} DnsResult;

typedef struct DnsAnswer
{
	DnsResult	result;
	const char *reason;			/* for a person; NULL: the result says it */
	int			system_errno;	/* of what it is short */

	int			seconds;		/* for which it is good */
	int			naddresses;		/* the best ones first (RFC 6724) */
	IpAddress	addresses[PGNET_MAX_ADDRESSES];
} DnsAnswer;

/* There is an answer; the query may be asked or freed now. */
typedef void (*DnsAnswered) (DnsQuery *query);

/* One question to name servers; who asks sets answered, and reads answer. */
struct DnsQuery
{
	DnsAnswered answered;
	DnsAnswer	answer;

	Dns		   *dns;			/* the rest is of dns.c */
	int			family;
	struct ares_channeldata *channel;	/* NULL: none is under way */
	dlist_head	sockets;
	Timer		timer;			/* of c-ares */
	bool		heard;			/* servers sent something, good or not */
	char		server[PGNET_NAME_SERVER_BYTES];	/* that sent something */
};

/* NULL, with *error, when c-ares or memory will not. */
extern Dns *pgnet_dns_create(Poller *poller, Timers *timers,
							 const char **error);

/* What the hosts file has of a host, at once; AF_UNSPEC: of both families. */
extern void pgnet_dns_read_hosts(Dns *dns, const char *host, int family,
								 DnsAnswer *answer);

/*
 * Ask for the addresses of a name, which ends in a dot, of one family.  If
 * there is an answer on return, answered() is not called.
 */
extern void pgnet_dns_ask(Dns *dns, DnsQuery *query, const char *name,
						  int family);

/* End a query at any time; nothing happens to one that is not under way. */
extern void pgnet_dns_end(DnsQuery *query);

#endif							/* PGNET_DNS_H */
