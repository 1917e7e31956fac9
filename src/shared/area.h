/*
 * area.h -- shared memory that grows.
 *
 * Runs in: every process.  Only the files of shared/ look into it.
 */
#ifndef PGNET_AREA_H
#define PGNET_AREA_H

#include "postgres.h"

#include "lib/dshash.h"
#include "utils/dsa.h"

/* What it begins with; more is mapped when it is needed. */
#define PGNET_AREA_BYTES ((size_t) 256 * 1024)

/* Called once, where the memory is made; the table of quotas is in it. */
extern void pgnet_area_init(void *place);

/* The area and the table of quotas, for this process.  Throw. */
extern dsa_area *pgnet_area(void);
extern dshash_table *pgnet_area_quotas(void);

#endif							/* PGNET_AREA_H */
