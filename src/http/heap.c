/*
 * heap.c -- how much free memory malloc() keeps.
 *
 * Runs in: workers.
 *
 * Buffers and bodies come and go with each request.  By itself glibc would
 * give them back to the kernel each time and have them again, page by page,
 * all zeroes; and go through its fast bins for each large piece, to join what
 * lies there.  Other C libraries do as they think best.
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "http/heap.h"

/* Free memory that is kept; enough for the buffers of some transfers. */
#define KEPT_BYTES ((size_t) 8 * 1024 * 1024)

/* Larger pieces than this go back at once; glibc takes no larger number. */
#define LARGEST_KEPT_BYTES (32 * 1024 * 1024)

/* Set malloc() up. */
void
pgnet_heap_prepare(void)
{
#ifdef __GLIBC__
	(void) mallopt(M_TRIM_THRESHOLD, (int) KEPT_BYTES);
	(void) mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES);
	(void) mallopt(M_MXFAST, 0);
#endif
}

/* Give memory back, that between pieces in use, too. */
void
pgnet_heap_give_back(void)
{
#ifdef __GLIBC__
	(void) malloc_trim(KEPT_BYTES);
#endif
}

/* Is it more than is kept? */
bool
pgnet_heap_is_large(size_t bytes)
{
	return bytes > KEPT_BYTES;
}
