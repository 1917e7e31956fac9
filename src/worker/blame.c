/*
 * blame.c -- requests that were in flight when the worker died.
 *
 * Runs in: workers.
 *
 * Met in the queue, such a request is deferred: it is known, and waits here.
 * Then it is admitted, to wait in its lane and be sent.  Those with
 * one death are admitted in small groups, those with two one at a time.
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "worker/blame.h"

/*
 * How many with so many deaths may be admitted together.  At most some 2000
 * are in flight at one death, so as many groups follow it as there are
 * requests in the group of the next.
 */
static const int group_sizes[PGNET_BLAME_LAST_DEATH] = {0, 50, 1};

typedef enum BlamedPlace
{
	BLAMED_UNSEEN,				/* its row was not read yet */
	BLAMED_DEFERRED,
	BLAMED_ADMITTED
} BlamedPlace;

typedef struct Blamed
{
	int64		id;				/* the key */
	int			deaths;
	int			beside;			/* deaths that did not count */
	BlamedPlace place;
	dlist_node	node;			/* in the list of that place */
	uint64		lane_key;		/* of its job */
	Oid			role;
	size_t		size;
} Blamed;

struct Blame
{
	MemoryContext context;
	Lanes	   *lanes;
	HTAB	   *all;
	dlist_head	deferred[PGNET_BLAME_LAST_DEATH];	/* by deaths */
	dlist_head	admitted;		/* all with as many deaths */
	int			nadmitted;
};

static Blamed *find(const Blame *blame, int64 id);
static Blamed *next_to_admit(const Blame *blame);
static Blamed *first_of(const dlist_head *list);

/* Blame nobody. */
Blame *
pgnet_blame_create(MemoryContext parent, Lanes *lanes)
{
	MemoryContext context = AllocSetContextCreate(parent, "pg_net blame",
												  ALLOCSET_SMALL_SIZES);
	Blame	   *blame = MemoryContextAllocZero(context, sizeof(Blame));

	blame->context = context;
	blame->lanes = lanes;
	pgnet_blame_clear(blame);
	return blame;
}

/* Blame nobody any more. */
void
pgnet_blame_clear(Blame *blame)
{
	HASHCTL		control = {
		.keysize = sizeof(int64),
		.entrysize = sizeof(Blamed),
		.hcxt = blame->context
	};

	if (blame->all != NULL)
		hash_destroy(blame->all);
	blame->all = hash_create("pg_net blame", 64, &control,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = 0; i < PGNET_BLAME_LAST_DEATH; i++)
		dlist_init(&blame->deferred[i]);
	dlist_init(&blame->admitted);
	blame->nadmitted = 0;
}

/* Blame a request. */
void
pgnet_blame_add(Blame *blame, int64 id, int deaths, int beside)
{
	Blamed	   *blamed = hash_search(blame->all, &id, HASH_ENTER, NULL);

	*blamed = (Blamed) {
		.id = id,
		.deaths = deaths,
		.beside = beside,
		.place = BLAMED_UNSEEN
	};
}

/* Blame it no more. */
void
pgnet_blame_forget(Blame *blame, int64 id)
{
	Blamed	   *blamed = find(blame, id);

	if (blamed == NULL)
		return;
	if (blamed->place != BLAMED_UNSEEN)
		dlist_delete(&blamed->node);
	if (blamed->place == BLAMED_ADMITTED)
		blame->nadmitted--;
	hash_search(blame->all, &id, HASH_REMOVE, NULL);
}

/* How many deaths? */
int
pgnet_blame_deaths(const Blame *blame, int64 id)
{
	const Blamed *blamed = find(blame, id);

	return blamed ? blamed->deaths : 0;
}

int
pgnet_blame_beside_of(const Blame *blame, int64 id)
{
	const Blamed *blamed = find(blame, id);

	return blamed ? blamed->beside : 0;
}

int
pgnet_blame_beside(const Blame *blame)
{
	int			most = 0;
	dlist_iter	iter;

	dlist_foreach(iter, unconstify(dlist_head *, &blame->admitted))
		most = Max(most, dlist_container(Blamed, node, iter.cur)->beside);
	return most;
}

/* Have it wait here. */
void
pgnet_blame_defer(Blame *blame, Job *job)
{
	Blamed	   *blamed = find(blame, job->id);

	Assert(blamed != NULL && blamed->place == BLAMED_UNSEEN);
	blamed->place = BLAMED_DEFERRED;
	blamed->lane_key = job->lane_key;
	blamed->role = job->role;
	blamed->size = job->size;
	dlist_push_tail(&blame->deferred[blamed->deaths], &blamed->node);
	pgnet_job_free(job);
}

/* Hand over as many as may go together. */
void
pgnet_blame_admit(Blame *blame)
{
	Blamed	   *blamed;

	while ((blamed = next_to_admit(blame)) != NULL)
	{
		/* not loaded: the row may have changed meanwhile */
		Job		   *job = pgnet_job_create(blame->context);

		job->id = blamed->id;
		job->lane_key = blamed->lane_key;
		job->role = blamed->role;
		job->size = blamed->size;
		dlist_delete(&blamed->node);
		dlist_push_tail(&blame->admitted, &blamed->node);
		blamed->place = BLAMED_ADMITTED;
		blame->nadmitted++;
		pgnet_lanes_add(blame->lanes, job);
	}
}

/* Is it anybody's turn? */
bool
pgnet_blame_can_admit(const Blame *blame)
{
	return next_to_admit(blame) != NULL;
}

/* Forget one whose row is gone, or was refused when it was read again. */
bool
pgnet_blame_take_gone(Blame *blame, int64 *id)
{
	dlist_iter	iter;

	dlist_foreach(iter, &blame->admitted)
	{
		*id = dlist_container(Blamed, node, iter.cur)->id;
		if (pgnet_lanes_know(blame->lanes, *id))
			continue;
		pgnet_blame_forget(blame, *id);
		return true;
	}
	return false;
}

/* What is known of a request; NULL: it is not blamed. */
static Blamed *
find(const Blame *blame, int64 id)
{
	if (hash_get_num_entries(blame->all) == 0)
		return NULL;
	return hash_search(blame->all, &id, HASH_FIND, NULL);
}

/* The next whose turn has come: those with fewer deaths go first. */
static Blamed *
next_to_admit(const Blame *blame)
{
	for (int deaths = 1; deaths < PGNET_BLAME_LAST_DEATH; deaths++)
	{
		Blamed	   *next = first_of(&blame->deferred[deaths]);
		Blamed	   *admitted = first_of(&blame->admitted);

		if (next == NULL)
			continue;
		if (admitted == NULL ||
			(blame->nadmitted < group_sizes[deaths] &&
			 admitted->deaths == deaths))
			return next;
		return NULL;
	}
	return NULL;
}

/* The first in a list, or NULL. */
static Blamed *
first_of(const dlist_head *list)
{
	dlist_head *head = unconstify(dlist_head *, list);

	return dlist_is_empty(head) ? NULL : dlist_head_element(Blamed, node, head);
}
