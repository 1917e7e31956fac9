/*
 * fields.h -- names and values from a JSON object, names repeated for arrays.
 *
 * Runs in: client backends.
 */
#ifndef PGNET_API_FIELDS_H
#define PGNET_API_FIELDS_H

#include "postgres.h"

#include "utils/jsonb.h"

/* A name and a value, in the database's encoding. */
typedef struct Field
{
	const char *name;
	const char *value;
} Field;

/*
 * The members of an object, in the order jsonb keeps them, palloc'd; how many.
 * An array gives one field for each element.  Nulls are left out, and arrays
 * and objects further inside become their JSON text.  NULL jsonb gives none.
 * Throws invalid_parameter_value, naming what, when it is no object.
 */
extern int	pgnet_fields_read(Jsonb *jsonb, const char *what, Field **fields);

#endif							/* PGNET_API_FIELDS_H */
