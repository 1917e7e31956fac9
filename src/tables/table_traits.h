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

/* Defaults of columns up to this number are remembered by kind. */
#define PGNET_TRAITS_COLUMNS 64

/* Where the value of a column comes from that an insert does not name. */
typedef enum ColumnDefault
{
	PGNET_DEFAULT_NULL,
	PGNET_DEFAULT_NOW,			/* the time of the transaction */
	PGNET_DEFAULT_SEQUENCE,		/* the next value of TableTraits.sequence */
	PGNET_DEFAULT_EXPRESSION	/* whatever the catalog says */
} ColumnDefault;

typedef struct TableTraits
{
	/*
	 * Our columns come first, in their order and of their types, and all rows
	 * are in this table: it can be read without a plan.
	 */
	bool		readable;
	Oid			primary_key;	/* its index if that is on id alone */

	/* A delete meets no rule, and no trigger but ours */
	bool		removable;

	/*
	 * A RowWriter can insert.  Only rules, transition tables, columns of
	 * other types and columns of domains need a plan.
	 */
	bool		writable;

	/*
	 * An insert runs what users wrote: a trigger, constraint, generated
	 * column, default or index.  It must run as the owner of the table, with
	 * a search_path of ours.
	 */
	bool		runs_user_code;

	/* A constraint that is not ours may refuse a row: CHECK or NOT NULL */
	bool		has_constraints;

	bool		fires_row_triggers; /* triggers of users, that is */
	bool		fires_statement_triggers;

	/* A RowWriter may serve several inserts of a transaction */
	bool		keeps_writer;

	uint8		defaults[PGNET_TRAITS_COLUMNS]; /* ColumnDefault */
	Oid			sequence;
} TableTraits;

/*
 * The functions of our own triggers.  Our own inserts and deletes do what they
 * would do, so they need not fire.  A trigger is ours by its function's OID.
 */
typedef struct OwnTriggers
{
	Oid			queue_changed;
	Oid			queue_insert;
	Oid			not_replicated;
} OwnTriggers;

/*
 * Look at a table, whose relcache entry the caller holds.  Of the columns, a
 * text may be text_domain in the table, unless that is InvalidOid.
 */
extern TableTraits pgnet_table_traits_examine(Relation table,
											  const ShapeColumn *columns,
											  int ncolumns, Oid text_domain,
											  const OwnTriggers *own);

#endif							/* PGNET_TABLE_TRAITS_H */
