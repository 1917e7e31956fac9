/*
 * area.c -- shared memory that grows.
 *
 * Runs in: every process.
 *
 * The first part lies in the server's shared memory, so that its end is no
 * matter of who came first (as utils/activity/pgstat_shmem.c has it).
 */
#include "postgres.h"

#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "utils/memutils.h"

#include "compat.h"
#include "shared/area.h"
#include "shared/memory.h"

static dsa_area *area = NULL;
static dshash_table *quotas = NULL;

static dshash_parameters quota_parameters(void);
static void attach(void);

/* Make it. */
void
pgnet_area_init(void *place)
{
	dshash_parameters parameters = quota_parameters();
	dsa_area   *made = dsa_create_in_place(place, PGNET_AREA_BYTES,
										   parameters.tranche_id, NULL);
	dshash_table *table;

	dsa_pin(made);
	/* the postmaster maps no further memory */
	dsa_set_size_limit(made, PGNET_AREA_BYTES);
	table = dshash_create(made, &parameters, NULL);
	pgnet_shared->quotas = dshash_get_hash_table_handle(table);
	dsa_set_size_limit(made, (size_t) -1);
	dshash_detach(table);
	dsa_detach(made);
}

/* Know it. */
dsa_area *
pgnet_area(void)
{
	if (quotas == NULL)
		attach();
	return area;
}

/* Know the table. */
dshash_table *
pgnet_area_quotas(void)
{
	if (quotas == NULL)
		attach();
	return quotas;
}

/* Attach to both, until the process ends. */
static void
attach(void)
{
	MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
	dshash_parameters parameters = quota_parameters();

	if (area == NULL)
	{
		area = dsa_attach_in_place(pgnet_shared->area, NULL);
		dsa_pin_mapping(area);
		on_shmem_exit(dsa_on_shmem_exit_release_in_place,
					  PointerGetDatum(pgnet_shared->area));
	}
	quotas = dshash_attach(area, &parameters, pgnet_shared->quotas, NULL);
	MemoryContextSwitchTo(before);
}

/* What the table is like. */
static dshash_parameters
quota_parameters(void)
{
	return (dshash_parameters) {
		.key_size = sizeof(QuotaKey),
		.entry_size = sizeof(QuotaCounter),
		.compare_function = dshash_memcmp,
		.hash_function = dshash_memhash,
		PGNET_DSHASH_COPY
			.tranche_id = pgnet_shared->lock->tranche
	};
}
