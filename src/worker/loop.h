/*
 * loop.h -- what a worker does all day.
 *
 * Runs in: workers.
 */
#ifndef PGNET_LOOP_H
#define PGNET_LOOP_H

#include "postgres.h"

#include "http/engine.h"
#include "shared/worker_state.h"
#include "worker/activity.h"
#include "worker/callbacks.h"
#include "worker/expiry.h"
#include "worker/given_up.h"
#include "worker/intake.h"
#include "worker/lanes.h"
#include "worker/lifetime.h"
#include "worker/order.h"
#include "worker/quarantine.h"
#include "worker/recorder.h"
#include "worker/recount.h"
#include "worker/storage.h"
#include "worker/table_guard.h"
#include "worker/throttle.h"

typedef struct Loop
{
	WorkerState *worker;
	MemoryContext cycle;
	TimestampTz now;			/* of this cycle, by pgnet_clock_now() */

	TableGuard	guard;
	Intake		intake;
	Jobs		jobs;
	Lanes	   *lanes;
	Order	   *order;
	HttpEngine *engine;
	Recorder	recorder;
	Throttle	throttle;
	Quarantine *quarantine;
	Expiry		expiry;
	Recount		recount;
	Storage		storage;
	GivenUp		given_up;
	CallbackLook callbacks;
	Activity	activity;
	Lifetime	lifetime;

	bool		busy;			/* the last drive found something to do */
} Loop;

/* Serve the connected database until it is time to leave. */
extern void pgnet_loop_run(WorkerState *worker);

#endif							/* PGNET_LOOP_H */
