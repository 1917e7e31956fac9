/*
 * heap.h -- how much free memory malloc() keeps.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_HEAP_H
#define PGNET_HEAP_H

#include "postgres.h"

/* Before the first transfer; for the whole process. */
extern void pgnet_heap_prepare(void);

/* Nothing is under way: give back what much work has left. */
extern void pgnet_heap_give_back(void);

/* Is that worth it after so many bytes were in use at a time? */
extern bool pgnet_heap_is_large(size_t bytes);

#endif							/* PGNET_HEAP_H */
