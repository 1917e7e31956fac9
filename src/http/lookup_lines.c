/*
 * lookup_lines.c -- lookups that wait until they may begin.
 *
 * Runs in: workers.
 *
 * Of a role that has its share none is looked at, however many wait.
 */
#include "postgres.h"

#include "http/lookup_lines.h"

static LookupLine *find_line(const LookupLines *lines, const Party *role);
static LookupLine *create_line(LookupLines *lines, const Party *role);
static LookupState *first_that_may(const Account *account,
								   const LookupLine *line);

/* Start with none. */
void
pgnet_lookup_lines_init(LookupLines *lines, const Account *account)
{
	lines->account = account;
	dlist_init(&lines->lines);
	lines->gives_seen = account->gives;
}

/* Is there room, and does nobody wait who was there before? */
bool
pgnet_lookup_lines_pass(const LookupLines *lines, const Holder *holder)
{
	return find_line(lines, holder->role) == NULL &&
		pgnet_account_may(lines->account, holder, PGNET_POOL_LOOKUPS, 1);
}

/* Wait. */
bool
pgnet_lookup_lines_enter(LookupLines *lines, LookupPlace *place,
						 LookupState *state, const Holder *holder)
{
	LookupLine *line = find_line(lines, holder->role);

	if (line == NULL)
		line = create_line(lines, holder->role);
	if (line == NULL)
		return false;
	place->line = line;
	place->state = state;
	place->holder = holder;
	dlist_push_tail(&line->places, &place->node);
	/* perhaps it may, and only others of its role may not */
	pgnet_lookup_lines_look_again(lines);
	return true;
}

/* Leave; without anybody there is no line. */
void
pgnet_lookup_lines_leave(LookupPlace *place)
{
	LookupLine *line = place->line;

	if (line == NULL)
		return;
	dlist_delete(&place->node);
	place->line = NULL;
	if (dlist_is_empty(&line->places))
	{
		dlist_delete(&line->node);
		free(line);
	}
}

/* Was nothing given back? */
bool
pgnet_lookup_lines_stand(LookupLines *lines)
{
	uint64		gives = lines->account->gives;

	if (dlist_is_empty(&lines->lines) || lines->gives_seen == gives)
		return true;
	lines->gives_seen = gives;
	return false;
}

/* Forget that. */
void
pgnet_lookup_lines_look_again(LookupLines *lines)
{
	lines->gives_seen = lines->account->gives - 1;
}

/* Find the next; then it is the turn of other roles. */
LookupState *
pgnet_lookup_lines_next(LookupLines *lines)
{
	dlist_iter	iter;

	dlist_foreach(iter, &lines->lines)
	{
		LookupLine *line = dlist_container(LookupLine, node, iter.cur);
		LookupState *state = first_that_may(lines->account, line);

		if (state == NULL)
			continue;
		dlist_delete(&line->node);
		dlist_push_tail(&lines->lines, &line->node);
		return state;
	}
	return NULL;
}

/* The line of a role; NULL: none of its lookups waits. */
static LookupLine *
find_line(const LookupLines *lines, const Party *role)
{
	dlist_iter	iter;

	dlist_foreach(iter, unconstify(dlist_head *, &lines->lines))
	{
		LookupLine *line = dlist_container(LookupLine, node, iter.cur);

		if (line->role == role)
			return line;
	}
	return NULL;
}

/* Make one. */
static LookupLine *
create_line(LookupLines *lines, const Party *role)
{
	LookupLine *line = malloc(sizeof(LookupLine));

	if (line == NULL)
		return NULL;
	line->role = role;
	dlist_init(&line->places);
	dlist_push_tail(&lines->lines, &line->node);
	return line;
}

/* The first of a role, unless the role or its lane have their share. */
static LookupState *
first_that_may(const Account *account, const LookupLine *line)
{
	dlist_iter	iter;

	if (!pgnet_account_role_may(account, line->role, PGNET_POOL_LOOKUPS, 1))
		return NULL;
	dlist_foreach(iter, unconstify(dlist_head *, &line->places))
	{
		LookupPlace *place = dlist_container(LookupPlace, node, iter.cur);

		if (pgnet_account_may(account, place->holder, PGNET_POOL_LOOKUPS, 1))
			return place->state;
	}
	return NULL;
}
