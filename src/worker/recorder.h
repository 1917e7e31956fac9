/*
 * recorder.h -- finished requests on their way into the tables.
 *
 * Runs in: workers.
 */
#ifndef PGNET_RECORDER_H
#define PGNET_RECORDER_H

#include "postgres.h"

#include "lib/ilist.h"

#include "exchange.h"

typedef struct Recorder
{
	dlist_head	finished;		/* decided, not recorded, in order */
	int			nfinished;
	dlist_head	recorded;		/* recorded; the caller takes them */
} Recorder;

extern void pgnet_recorder_init(Recorder *recorder);
extern void pgnet_recorder_add(Recorder *recorder, HttpRequest *request);

/* Is a batch full? */
extern bool pgnet_recorder_is_full(const Recorder *recorder);

/*
 * Record one batch, moving its requests to recorded.  To be called outside of
 * a transaction.  False when some could not be recorded now: the tables are
 * locked, somebody holds the rows, the disk is full.  They stay finished.
 */
extern bool pgnet_recorder_flush(Recorder *recorder);

#endif							/* PGNET_RECORDER_H */
