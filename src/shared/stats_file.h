/*
 * stats_file.h -- keeping the counters while the server is down.
 *
 * Runs in: the postmaster.
 *
 * A clean shutdown writes them to a file, and the next start reads and removes
 * it.  After a crash they begin at zero.
 */
#ifndef PGNET_STATS_FILE_H
#define PGNET_STATS_FILE_H

/* For memory.c, when all shared memory is there. */
extern void pgnet_stats_file_init(void);

#endif							/* PGNET_STATS_FILE_H */
