/*
 * allocate.h -- memory of a memory context, or NULL.
 *
 * Runs in: every process.  Nothing here throws: not when memory is short, and
 * not when more is asked for than PostgreSQL gives at once (1 GB).
 */
#ifndef PGNET_ALLOCATE_H
#define PGNET_ALLOCATE_H

#include "postgres.h"

#include "utils/memutils.h"

static inline void *
pgnet_allocate(MemoryContext context, size_t size)
{
	if (!AllocSizeIsValid(size))
		return NULL;
	return MemoryContextAllocExtended(context, size, MCXT_ALLOC_NO_OOM);
}

static inline char *
pgnet_allocate_copy(MemoryContext context, const char *string)
{
	size_t		size = strlen(string) + 1;
	char	   *copy = pgnet_allocate(context, size);

	return copy ? memcpy(copy, string, size) : NULL;
}

#endif							/* PGNET_ALLOCATE_H */
