/*
 * lookup_lines.h -- lookups that wait until they may begin.
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 */
#ifndef PGNET_LOOKUP_LINES_H
#define PGNET_LOOKUP_LINES_H

#include "postgres.h"

#include "lib/ilist.h"

#include "account.h"

typedef struct LookupState LookupState;

/* The lookups of a role that wait. */
typedef struct LookupLine
{
	dlist_node	node;
	const Party *role;
	dlist_head	places;
} LookupLine;

/* The place of a lookup; one of zeros is in no line. */
typedef struct LookupPlace
{
	LookupLine *line;
	dlist_node	node;
	LookupState *state;
	const Holder *holder;		/* who would pay */
} LookupPlace;

/* All lines, which take turns. */
typedef struct LookupLines
{
	const Account *account;
	dlist_head	lines;
	uint64		gives_seen;		/* of account, when they were looked at last */
} LookupLines;

extern void pgnet_lookup_lines_init(LookupLines *lines, const Account *account);

/* May a lookup begin at once?  Not before others of its role. */
extern bool pgnet_lookup_lines_pass(const LookupLines *lines,
									const Holder *holder);

/* Wait at the end of the line of its role; false: no memory. */
extern bool pgnet_lookup_lines_enter(LookupLines *lines, LookupPlace *place,
									 LookupState *state, const Holder *holder);

/* Leave, if it is in a line. */
extern void pgnet_lookup_lines_leave(LookupPlace *place);

/* Did nothing change since that could let one begin?  If not, remember that. */
extern bool pgnet_lookup_lines_stand(LookupLines *lines);

/* Look again, although nothing changed. */
extern void pgnet_lookup_lines_look_again(LookupLines *lines);

/* The next that may begin, which stays in its line; NULL: none may. */
extern LookupState *pgnet_lookup_lines_next(LookupLines *lines);

#endif							/* PGNET_LOOKUP_LINES_H */
