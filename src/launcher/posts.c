/*
 * posts.c -- the processes of databases, as the launcher sees them.
 *
 * Runs in: the launcher.
 *
 * A post is what the launcher knows of a slot's process; what others have to
 * know is in the slot.  So a launcher that is started anew knows enough: a
 * process it does not know of holds the slot, or ends without harm.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "backoff.h"
#include "launcher/posts.h"
#include "shared/launch.h"
#include "shared/quota.h"
#include "shared/slots.h"
#include "worker/worker.h"

/* Databases that are looked at, at a time. */
#define MAX_LOOKS 3

/* A process that failed is started again after 1, 2, 4, ... seconds. */
#define FIRST_RETRY_MS 1000
#define LAST_RETRY_MS 60000

/* One that lived so long did not fail to start. */
#define GOOD_START_MS 10000

/* While there are too few processes, the log says so this often at most. */
#define SAY_AGAIN_MS 600000

typedef struct Post
{
	Oid			database;		/* whose slot it is */
	BackgroundWorkerHandle *handle; /* of a process, or NULL */
	WorkerKind	kind;
	TimestampTz started;
	int			failures;		/* in a row */
	TimestampTz not_before;		/* after a failure */
	SlotNeed	need;			/* when last reviewed */
	TimestampTz since;
} Post;

struct Posts
{
	MemoryContext context;
	Post	   *posts;			/* as the slots */
	int			count;

	Oid		   *to_look;		/* databases to look at, the last one first */
	int			nto_look;
	int			nlooks;			/* processes that look now */

	Backoff		full;			/* no room for another process */
	TimestampTz say_full;		/* not in the log before that again */
};

static void bury(Posts *posts, Post *post, WorkerSlot *slot, TimestampTz now);
static void fail(Post *post, TimestampTz now);
static int	compare_needs(const void *a, const void *b);
static int	place_needed(Posts *posts, const DatabaseList *list, Oid role,
						 TimestampTz now, SlotNeed most);
static void say_full(Posts *posts, int unplaced, TimestampTz now);
static bool place_looks(Posts *posts, const DatabaseList *list, Oid role,
						TimestampTz now);
static bool start(Posts *posts, Post *post, WorkerSlot *slot, WorkerKind kind,
				  Oid role, TimestampTz now);

/* Know nothing yet. */
Posts *
pgnet_posts_create(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "pg_net posts",
												  ALLOCSET_DEFAULT_SIZES);
	Posts	   *posts = MemoryContextAllocZero(context, sizeof(Posts));

	posts->context = context;
	posts->posts = MemoryContextAllocZero(context, sizeof(Post));
	return posts;
}

/*
 * Have a post for each slot.  One whose slot is another database's by now waits
 * for the end of its process.
 */
void
pgnet_posts_note_slots(Posts *posts)
{
	int			count = pgnet_slots_count();

	if (count > posts->count)
		posts->posts = repalloc(posts->posts, sizeof(Post) * count);
	for (int i = 0; i < count; i++)
	{
		Oid			database = pgnet_slots_at(i)->database;

		/* the rest of the slot was written before */
		pg_read_barrier();
		if (i < posts->count &&
			(posts->posts[i].database == database ||
			 posts->posts[i].handle != NULL))
			continue;
		posts->posts[i] = (Post) {
			.database = database,
			.need = PGNET_NEED_NOTHING
		};
	}
	posts->count = count;
}

/* Take back what belongs to nobody. */
void
pgnet_posts_take_back(Posts *posts, const DatabaseList *list)
{
	for (int i = 0; i < posts->count; i++)
	{
		Post	   *post = &posts->posts[i];

		if (OidIsValid(post->database) && post->handle == NULL &&
			pgnet_databases_find(list, post->database) == NULL)
		{
			pgnet_quota_forget(post->database);
			pgnet_slots_take_back(pgnet_slots_at(i), true);
		}
	}
}

/* Look at all that take connections. */
void
pgnet_posts_look_at(Posts *posts, const DatabaseList *list)
{
	posts->to_look = MemoryContextAlloc(posts->context,
										sizeof(Oid) * Max(list->count, 1));
	for (int i = list->count - 1; i >= 0; i--)
		if (list->databases[i].connectable)
			posts->to_look[posts->nto_look++] = list->databases[i].oid;
}

/* Is there more to look at? */
bool
pgnet_posts_are_looking(const Posts *posts)
{
	return posts->nto_look > 0 || posts->nlooks > 0;
}

/* Try again at once. */
void
pgnet_posts_forgive(Posts *posts)
{
	for (int i = 0; i < posts->count; i++)
	{
		posts->posts[i].failures = 0;
		posts->posts[i].not_before = 0;
	}
	pgnet_backoff_succeeded(&posts->full);
}

/* Have a look wherever a response is. */
void
pgnet_posts_expire_now(Posts *posts)
{
	for (int i = 0; i < posts->count; i++)
		if (OidIsValid(posts->posts[i].database))
			pgnet_slot_expire_now(pgnet_slots_at(i));
}

/* What has ended, what is needed? */
bool
pgnet_posts_review(Posts *posts, TimestampTz now, TimestampTz *due)
{
	TimestampTz wall = GetCurrentTimestamp();
	bool		any = false;

	*due = DT_NOEND;
	for (int i = 0; i < posts->count; i++)
	{
		Post	   *post = &posts->posts[i];
		WorkerSlot *slot = pgnet_slots_at(i);

		post->need = PGNET_NEED_NOTHING;
		if (!OidIsValid(post->database))
			continue;
		bury(posts, post, slot, now);
		if (post->handle == NULL && slot->database != post->database)
			*due = now;
		if (post->handle != NULL || slot->database != post->database)
			continue;
		post->need = pgnet_slot_need(slot, wall, &post->since);
		if (post->need == PGNET_NEED_NOTHING && post->since != DT_NOEND)
			*due = Min(*due, now + (post->since - wall));
		else if (post->need == PGNET_NEED_NOTHING)
			continue;
		else if (post->not_before > now)
		{
			post->need = PGNET_NEED_NOTHING;
			*due = Min(*due, post->not_before);
		}
		else
			any = true;
	}
	return any || (posts->nto_look > 0 && posts->nlooks < MAX_LOOKS);
}

/* Has the post's process ended, and well? */
static void
bury(Posts *posts, Post *post, WorkerSlot *slot, TimestampTz now)
{
	pid_t		pid;

	if (post->handle == NULL ||
		GetBackgroundWorkerPid(post->handle, &pid) != BGWH_STOPPED)
		return;
	pfree(post->handle);
	post->handle = NULL;
	/* there is room for another */
	pgnet_backoff_succeeded(&posts->full);
	if (post->kind == PGNET_LOOK)
		posts->nlooks--;
	if (pgnet_slot_left_well(slot))
	{
		post->failures = 0;
		pgnet_slots_take_back(slot, false);
		return;
	}
	/* what a look did not find out a worker will */
	if (post->kind == PGNET_LOOK)
		pgnet_slot_want(slot);
	if (now < TimestampTzPlusMilliseconds(post->started, GOOD_START_MS))
		fail(post, now);
	else
		post->failures = 0;
}

/* Wait before the next try. */
static void
fail(Post *post, TimestampTz now)
{
	int64		wait_ms = FIRST_RETRY_MS;

	for (int i = 0; i < post->failures && wait_ms < LAST_RETRY_MS; i++)
		wait_ms = Min(wait_ms * 2, LAST_RETRY_MS);
	post->failures++;
	post->not_before = TimestampTzPlusMilliseconds(now, wait_ms);
}

/* When was it started? */
TimestampTz
pgnet_posts_started(const Posts *posts, int place)
{
	if (place >= posts->count || posts->posts[place].handle == NULL)
		return 0;
	return posts->posts[place].started;
}

/* Start what is needed, the most urgent first. */
int
pgnet_posts_place(Posts *posts, const DatabaseList *list, Oid role,
				  TimestampTz now, TimestampTz *due)
{
	int			working = place_needed(posts, list, role, now, PGNET_NEED_LOOK);
	int			unplaced = working;

	if (unplaced == 0 && !place_looks(posts, list, role, now))
		unplaced = working = 1;
	/* who has no work does not take a place from who has */
	if (unplaced == 0)
		unplaced = place_needed(posts, list, role, now, PGNET_NEED_PERMANENT);

	pgnet_launch_set_unplaced(unplaced);
	if (unplaced > 0)
	{
		say_full(posts, unplaced, now);
		pgnet_backoff_failed(&posts->full);
		*due = Min(*due, posts->full.until);
	}
	else
		pgnet_backoff_succeeded(&posts->full);
	return working;
}

/* Say which limit is in the way, but not again and again. */
static void
say_full(Posts *posts, int unplaced, TimestampTz now)
{
	if (now < posts->say_full)
		return;
	posts->say_full = TimestampTzPlusMilliseconds(now, SAY_AGAIN_MS);
	ereport(WARNING,
			errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			errmsg("pg_net waits for a background worker: \"max_worker_processes\" (%d) is used up",
				   max_worker_processes),
			errdetail("Databases that wait: %d. Those with work take turns.",
					  unplaced),
			errhint("Raise \"max_worker_processes\" and restart the server."));
}

/* Start the processes with such needs; for how many was there no room? */
static int
place_needed(Posts *posts, const DatabaseList *list, Oid role, TimestampTz now,
			 SlotNeed most)
{
	Post	  **needed = palloc(sizeof(Post *) * Max(posts->count, 1));
	int			count = 0;
	int			placed = 0;

	for (int i = 0; i < posts->count; i++)
	{
		Post	   *post = &posts->posts[i];
		const Database *database;

		if (post->need > most || post->handle != NULL)
			continue;
		database = pgnet_databases_find(list, post->database);
		if (database == NULL)
		{
			pgnet_quota_forget(post->database);
			pgnet_slots_take_back(pgnet_slots_at(i), true);
		}
		else if (database->connectable)
			needed[count++] = post;
		else
			post->not_before = DT_NOEND;	/* until it is changed */
	}
	qsort(needed, count, sizeof(Post *), compare_needs);
	while (placed < count &&
		   start(posts, needed[placed],
				 pgnet_slots_at((int) (needed[placed] - posts->posts)),
				 needed[placed]->need == PGNET_NEED_LOOK ? PGNET_LOOK :
														   PGNET_WORKER,
				 role, now))
		placed++;
	pfree(needed);
	return count - placed;
}

/* qsort comparator: the most urgent first, then the one that waits longest */
static int
compare_needs(const void *a, const void *b)
{
	const Post *left = *(Post *const *) a;
	const Post *right = *(Post *const *) b;

	if (left->need != right->need)
		return left->need < right->need ? -1 : 1;
	return left->since < right->since ? -1 : left->since > right->since;
}

/* Look at the next databases; false: there is no room. */
static bool
place_looks(Posts *posts, const DatabaseList *list, Oid role, TimestampTz now)
{
	while (posts->nto_look > 0 && posts->nlooks < MAX_LOOKS)
	{
		Oid			oid = posts->to_look[posts->nto_look - 1];
		WorkerSlot *slot = NULL;
		Post	   *post = NULL;

		/* one that is gone, or has a worker, needs no look */
		if (pgnet_databases_find(list, oid) != NULL)
			slot = pgnet_slots_lend(oid);
		pgnet_posts_note_slots(posts);
		for (int i = 0; i < posts->count && slot != NULL; i++)
			if (pgnet_slots_at(i) == slot)
				post = &posts->posts[i];
		if (post != NULL && post->handle == NULL &&
			pgnet_slot_worker(slot) == 0 &&
			!start(posts, post, slot, PGNET_LOOK, role, now))
			return false;
		posts->nto_look--;
	}
	return true;
}

/* Start a process; false: there is no room. */
static bool
start(Posts *posts, Post *post, WorkerSlot *slot, WorkerKind kind, Oid role,
	  TimestampTz now)
{
	MemoryContext before = MemoryContextSwitchTo(posts->context);
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle = NULL;

	pgnet_worker_describe(&worker, kind, post->database, role);
	pgnet_slot_expect(slot);
	(void) RegisterDynamicBackgroundWorker(&worker, &handle);
	MemoryContextSwitchTo(before);
	if (handle == NULL)
		return false;
	post->handle = handle;
	post->kind = kind;
	post->started = now;
	if (kind == PGNET_LOOK)
		posts->nlooks++;
	return true;
}
