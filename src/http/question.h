/*
 * question.h -- a host that is looked up, for one lookup or more.
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 */
#ifndef PGNET_QUESTION_H
#define PGNET_QUESTION_H

#include "postgres.h"

#include "lib/ilist.h"

#include "http/dns.h"
#include "http/lookup_cache.h"
#include "http/lookup_lines.h"
#include "http/resolver.h"
#include "http/search_list.h"

/* Power of 2; for as many questions as are asked at a time. */
#define PGNET_QUESTION_BUCKETS 256

typedef struct Question Question;

/* What all questions need, and those that can be joined, by host. */
typedef struct Questions
{
	Dns		   *dns;
	Account    *account;
	LookupCache *cache;
	dlist_head	buckets[PGNET_QUESTION_BUCKETS];
} Questions;

/* The resolver's part of a lookup that waits for the answers. */
struct LookupState
{
	Lookup	   *lookup;
	Question   *question;
	dlist_node	node;			/* in its lookups, or those it has to tell */
	LookupPlace place;			/* while it waits to begin */
};

/* The question for one family, so that none has to wait for the other. */
typedef struct QuestionPart
{
	DnsQuery	query;
	Question   *question;
	int			family;
	bool		pending;		/* there is no answer yet */
} QuestionPart;

struct Question
{
	Questions  *all;
	dlist_node	node;			/* in its bucket, if shared */
	bool		shared;			/* others can join */

	dlist_head	lookups;
	dlist_head	to_tell;		/* those that do not know the last news */
	bool		telling;		/* so it stays */
	bool		over;			/* no more will come */
	LookupState *payer;			/* NULL: it did not begin */

	IpVersion	ip_version;
	SearchList	names;
	int			nnames;			/* how many of them were asked for */
	QuestionPart *parts;		/* NULL: it did not begin */
	int			nparts;

	DnsResult	result;			/* the worst so far */
	const char *reason;
	int			system_errno;
	int			seconds;		/* for which the addresses are good */
	IpAddress  *addresses;		/* in the order in which they came */
	int			naddresses;
	char		host[FLEXIBLE_ARRAY_MEMBER];	/* small letters */
};

extern void pgnet_questions_init(Questions *questions, Dns *dns,
								 Account *account, LookupCache *cache);

/* One that can be joined; NULL: there is none. */
extern Question *pgnet_question_find(Questions *questions, const char *host,
									 IpVersion ip_version);

/* A new one for a lookup; NULL: no memory. */
extern Question *pgnet_question_create(Questions *questions, const char *host,
									   IpVersion ip_version, Lookup *lookup);

/* Have a lookup wait for it, with the addresses there are; NULL: no memory. */
extern LookupState *pgnet_question_join(Question *question, Lookup *lookup);

/*
 * Begin to ask, for a lookup of it.  If that is over already, true: the caller
 * has to complete it.
 */
extern bool pgnet_question_begin(Question *question, LookupState *payer);

/* Tell all lookups that there will be no more, and free it. */
extern void pgnet_question_complete(Question *question);

/* The same for its only lookup, which is not told. */
extern void pgnet_question_complete_silently(Question *question);

/* A lookup does not wait any more; without any the question ends. */
extern void pgnet_question_leave(LookupState *state);

/* Nobody joins it from now on, and its addresses are not kept. */
extern void pgnet_question_unshare(Question *question);

/* A lookup is complete: these are all addresses, or there are none. */
extern void pgnet_lookup_give(Lookup *lookup, const char *host,
							  const IpAddress *addresses, int naddresses);
extern void pgnet_lookup_fail(Lookup *lookup, const char *host,
							  DnsResult result, const char *reason,
							  int system_errno);

#endif							/* PGNET_QUESTION_H */
