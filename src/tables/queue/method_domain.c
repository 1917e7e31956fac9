/*
 * method_domain.c -- the constraints of the domain net.http_method.
 *
 * Runs in: client backends.
 *
 * Users may have added constraints to the domain.  To evaluate even our own
 * takes a fifth of the time of a call, and a session uses few methods.  So
 * methods that passed are remembered until the constraints change; PostgreSQL
 * assumes that constraints are immutable (CREATE DOMAIN, Notes).
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "tables/catalog.h"
#include "tables/local_setting.h"
#include "tables/queue/method_domain.h"

/* How many methods are remembered, if they are not longer than usual. */
#define MAX_PASSED 4
#define MAX_PASSED_BYTES 16

typedef struct Domain
{
	Oid			type;
	MemoryContext context;		/* of constraints and checker */
	DomainConstraintRef constraints;
	void	   *checker;		/* of domain_check() */
	char		passed[MAX_PASSED][MAX_PASSED_BYTES];
	int			npassed;		/* since the constraints are these */
} Domain;

static Domain domain;

static void follow(Oid type);
static bool has_passed(const char *method);
static void check(const char *method);
static void remember(const char *method);

void
pgnet_method_domain_check(Oid type, const char *method)
{
	follow(type);
	if (has_passed(method))
		return;
	check(method);
	remember(method);
}

/* Forget what passed if the domain, or its constraints, are others. */
static void
follow(Oid type)
{
	DomainConstraintCache *before = domain.constraints.dcc;

	if (domain.type != type)
	{
		if (domain.context != NULL)
			MemoryContextDelete(domain.context);
		domain = (Domain) {0};
		domain.context = AllocSetContextCreate(TopMemoryContext,
											   "pg_net method domain",
											   ALLOCSET_SMALL_SIZES);
		InitDomainConstraintRef(type, &domain.constraints, domain.context,
								false);
		domain.type = type;
		return;
	}
	/* this frees the old constraints only when it has the new ones */
	UpdateDomainConstraintRef(&domain.constraints);
	if (domain.constraints.dcc != before)
		domain.npassed = 0;
}

/* Did a method pass? */
static bool
has_passed(const char *method)
{
	for (int i = 0; i < domain.npassed; i++)
		if (strcmp(domain.passed[i], method) == 0)
			return true;
	return false;
}

/*
 * Evaluate the constraints, as the executor does for a queue that somebody
 * changed: as the owner, with names that mean what they mean to everybody.
 */
static void
check(const char *method)
{
	CatalogUser caller = pgnet_catalog_become_owner();
	int			level = pgnet_local_setting_begin("search_path",
												  "pg_catalog, pg_temp");

	domain_check(CStringGetTextDatum(method), false, domain.type,
				 &domain.checker, domain.context);
	pgnet_local_setting_end(level);
	pgnet_catalog_become(caller);
}

/* It passed; the oldest makes room. */
static void
remember(const char *method)
{
	if (strlen(method) >= MAX_PASSED_BYTES)
		return;
	if (domain.npassed == MAX_PASSED)
		memmove(domain.passed[0], domain.passed[1],
				sizeof(domain.passed[0]) * --domain.npassed);
	strcpy(domain.passed[domain.npassed++], method);
}
