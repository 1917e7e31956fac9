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

/* For memory.c. */
extern Size pgnet_area_memory_size(void);
extern void pgnet_area_memory_init(void *memory, int lock_tranche);

/* The area, attached until this process exits.  Throws if memory is short. */
extern dsa_area *pgnet_area(void);

/* A hash table in the area; this part of it lies in the server's memory. */
typedef struct AreaTable
{
	dshash_table_handle handle;
	Size		key_size;
	Size		entry_size;
	int			lock_tranche;
} AreaTable;

/*
 * Make it, in the postmaster.  Keys are compared byte by byte, so their padding
 * has to be zero; an entry begins with its key.
 */
extern void pgnet_area_table_create(AreaTable *table, Size key_size,
									Size entry_size, int lock_tranche);

/*
 * Attach to it until this process exits; call it once in each process.  Throws
 * if memory is short.
 */
extern dshash_table *pgnet_area_table_attach(const AreaTable *table);

#endif							/* PGNET_AREA_H */
