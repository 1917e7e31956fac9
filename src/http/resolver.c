/*
 * resolver.c -- addresses of hosts, by c-ares.
 *
 * Runs in: workers.
 *
 * Lookups of one host share a question.  How many questions there may be at
 * once is shared by roles and their lanes, since names that nobody answers for
 * are under way as long as their requests are.
 */
#include "postgres.h"

#include "http/dns.h"
#include "http/ip_address.h"
#include "http/lookup_cache.h"
#include "http/lookup_lines.h"
#include "http/question.h"
#include "http/resolver.h"

/* How many questions there may be; each has a channel of c-ares or two. */
#define MAX_LOOKUPS 256

/* How many of those that waited begin in one turn. */
#define STARTS_A_TURN 64

/* A host longer than any name (RFC 1035, section 2.3.4) is not looked up. */
#define MAX_HOST_BYTES 256

struct Resolver
{
	Dns		   *dns;
	LookupCache cache;
	Questions	questions;
	LookupLines lines;
};

static bool copy_host(const char *host, char small[MAX_HOST_BYTES]);
static bool know_at_once(Resolver *resolver, Lookup *lookup, const char *host,
						 IpVersion ip_version);
static void join(Resolver *resolver, Question *question, Lookup *lookup);
static bool find_in_hosts(Resolver *resolver, Lookup *lookup, const char *host,
						  IpVersion ip_version);
static void ask(Resolver *resolver, Lookup *lookup, const char *host,
				IpVersion ip_version);
static void wait_to_begin(Resolver *resolver, LookupState *state);

/* Create; that is for the life of the process. */
Resolver *
pgnet_resolver_create(Poller *poller, Timers *timers, Account *account,
					  const char **error)
{
	Resolver   *resolver = calloc(1, sizeof(Resolver));

	if (resolver == NULL)
	{
		*error = "out of memory";
		return NULL;
	}
	resolver->dns = pgnet_dns_create(poller, timers, error);
	if (resolver->dns == NULL)
	{
		free(resolver);
		return NULL;
	}
	account->limit[PGNET_POOL_LOOKUPS] = MAX_LOOKUPS;
	pgnet_lookup_cache_init(&resolver->cache);
	pgnet_questions_init(&resolver->questions, resolver->dns, account,
						 &resolver->cache);
	pgnet_lookup_lines_init(&resolver->lines, account);
	return resolver;
}

/* Know it, find it in a file, join others that look for it, or ask. */
void
pgnet_lookup_start(Resolver *resolver, Lookup *lookup, const char *host,
				   IpVersion ip_version)
{
	char		small[MAX_HOST_BYTES];
	Question   *question;

	lookup->addresses = NULL;
	lookup->naddresses = 0;
	lookup->complete = false;
	lookup->error = (HttpError) {0};
	lookup->state = NULL;

	if (!copy_host(host, small))
	{
		pgnet_lookup_fail(lookup, host, PGNET_DNS_NONE, NULL, 0);
		return;
	}
	if (know_at_once(resolver, lookup, small, ip_version))
		return;
	question = pgnet_question_find(&resolver->questions, small, ip_version);
	if (question != NULL)
		join(resolver, question, lookup);
	else if (!find_in_hosts(resolver, lookup, small, ip_version))
		ask(resolver, lookup, small, ip_version);
}

/* Leave the others, and free the addresses. */
void
pgnet_lookup_end(Resolver *resolver, Lookup *lookup)
{
	(void) resolver;
	if (lookup->state != NULL)
		pgnet_question_leave(lookup->state);
	free(lookup->addresses);
	lookup->addresses = NULL;
	lookup->naddresses = 0;
}

/* Who asks next gets a new answer. */
void
pgnet_resolver_forget(Resolver *resolver, const char *host)
{
	char		small[MAX_HOST_BYTES];

	if (!copy_host(host, small))
		return;
	pgnet_lookup_cache_forget(&resolver->cache, small);
	for (int version = PGNET_IP_ANY; version <= PGNET_IP_V6; version++)
	{
		Question   *question = pgnet_question_find(&resolver->questions, small,
												   (IpVersion) version);

		if (question != NULL)
			pgnet_question_unshare(question);
	}
}

/* Begin those that may, if something was given back. */
void
pgnet_resolver_go_on(Resolver *resolver)
{
	LookupState *state;
	int			nstarts = 0;

	if (pgnet_lookup_lines_stand(&resolver->lines))
		return;
	while (nstarts < STARTS_A_TURN &&
		   (state = pgnet_lookup_lines_next(&resolver->lines)) != NULL)
	{
		Question   *question = state->question;

		nstarts++;
		if (pgnet_question_begin(question, state))
			pgnet_question_complete(question);
	}
	if (nstarts == STARTS_A_TURN)
		pgnet_lookup_lines_look_again(&resolver->lines);
}

/* Copy a host in small letters; false: it is too long, or nothing. */
static bool
copy_host(const char *host, char small[MAX_HOST_BYTES])
{
	size_t		length = strlen(host);

	if (length == 0 || length >= MAX_HOST_BYTES)
		return false;
	for (size_t i = 0; i <= length; i++)
		small[i] = pg_ascii_tolower((unsigned char) host[i]);
	return true;
}

/* Is it an address, or was it found lately? */
static bool
know_at_once(Resolver *resolver, Lookup *lookup, const char *host,
			 IpVersion ip_version)
{
	IpAddress	known[PGNET_KNOWN_ADDRESSES];
	int			nknown = pgnet_ip_known(host, ip_version, known);
	const CachedHost *cached;

	if (nknown != PGNET_IP_NAME)
	{
		pgnet_lookup_give(lookup, host, known, nknown);
		return true;
	}
	cached = pgnet_lookup_cache_find(&resolver->cache, host, ip_version);
	if (cached == NULL)
		return false;
	pgnet_lookup_give(lookup, host, cached->addresses, cached->naddresses);
	return true;
}

/* Have it wait with others for the same answers. */
static void
join(Resolver *resolver, Question *question, Lookup *lookup)
{
	LookupState *state = pgnet_question_join(question, lookup);

	if (state == NULL)
		pgnet_lookup_fail(lookup, question->host, PGNET_DNS_NO_MEMORY, NULL, 0);
	else if (question->payer == NULL)
		wait_to_begin(resolver, state);
}

/* Is it in the hosts file, or can that not be read? */
static bool
find_in_hosts(Resolver *resolver, Lookup *lookup, const char *host,
			  IpVersion ip_version)
{
	int			family = ip_version == PGNET_IP_ANY ? AF_UNSPEC :
		ip_version == PGNET_IP_V4			? AF_INET :
											  AF_INET6;
	DnsAnswer	answer;

	pgnet_dns_read_hosts(resolver->dns, host, family, &answer);
	if (answer.result == PGNET_DNS_NONE)
		return false;
	if (answer.result == PGNET_DNS_FOUND)
	{
		pgnet_lookup_cache_keep(&resolver->cache, host, ip_version,
								answer.addresses, answer.naddresses,
								answer.seconds);
		pgnet_lookup_give(lookup, host, answer.addresses, answer.naddresses);
	}
	else
		pgnet_lookup_fail(lookup, host, answer.result, answer.reason,
						  answer.system_errno);
	return true;
}

/* Ask for it, now or when there is room. */
static void
ask(Resolver *resolver, Lookup *lookup, const char *host, IpVersion ip_version)
{
	Question   *question = pgnet_question_create(&resolver->questions, host,
												 ip_version, lookup);

	if (question == NULL)
		pgnet_lookup_fail(lookup, host, PGNET_DNS_NO_MEMORY, NULL, 0);
	else if (!pgnet_lookup_lines_pass(&resolver->lines, lookup->holder))
		wait_to_begin(resolver, lookup->state);
	else if (pgnet_question_begin(question, lookup->state))
		pgnet_question_complete_silently(question);
}

/* Wait in line. */
static void
wait_to_begin(Resolver *resolver, LookupState *state)
{
	Lookup	   *lookup = state->lookup;

	if (pgnet_lookup_lines_enter(&resolver->lines, &state->place, state,
								 lookup->holder))
		return;
	pgnet_lookup_fail(lookup, state->question->host, PGNET_DNS_NO_MEMORY, NULL,
					  0);
	pgnet_question_leave(state);
}
