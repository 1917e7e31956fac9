/*
 * plain_table.c -- what makes a table one that needs no executor.
 *
 * Runs in: client backends and workers.
 */
#include "postgres.h"

#include "access/genam.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"

#include "tables/plain_table.h"

static bool has_only_own_triggers(Relation table, int16 event,
								  const OwnTriggers *own);

/* Compare columns. */
bool
pgnet_plain_table_has_columns(TupleDesc desc, const PlainColumn *columns,
							  int ncolumns)
{
	if (desc->natts != ncolumns)
		return false;
	for (int i = 0; i < ncolumns; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (column->attisdropped || column->attgenerated != '\0' ||
			column->atttypid != columns[i].type || column->atttypmod != -1 ||
			(column->attnotnull && !columns[i].filled))
			return false;
	}
	return true;
}

/* Look for what an insert would meet. */
bool
pgnet_plain_table_takes_rows(Relation table, const OwnTriggers *own)
{
	TupleConstr *constraints = RelationGetDescr(table)->constr;

	return table->rd_rel->relkind == RELKIND_RELATION &&
		!table->rd_rel->relhasrules &&
		(constraints == NULL || constraints->num_check == 0) &&
		has_only_own_triggers(table, TRIGGER_TYPE_INSERT, own);
}

/* Look for what a delete would meet. */
bool
pgnet_plain_table_gives_rows(Relation table, const OwnTriggers *own)
{
	return !table->rd_rel->relhasrules &&
		has_only_own_triggers(table, TRIGGER_TYPE_DELETE, own);
}

/* Are all triggers of an event ours? */
static bool
has_only_own_triggers(Relation table, int16 event, const OwnTriggers *own)
{
	TriggerDesc *triggers = table->trigdesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if ((trigger->tgtype & event) != 0 &&
			trigger->tgfoid != own->queue_changed &&
			trigger->tgfoid != own->queue_insert &&
			trigger->tgfoid != own->not_replicated)
			return false;
	}
	return true;
}

/* Look at an index. */
bool
pgnet_plain_table_simple_index(Relation index)
{
	return index->rd_index->indnatts == 1 &&
		index->rd_index->indkey.values[0] > 0 &&
		index->rd_index->indimmediate && index->rd_index->indisready &&
		RelationGetIndexExpressions(index) == NIL &&
		RelationGetIndexPredicate(index) == NIL;
}

/* Look at a default. */
FuncExpr *
pgnet_plain_table_default(Relation table, int column, Oid function)
{
	TupleConstr *constraints = RelationGetDescr(table)->constr;

	for (int i = 0; constraints != NULL && i < constraints->num_defval; i++)
	{
		FuncExpr   *call;

		if (constraints->defval[i].adnum != column)
			continue;
		call = stringToNode(constraints->defval[i].adbin);
		if (IsA(call, FuncExpr) && call->funcid == function)
			return call;
	}
	return NULL;
}
