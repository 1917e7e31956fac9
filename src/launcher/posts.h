/*
 * posts.h -- the processes of databases, as the launcher sees them.
 *
 * Runs in: the launcher.
 */
#ifndef PGNET_POSTS_H
#define PGNET_POSTS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "launcher/databases.h"

typedef struct Posts Posts;

extern Posts *pgnet_posts_create(MemoryContext parent);

/*
 * See which slots there are, before the databases are read: a slot that is
 * there belongs to a database that was.
 */
extern void pgnet_posts_note_slots(Posts *posts);

/* Take the slots back whose databases are not in the list. */
extern void pgnet_posts_take_back(Posts *posts, const DatabaseList *list);

/* Have the databases looked at, a few at a time. */
extern void pgnet_posts_look_at(Posts *posts, const DatabaseList *list);

/* Is there one that was not looked at yet? */
extern bool pgnet_posts_are_looking(const Posts *posts);

/* Forget failures: what was wrong may be mended. */
extern void pgnet_posts_forgive(Posts *posts);

/* Expired responses may be due earlier than it was thought. */
extern void pgnet_posts_expire_now(Posts *posts);

/*
 * See which processes have ended, and which are needed.  True: there is
 * something to place; *due is when there may be, if nothing happens before.
 */
extern bool pgnet_posts_review(Posts *posts, TimestampTz now,
							   TimestampTz *due);

/*
 * Start those that are needed, as far as there is room; for how many
 * databases with work there was none.  *due is lowered to when to try again.
 */
extern int	pgnet_posts_place(Posts *posts, const DatabaseList *list, Oid role,
							  TimestampTz now, TimestampTz *due);

/*
 * When the process of the slot at that place was started; 0: by a launcher
 * before this one.
 */
extern TimestampTz pgnet_posts_started(const Posts *posts, int place);

#endif							/* PGNET_POSTS_H */
