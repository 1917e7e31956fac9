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

/* The area, attached until this process exits.  Throws if memory is short. */
extern dsa_area *pgnet_area(void);

/* Attach to it in the postmaster; the caller detaches. */
extern dsa_area *pgnet_area_attach(void);

#endif							/* PGNET_AREA_H */
