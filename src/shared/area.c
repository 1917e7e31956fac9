/*
 * area.c -- shared memory that grows.
 *
 * Runs in: every process.
 *
 * The first part lies in the server's shared memory, so the area exists before
 * any process attaches to it (as in utils/activity/pgstat_shmem.c).
 */
#include "postgres.h"

#include "storage/ipc.h"
#include "utils/memutils.h"

#include "compat.h"
#include "shared/area.h"

/* Its first size; more segments are mapped when they are needed. */
#define FIRST_BYTES ((Size) 256 * 1024)

static void *first_part = NULL;

static dsa_area *attach(void);
static dshash_parameters parameters_of(const AreaTable *table);

Size
pgnet_area_memory_size(void)
{
	return FIRST_BYTES;
}

/* The postmaster maps no further memory, so the area does not grow yet. */
void
pgnet_area_memory_init(void *memory, int lock_tranche)
{
	dsa_area   *area = dsa_create_in_place(memory, FIRST_BYTES, lock_tranche,
										   NULL);

	first_part = memory;
	dsa_pin(area);
	dsa_set_size_limit(area, FIRST_BYTES);
	dsa_detach(area);
}

void
pgnet_area_table_create(AreaTable *table, Size key_size, Size entry_size,
						int lock_tranche)
{
	dsa_area   *area = attach();
	dshash_parameters parameters;
	dshash_table *made;

	table->key_size = key_size;
	table->entry_size = entry_size;
	table->lock_tranche = lock_tranche;
	parameters = parameters_of(table);
	made = dshash_create(area, &parameters, NULL);
	table->handle = dshash_get_hash_table_handle(made);
	dshash_detach(made);
	dsa_detach(area);
}

dshash_table *
pgnet_area_table_attach(const AreaTable *table)
{
	MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
	dshash_parameters parameters = parameters_of(table);
	dshash_table *attached = dshash_attach(pgnet_area(), &parameters,
										   table->handle, NULL);

	MemoryContextSwitchTo(before);
	return attached;
}

static dshash_parameters
parameters_of(const AreaTable *table)
{
	return (dshash_parameters) {
		.key_size = table->key_size,
		.entry_size = table->entry_size,
		.compare_function = dshash_memcmp,
		.hash_function = dshash_memhash,
		PGNET_DSHASH_COPY
			.tranche_id = table->lock_tranche
	};
}

dsa_area *
pgnet_area(void)
{
	static dsa_area *area = NULL;
	MemoryContext before;

	if (area != NULL)
		return area;
	before = MemoryContextSwitchTo(TopMemoryContext);
	area = attach();
	dsa_pin_mapping(area);
	on_shmem_exit(dsa_on_shmem_exit_release_in_place,
				  PointerGetDatum(first_part));
	dsa_set_size_limit(area, (size_t) -1);
	MemoryContextSwitchTo(before);
	return area;
}

static dsa_area *
attach(void)
{
	return dsa_attach_in_place(first_part, NULL);
}
