/*
 * row_json.h -- rows of a table as JSON, as to_jsonb() has them.
 *
 * Runs in: client backends.
 */
#ifndef PGNET_API_ROW_JSON_H
#define PGNET_API_ROW_JSON_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

/* How the rows of one table are written. */
typedef struct RowJson RowJson;

/*
 * Make one in the current memory context: of all columns, or of those with
 * these names, of type char *.  Throws invalid_parameter_value when there is no
 * column of a name.
 */
extern RowJson *pgnet_row_json_create(TupleDesc desc, List *names);

/* Append a row: the text of to_jsonb(), byte for byte, but in UTF-8. */
extern void pgnet_row_json_append(RowJson *json, StringInfo out,
								  TupleTableSlot *row);

#endif							/* PGNET_API_ROW_JSON_H */
