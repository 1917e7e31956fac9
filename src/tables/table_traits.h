/*
 * table_traits.h -- what users added to one of our tables.
 *
 * Runs in: client backends and workers, inside a transaction.
 */
#ifndef PGNET_TABLE_TRAITS_H
#define PGNET_TABLE_TRAITS_H

#include "postgres.h"

#include "utils/rel.h"

#include "tables/shape.h"

/* So many columns have their ColumnDefault in TableTraits.defaults. */
#define PGNET_TRAITS_COLUMNS 64

/* Where the value of a column comes from if an insert does not name it. */
typedef enum ColumnDefault
{
	PGNET_DEFAULT_NULL,
	PGNET_DEFAULT_NOW,			/* the time of the transaction */
	PGNET_DEFAULT_SEQUENCE,		/* the next value of TableTraits.sequence */
	PGNET_DEFAULT_EXPRESSION	/* an expression from the catalog */
} ColumnDefault;

typedef struct TableTraits
{
	/*
	 * The table can be read without a plan: our columns come first, in order
	 * and of their types.
	 */
	bool		readable;
	Oid			primary_key;	/* its index, if it is on id alone */

	/* Rows can be removed without a plan: no rules, no triggers of users */
	bool		removable;

	/*
	 * A RowWriter can insert.  It cannot with rules, transition tables,
	 * columns of other types or columns of domains.
	 */
	bool		writable;

	/*
	 * An insert runs code of users: a trigger, constraint, generated column,
	 * default or index.  It must run as the owner of the table, with a
	 * search_path of ours.
	 */
	bool		runs_user_code;

	/* A constraint that is not ours may refuse a row: CHECK or NOT NULL */
	bool		has_constraints;

	bool		fires_row_triggers; /* of users, not ours */
	bool		fires_statement_triggers;

	/* A RowWriter may be kept for further inserts of a transaction */
	bool		keeps_writer;

	uint8		defaults[PGNET_TRAITS_COLUMNS]; /* ColumnDefault */
	Oid			sequence;
} TableTraits;

/*
 * OIDs of the functions of our own triggers.  Our inserts and deletes do
 * themselves what these triggers do for others, so they need not fire.
 */
typedef struct OwnTriggers
{
	Oid			queue_changed;
	Oid			queue_insert;
	Oid			not_replicated;
} OwnTriggers;

/*
 * Examine a table whose relcache entry the caller holds.  A column that is text
 * in columns may be of text_domain in the table, unless that is InvalidOid.
 */
extern TableTraits pgnet_table_traits_examine(Relation table,
											  const ShapeColumn *columns,
											  int ncolumns, Oid text_domain,
											  const OwnTriggers *own);

#endif							/* PGNET_TABLE_TRAITS_H */
