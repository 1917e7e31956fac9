/*
 * pauses.h -- endpoints that are to be paused.
 *
 * Runs in: workers, which find out that an endpoint is to be paused, and the
 * process of the callbacks, which pauses it: triggers of users fire for that.
 * After a crash of the server nothing is left of it here; if the endpoint still
 * fails then, a worker finds that out again.
 */
#ifndef PGNET_PAUSES_H
#define PGNET_PAUSES_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* As long as a name in net.endpoint may be, in bytes. */
#define PGNET_MAX_ENDPOINT_NAME 200

/* More of an error is not written down. */
#define PGNET_MAX_PAUSE_ERROR 500

/* An endpoint that is to be paused, and why. */
typedef struct Pause
{
	uint64		lane;
	uint64		version;		/* of the row that the worker knew */
	char		name[PGNET_MAX_ENDPOINT_NAME + 1];
	TimestampTz since;			/* nothing has succeeded, by the wall clock */
	int			status_code;	/* of the last attempt; 0: there was an error */
	char		error[PGNET_MAX_PAUSE_ERROR + 1];	/* as it came */
} Pause;

/* For memory.c. */
extern Size pgnet_pauses_memory_size(void);
extern void pgnet_pauses_memory_init(void *memory, int lock_tranche);

/*
 * Have an endpoint of this database paused, unless there are very many that
 * wait for it: false.  Throws if memory is short.
 */
extern bool pgnet_pauses_add(const Pause *pause);

/* The endpoint of a lane of this database is not to be paused any more. */
extern void pgnet_pauses_remove(uint64 lane);

/*
 * Is any endpoint of this database to be paused?  *due: there is one now, by
 * GetCurrentTimestamp().
 */
extern bool pgnet_pauses_exist(bool *due);

/* One that is to be paused now; false: there is none. */
extern bool pgnet_pauses_next(Pause *pause);

/* It could not be done: not before that long after now. */
extern void pgnet_pauses_postpone(uint64 lane, int ms);

/* Remove those of a database that nobody is connected to. */
extern void pgnet_pauses_forget(Oid database);

#endif							/* PGNET_PAUSES_H */
