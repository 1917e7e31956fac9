/*
 * backoff.h -- trying again after trouble, less often each time.
 *
 * Runs in: workers and the launcher.  Each kind of work has its own, so that
 * trouble with one does not delay another.
 */
#ifndef PGNET_BACKOFF_H
#define PGNET_BACKOFF_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* All zero: nothing is wrong. */
typedef struct Backoff
{
	int			pause_ms;		/* 0: the last try went well */
	TimestampTz until;
	bool		logged;			/* for the caller: the log has the trouble */
} Backoff;

/* May it be tried?  And when may what is due at some time? */
extern bool pgnet_backoff_over(const Backoff *backoff, TimestampTz now);
extern TimestampTz pgnet_backoff_after(const Backoff *backoff,
									   TimestampTz due);

/* The try failed, or went well, or it is not known yet: pause once more. */
extern void pgnet_backoff_failed(Backoff *backoff);
extern void pgnet_backoff_succeeded(Backoff *backoff);
extern void pgnet_backoff_again(Backoff *backoff);

#endif							/* PGNET_BACKOFF_H */
