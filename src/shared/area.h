/*
 * area.h -- shared memory that grows.
 *
 * Runs in: every process.  Only the files of shared/ look into it.
 */
#ifndef PGNET_AREA_H
#define PGNET_AREA_H

#include "postgres.h"

#include "utils/dsa.h"

/* For memory.c. */
extern Size pgnet_area_memory_size(void);
extern void pgnet_area_memory_init(void *memory, int lock_tranche);

/* The area, for as long as this process lives.  Throws. */
extern dsa_area *pgnet_area(void);

/* The same in the postmaster, to be detached from. */
extern dsa_area *pgnet_area_attach(void);

#endif							/* PGNET_AREA_H */
