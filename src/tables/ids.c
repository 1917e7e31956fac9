/*
 * ids.c -- sets of request ids.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"

#include "tables/ids.h"

static int	compare(const void *a, const void *b);

void
pgnet_ids_sort(int64 *ids, int nids)
{
	qsort(ids, nids, sizeof(int64), compare);
}

bool
pgnet_ids_contain(const int64 *ids, int nids, int64 id)
{
	return bsearch(&id, ids, nids, sizeof(int64), compare) != NULL;
}

Datum
pgnet_ids_array(const int64 *ids, int nids)
{
	Datum	   *elements = palloc(sizeof(Datum) * nids);

	for (int i = 0; i < nids; i++)
		elements[i] = Int64GetDatum(ids[i]);
	return PointerGetDatum(construct_array(elements, nids, INT8OID,
										   sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

/* For qsort() and bsearch(). */
static int
compare(const void *a, const void *b)
{
	int64		left = *(const int64 *) a;
	int64		right = *(const int64 *) b;

	return (left > right) - (left < right);
}
