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

#include "shared/area.h"

/* Its first size; more segments are mapped when they are needed. */
#define FIRST_BYTES ((Size) 256 * 1024)

static void *first_part = NULL;

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

dsa_area *
pgnet_area(void)
{
	static dsa_area *area = NULL;
	MemoryContext before;

	if (area != NULL)
		return area;
	before = MemoryContextSwitchTo(TopMemoryContext);
	area = pgnet_area_attach();
	dsa_pin_mapping(area);
	on_shmem_exit(dsa_on_shmem_exit_release_in_place,
				  PointerGetDatum(first_part));
	dsa_set_size_limit(area, (size_t) -1);
	MemoryContextSwitchTo(before);
	return area;
}

dsa_area *
pgnet_area_attach(void)
{
	return dsa_attach_in_place(first_part, NULL);
}
