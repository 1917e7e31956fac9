/*
 * template.h -- requests that came with a database as it was copied.
 *
 * Runs in: workers, inside a transaction with the tables locked.
 */
#ifndef PGNET_TEMPLATE_H
#define PGNET_TEMPLATE_H

#include "postgres.h"

/*
 * Remove the rows that came with a database which transaction made_by created.
 * Returns how many.
 */
extern int	pgnet_copied_rows_remove(TransactionId made_by);

#endif							/* PGNET_TEMPLATE_H */
