/*
 * question.c -- a host that is looked up, for one lookup or more.
 *
 * Runs in: workers.
 *
 * One of its lookups pays for it.  Any of them may end when it is told that
 * there are addresses, end others, and start some.
 */
#include "postgres.h"

#include "http/ip_address.h"
#include "http/question.h"

/* For how long addresses are kept that may not be all. */
#define PARTIAL_SECONDS 1

static dlist_head *bucket_of(Questions *questions, const char *host);
static bool create_parts(Question *question);
static bool ask(Question *question);
static bool is_pending(const Question *question);
static void ask_for(Question *question, const char *name);
static void answered(DnsQuery *query);
static void take_answer(QuestionPart *part);
static void append_found(Question *question, const DnsAnswer *answer);
static void tell(Question *question);
static void give_news(const Question *question, Lookup *lookup);
static bool append(IpAddress **addresses, int *naddresses,
				   const IpAddress *more, int nmore);
static LookupState *any_lookup(Question *question);
static void free_state(LookupState *state);
static void pay(Question *question, LookupState *payer);
static void stop_paying(Question *question);
static void end_question(Question *question);
static void keep(Question *question);
static bool prefers_v6(const Question *question);
static int	copy_family(const Question *question, int family, IpAddress *copy);

/* Start with none. */
void
pgnet_questions_init(Questions *questions, Dns *dns, Account *account,
					 LookupCache *cache)
{
	questions->dns = dns;
	questions->account = account;
	questions->cache = cache;
	for (int i = 0; i < PGNET_QUESTION_BUCKETS; i++)
		dlist_init(&questions->buckets[i]);
}

/* Where questions for a host are. */
static dlist_head *
bucket_of(Questions *questions, const char *host)
{
	return &questions->buckets[pgnet_host_hash(host) %
							   PGNET_QUESTION_BUCKETS];
}

/* Find one that can be joined. */
Question *
pgnet_question_find(Questions *questions, const char *host,
					IpVersion ip_version)
{
	dlist_iter	iter;

	dlist_foreach(iter, bucket_of(questions, host))
	{
		Question   *question = dlist_container(Question, node, iter.cur);

		if (question->ip_version == ip_version &&
			strcmp(question->host, host) == 0)
			return question;
	}
	return NULL;
}

/* Make one. */
Question *
pgnet_question_create(Questions *questions, const char *host,
					  IpVersion ip_version, Lookup *lookup)
{
	size_t		length = strlen(host);
	Question   *question = calloc(1, offsetof(Question, host) + length + 1);

	if (question == NULL)
		return NULL;
	question->all = questions;
	question->ip_version = ip_version;
	question->seconds = PG_INT32_MAX;
	memcpy(question->host, host, length + 1);
	dlist_init(&question->lookups);
	dlist_init(&question->to_tell);
	dlist_push_head(bucket_of(questions, host), &question->node);
	question->shared = true;
	if (pgnet_question_join(question, lookup) == NULL)
	{
		end_question(question);
		return NULL;
	}
	return question;
}

/* A lookup waits for the answers to a question from now on. */
LookupState *
pgnet_question_join(Question *question, Lookup *lookup)
{
	LookupState *state = calloc(1, sizeof(LookupState));

	if (state == NULL)
		return NULL;
	state->lookup = lookup;
	state->question = question;
	dlist_push_tail(&question->lookups, &state->node);
	lookup->state = state;
	give_news(question, lookup);
	return state;
}

/* Begin to ask; true: it is over already. */
bool
pgnet_question_begin(Question *question, LookupState *payer)
{
	dlist_iter	iter;

	dlist_foreach(iter, &question->lookups)
	{
		LookupState *state = dlist_container(LookupState, node, iter.cur);

		pgnet_lookup_lines_leave(&state->place);
	}
	pay(question, payer);
	if (!pgnet_search_list_read(&question->names) || !create_parts(question))
	{
		question->result = PGNET_DNS_NO_MEMORY;
		return true;
	}
	return ask(question);
}

/* One for each family; IPv6 is asked for first (RFC 8305, section 3). */
static bool
create_parts(Question *question)
{
	int			nparts = question->ip_version == PGNET_IP_ANY ? 2 : 1;

	question->parts = calloc(nparts, sizeof(QuestionPart));
	if (question->parts == NULL)
		return false;
	question->nparts = nparts;
	for (int i = 0; i < nparts; i++)
	{
		QuestionPart *part = &question->parts[i];

		part->question = question;
		part->query.answered = answered;
		part->family = i == 0 && question->ip_version != PGNET_IP_V4 ?
			AF_INET6 :
			AF_INET;
	}
	return true;
}

/*
 * Ask for the next name until one of them is found; true: that is over.  A
 * name of which there is one family is the one, whatever becomes of the other.
 * One that servers fail at is not, as in the C library.
 */
static bool
ask(Question *question)
{
	char		name[PGNET_DNS_NAME_BYTES];

	while (!is_pending(question))
	{
		if (question->naddresses > 0 ||
			question->result > PGNET_DNS_SERVER_FAILED ||
			!pgnet_search_list_name(&question->names, question->host,
									question->nnames, name))
			return true;
		question->nnames++;
		ask_for(question, name);
	}
	return false;
}

/* Is an answer missing? */
static bool
is_pending(const Question *question)
{
	for (int i = 0; i < question->nparts; i++)
		if (question->parts[i].pending)
			return true;
	return false;
}

/* Ask for all families of a name. */
static void
ask_for(Question *question, const char *name)
{
	for (int i = 0; i < question->nparts; i++)
	{
		QuestionPart *part = &question->parts[i];

		part->pending = true;
		pgnet_dns_ask(question->all->dns, &part->query, name, part->family);
		if (part->query.answer.result != PGNET_DNS_PENDING)
			take_answer(part);
	}
}

/* DnsAnswered: there is an answer for one family. */
static void
answered(DnsQuery *query)
{
	QuestionPart *part = (QuestionPart *) ((char *) query -
										   offsetof(QuestionPart, query));
	Question   *question = part->question;

	take_answer(part);
	if (ask(question))
		pgnet_question_complete(question);
	else if (query->answer.result == PGNET_DNS_FOUND)
		tell(question);
}

/* Take what there is. */
static void
take_answer(QuestionPart *part)
{
	Question   *question = part->question;
	const DnsAnswer *answer = &part->query.answer;

	part->pending = false;
	if (answer->result == PGNET_DNS_FOUND)
		append_found(question, answer);
	else if (answer->result > question->result)
	{
		question->result = answer->result;
		question->reason = answer->reason;
		question->system_errno = answer->system_errno;
	}
}

/* Append addresses, of each family its share. */
static void
append_found(Question *question, const DnsAnswer *answer)
{
	if (append(&question->addresses, &question->naddresses, answer->addresses,
			   Min(answer->naddresses,
				   PGNET_MAX_ADDRESSES / question->nparts)))
		question->seconds = Min(question->seconds, answer->seconds);
	else
		question->result = PGNET_DNS_NO_MEMORY;
}

/* Tell all lookups that there are more addresses; any of them may end. */
static void
tell(Question *question)
{
	question->telling = true;
	while (!dlist_is_empty(&question->lookups))
		dlist_push_tail(&question->to_tell,
						dlist_pop_head_node(&question->lookups));
	while (!dlist_is_empty(&question->to_tell))
	{
		dlist_node *node = dlist_pop_head_node(&question->to_tell);
		Lookup	   *lookup = dlist_container(LookupState, node, node)->lookup;

		dlist_push_tail(&question->lookups, node);
		give_news(question, lookup);
		lookup->changed(lookup);
	}
	question->telling = false;
	if (dlist_is_empty(&question->lookups))
		end_question(question);
}

/* Tell them that this was all. */
void
pgnet_question_complete(Question *question)
{
	LookupState *state;

	question->over = true;
	question->telling = true;
	/* who is told may look for the same host */
	keep(question);
	pgnet_question_unshare(question);
	stop_paying(question);
	while ((state = any_lookup(question)) != NULL)
	{
		Lookup	   *lookup = state->lookup;

		give_news(question, lookup);
		free_state(state);
		lookup->changed(lookup);
	}
	end_question(question);
}

/* Say it by the lookup itself. */
void
pgnet_question_complete_silently(Question *question)
{
	LookupState *state = any_lookup(question);

	Assert(state != NULL);
	question->over = true;
	give_news(question, state->lookup);
	pgnet_question_leave(state);
}

/* Give a lookup the addresses that it has not. */
static void
give_news(const Question *question, Lookup *lookup)
{
	if (question->naddresses > lookup->naddresses)
		(void) append(&lookup->addresses, &lookup->naddresses,
					  question->addresses + lookup->naddresses,
					  question->naddresses - lookup->naddresses);
	lookup->complete = question->over;
	if (question->over && lookup->naddresses == 0)
		pgnet_lookup_fail(lookup, question->host,
						  question->naddresses > 0 ? PGNET_DNS_NO_MEMORY :
													 question->result,
						  question->reason, question->system_errno);
}

/* A lookup is complete: these are all addresses. */
void
pgnet_lookup_give(Lookup *lookup, const char *host,
				  const IpAddress *addresses, int naddresses)
{
	lookup->complete = true;
	if (naddresses == 0)
		pgnet_lookup_fail(lookup, host, PGNET_DNS_NONE, NULL, 0);
	else if (!append(&lookup->addresses, &lookup->naddresses, addresses,
					 naddresses))
		pgnet_lookup_fail(lookup, host, PGNET_DNS_NO_MEMORY, NULL, 0);
}

/* A lookup is complete: there are none. */
void
pgnet_lookup_fail(Lookup *lookup, const char *host, DnsResult result,
				  const char *reason, int system_errno)
{
	HttpError  *error = &lookup->error;

	lookup->complete = true;
	if (result == PGNET_DNS_NO_MEMORY)
		pgnet_error_set(error, PGNET_PROBLEM_MEMORY, "%s", "");
	else if (result == PGNET_DNS_SHORT)
	{
		pgnet_error_set(error, PGNET_PROBLEM_SHORTAGE,
						"Could not resolve host: %s", host);
		error->system_errno = system_errno;
	}
	else if (reason == NULL)
		pgnet_error_set(error, PGNET_PROBLEM_RESOLVE_HOST,
						"Could not resolve host: %s", host);
	else
		/* c-ares begins with a capital, which DNS keeps */
		pgnet_error_set(error, PGNET_PROBLEM_RESOLVE_HOST,
						"Could not resolve host: %s (%c%s)", host,
						strncmp(reason, "DNS", 3) == 0 ?
							*reason :
							pg_tolower((unsigned char) *reason),
						reason + 1);
}

/* Append to a list; false: no memory. */
static bool
append(IpAddress **addresses, int *naddresses, const IpAddress *more, int nmore)
{
	int			before = *naddresses;
	IpAddress  *list = realloc(*addresses,
							   sizeof(IpAddress) * (before + nmore));

	if (list == NULL)
		return false;
	memcpy(list + before, more, sizeof(IpAddress) * nmore);
	*naddresses = before + nmore;
	*addresses = list;
	return true;
}

/* A lookup ends before the question does; who is left goes on with it. */
void
pgnet_question_leave(LookupState *state)
{
	Question   *question = state->question;
	bool		paid = question->payer == state;

	if (paid)
		stop_paying(question);
	free_state(state);
	state = any_lookup(question);
	if (state != NULL && paid)
		pay(question, state);
	else if (state == NULL && !question->telling)
		end_question(question);
}

/* The lookup has nothing to do with the question any more. */
static void
free_state(LookupState *state)
{
	pgnet_lookup_lines_leave(&state->place);
	dlist_delete(&state->node);
	state->lookup->state = NULL;
	free(state);
}

/* One of its lookups; NULL: it has none. */
static LookupState *
any_lookup(Question *question)
{
	dlist_head *list = dlist_is_empty(&question->lookups) ?
		&question->to_tell :
		&question->lookups;

	return dlist_is_empty(list) ? NULL :
								  dlist_head_element(LookupState, node, list);
}

/* Charge a question to a lookup, or to nobody. */
static void
pay(Question *question, LookupState *payer)
{
	pgnet_account_take(question->all->account, payer->lookup->holder,
					   PGNET_POOL_LOOKUPS, 1);
	question->payer = payer;
}

static void
stop_paying(Question *question)
{
	if (question->payer == NULL)
		return;
	pgnet_account_give(question->all->account,
					   question->payer->lookup->holder, PGNET_POOL_LOOKUPS, 1);
	question->payer = NULL;
}

/* End it, when no lookup is left. */
static void
end_question(Question *question)
{
	keep(question);
	pgnet_question_unshare(question);
	for (int i = 0; i < question->nparts; i++)
		pgnet_dns_end(&question->parts[i].query);
	free(question->parts);
	pgnet_search_list_free(&question->names);
	free(question->addresses);
	free(question);
}

/* Keep the addresses, those to be tried first in front; not if forgotten. */
static void
keep(Question *question)
{
	IpAddress	ordered[PGNET_MAX_ADDRESSES];
	bool		v6_first;
	int			count;

	if (!question->shared || question->naddresses == 0)
		return;
	v6_first = prefers_v6(question);
	count = copy_family(question, v6_first ? AF_INET6 : AF_INET, ordered);
	count += copy_family(question, v6_first ? AF_INET : AF_INET6,
						 ordered + count);
	pgnet_lookup_cache_keep(question->all->cache, question->host,
							question->ip_version, ordered, count,
							question->over ? question->seconds :
											 Min(question->seconds,
												 PARTIAL_SECONDS));
}

/* Is there a way to the first address of IPv6 (RFC 6724, rule 1)? */
static bool
prefers_v6(const Question *question)
{
	for (int i = 0; i < question->naddresses; i++)
		if (question->addresses[i].u.any.sa_family == AF_INET6)
			return pgnet_ip_has_route(&question->addresses[i]);
	return false;
}

/* Copy the addresses of one family; how many. */
static int
copy_family(const Question *question, int family, IpAddress *copy)
{
	int			count = 0;

	for (int i = 0; i < question->naddresses; i++)
		if (question->addresses[i].u.any.sa_family == family)
			copy[count++] = question->addresses[i];
	return count;
}

/* Nobody joins it from now on, and it is not kept. */
void
pgnet_question_unshare(Question *question)
{
	if (question->shared)
		dlist_delete(&question->node);
	question->shared = false;
}
