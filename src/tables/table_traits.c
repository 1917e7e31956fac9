/*
 * table_traits.c -- what users added to one of our tables.
 *
 * Runs in: client backends and workers.
 *
 * They add columns, indexes, constraints, triggers and rules.  PostgreSQL's own
 * code applies all of these; found out here is whether that takes a statement,
 * and whether it runs code of users.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/transam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "nodes/nodeFuncs.h"
#include "nodes/primnodes.h"
#include "optimizer/optimizer.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "tables/table_traits.h"

/* The first column of each of our tables is id. */
#define COLUMN_ID 1

static bool has_our_columns(TupleDesc desc, const ShapeColumn *columns,
							int ncolumns, Oid text_domain);
static bool has_domain(TupleDesc desc, int first);
static void examine_triggers(TableTraits *traits, Relation table,
							 const OwnTriggers *own);
static bool is_own(const Trigger *trigger, const OwnTriggers *own);
static void examine_constraints(TableTraits *traits, TupleDesc desc,
								const ShapeColumn *columns, int ncolumns);
static void examine_defaults(TableTraits *traits, TupleDesc desc,
							 const ShapeColumn *columns, int ncolumns);
static ColumnDefault kind_of_default(TableTraits *traits, Node *expression);
static void examine_indexes(TableTraits *traits, Relation table);
static bool is_primary_key(Relation index);
static bool index_runs_user_code(Relation index);
static bool is_user_code(Node *expression);
static bool find_user_code(Node *node, void *context);
static bool is_user_function(Oid function, void *context);
static bool is_user_type(Oid type);

TableTraits
pgnet_table_traits_examine(Relation table, const ShapeColumn *columns,
						   int ncolumns, Oid text_domain,
						   const OwnTriggers *own)
{
	TableTraits traits = {0};
	TupleDesc	desc = RelationGetDescr(table);

	if (table->rd_rel->relkind != RELKIND_RELATION ||
		!has_our_columns(desc, columns, ncolumns, text_domain))
		return traits;
	traits.readable = true;
	/* pg_class may still say so after the last rule was dropped */
	traits.removable = table->rd_rules == NULL;
	traits.writable = table->rd_rules == NULL && !has_domain(desc, ncolumns);
	traits.runs_user_code = table->rd_rel->relispartition;
	traits.keeps_writer = true;
	examine_triggers(&traits, table, own);
	examine_constraints(&traits, desc, columns, ncolumns);
	examine_defaults(&traits, desc, columns, ncolumns);
	examine_indexes(&traits, table);
	return traits;
}

/* Are our columns the first ones, stored, and of their types? */
static bool
has_our_columns(TupleDesc desc, const ShapeColumn *columns, int ncolumns,
				Oid text_domain)
{
	if (desc->natts < ncolumns)
		return false;
	for (int i = 0; i < ncolumns; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (column->attisdropped || column->attgenerated != '\0' ||
			column->atttypmod != -1 ||
			(column->atttypid != columns[i].type &&
			 (columns[i].type != TEXTOID || column->atttypid != text_domain)) ||
			strcmp(NameStr(column->attname), columns[i].name) != 0)
			return false;
	}
	return true;
}

/* Has a column of users a type whose constraints apply to its default? */
static bool
has_domain(TupleDesc desc, int first)
{
	for (int i = first; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (!column->attisdropped &&
			get_typtype(column->atttypid) == TYPTYPE_DOMAIN)
			return true;
	}
	return false;
}

/* Which triggers of users are there? */
static void
examine_triggers(TableTraits *traits, Relation table, const OwnTriggers *own)
{
	TriggerDesc *triggers = table->trigdesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (is_own(trigger, own))
			continue;
		if (TRIGGER_FOR_DELETE(trigger->tgtype))
			traits->removable = false;
		if (!TRIGGER_FOR_INSERT(trigger->tgtype))
			continue;
		traits->runs_user_code = true;
		if (TRIGGER_FOR_ROW(trigger->tgtype))
			traits->fires_row_triggers = true;
		else
			traits->fires_statement_triggers = true;
		if (!TRIGGER_FOR_ROW(trigger->tgtype) ||
			!TRIGGER_FOR_BEFORE(trigger->tgtype))
			traits->keeps_writer = false;
		if (trigger->tgnewtable != NULL)
			traits->writable = false;
	}
}

/* Is a trigger ours? */
static bool
is_own(const Trigger *trigger, const OwnTriggers *own)
{
	return trigger->tgfoid == own->queue_changed ||
		trigger->tgfoid == own->queue_insert ||
		trigger->tgfoid == own->not_replicated;
}

/* Which rows may be refused, and do constraints run code of users? */
static void
examine_constraints(TableTraits *traits, TupleDesc desc,
					const ShapeColumn *columns, int ncolumns)
{
	for (int i = 0; desc->constr != NULL && i < desc->constr->num_check; i++)
	{
		traits->has_constraints = true;
		if (is_user_code(stringToNode(desc->constr->check[i].ccbin)))
			traits->runs_user_code = true;
	}
	for (int i = 0; i < desc->natts; i++)
		if (TupleDescAttr(desc, i)->attnotnull &&
			(i >= ncolumns || !columns[i].filled))
			traits->has_constraints = true;
}

/* What do columns get that our inserts do not name? */
static void
examine_defaults(TableTraits *traits, TupleDesc desc,
				 const ShapeColumn *columns, int ncolumns)
{
	/* identity columns have none in the list */
	for (int i = ncolumns; i < desc->natts; i++)
		if (TupleDescAttr(desc, i)->attidentity != '\0' &&
			i < PGNET_TRAITS_COLUMNS)
			traits->defaults[i] = PGNET_DEFAULT_EXPRESSION;
	for (int i = 0; desc->constr != NULL && i < desc->constr->num_defval; i++)
	{
		int			column = desc->constr->defval[i].adnum - 1;
		Node	   *expression;
		ColumnDefault kind = PGNET_DEFAULT_NULL;

		if (column < ncolumns && !columns[column].by_default)
			continue;
		expression = stringToNode(desc->constr->defval[i].adbin);
		if (TupleDescAttr(desc, column)->attgenerated == '\0')
			kind = kind_of_default(traits, expression);
		if (column < PGNET_TRAITS_COLUMNS)
			traits->defaults[column] = kind;
		if (kind != PGNET_DEFAULT_NOW && kind != PGNET_DEFAULT_SEQUENCE &&
			is_user_code(expression))
			traits->runs_user_code = true;
	}
}

/* One of those that we make, or any other. */
static ColumnDefault
kind_of_default(TableTraits *traits, Node *expression)
{
	FuncExpr   *call = (FuncExpr *) expression;
	Const	   *sequence;

	if (!IsA(expression, FuncExpr))
		return PGNET_DEFAULT_EXPRESSION;
	if (call->funcid == F_NOW)
		return PGNET_DEFAULT_NOW;
	if (call->funcid != F_NEXTVAL || OidIsValid(traits->sequence))
		return PGNET_DEFAULT_EXPRESSION;
	sequence = linitial(call->args);
	if (!IsA(sequence, Const) || sequence->constisnull)
		return PGNET_DEFAULT_EXPRESSION;
	traits->sequence = DatumGetObjectId(sequence->constvalue);
	return PGNET_DEFAULT_SEQUENCE;
}

/* Look at the indexes. */
static void
examine_indexes(TableTraits *traits, Relation table)
{
	List	   *indexes = RelationGetIndexList(table);
	ListCell   *cell;

	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		if (is_primary_key(index))
			traits->primary_key = RelationGetRelid(index);
		if (index_runs_user_code(index))
			traits->runs_user_code = true;
		/* others may keep pages pinned until they are closed (brin_insert) */
		if (index->rd_rel->relam != BTREE_AM_OID)
			traits->keeps_writer = false;
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
}

/* Is it the primary key, on id alone? */
static bool
is_primary_key(Relation index)
{
	return index->rd_index->indisprimary && index->rd_index->indnatts == 1 &&
		index->rd_index->indkey.values[0] == COLUMN_ID &&
		index->rd_index->indimmediate && index->rd_index->indisvalid;
}

/* Does an insert into it run anything but code of PostgreSQL? */
static bool
index_runs_user_code(Relation index)
{
	for (int i = 0; i < index->rd_index->indnkeyatts; i++)
		if (index->rd_opfamily[i] >= FirstUnpinnedObjectId ||
			is_user_type(TupleDescAttr(RelationGetDescr(index), i)->atttypid))
			return true;
	return is_user_code((Node *) RelationGetIndexExpressions(index)) ||
		is_user_code((Node *) RelationGetIndexPredicate(index));
}

/*
 * May what an expression runs depend on who runs it, or on the search_path?
 * Not when it is made of PostgreSQL's own immutable functions on its own types
 * alone.
 */
static bool
is_user_code(Node *expression)
{
	return contain_mutable_functions(expression) ||
		find_user_code(expression, NULL);
}

/* Walker: is there anything that is not PostgreSQL's own? */
static bool
find_user_code(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, CoerceToDomain) ||
		(IsA(node, Var) && is_user_type(((Var *) node)->vartype)) ||
		(IsA(node, Const) && is_user_type(((Const *) node)->consttype)) ||
		check_functions_in_node(node, is_user_function, context))
		return true;
	return expression_tree_walker(node, find_user_code, context);
}

/* For check_functions_in_node(). */
static bool
is_user_function(Oid function, void *context)
{
	(void) context;
	return function >= FirstUnpinnedObjectId;
}

/* Is a type a user's, or one with functions of users, as a record may be? */
static bool
is_user_type(Oid type)
{
	return type >= FirstUnpinnedObjectId || type == RECORDOID ||
		type == RECORDARRAYOID;
}
