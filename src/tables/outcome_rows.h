/*
 * outcome_rows.h -- outcomes as the rows of a relation that statements read.
 */
#ifndef PGNET_OUTCOME_ROWS_H
#define PGNET_OUTCOME_ROWS_H

#include "postgres.h"

#include "exchange.h"

/* What a statement calls the relation; its columns are those of a response. */
#define PGNET_OUTCOME_ROWS "outcomes"

/*
 * Make the outcomes of requests a relation of the connected SPI, until it is
 * taken away again or SPI ends.  Memory: the current context.  Runs in:
 * workers, inside a transaction.
 */
extern void pgnet_outcome_rows_begin(HttpRequest *const *requests,
									 int nrequests);
extern void pgnet_outcome_rows_end(void);

#endif							/* PGNET_OUTCOME_ROWS_H */
