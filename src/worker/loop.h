/*
 * loop.h -- what a worker does all day.
 */
#ifndef PGNET_LOOP_H
#define PGNET_LOOP_H

#include "postgres.h"

#include "shared/slots.h"

/* Serve the connected database until asked to leave.  Runs in: workers. */
extern void pgnet_loop_run(WorkerSlot *slot);

#endif							/* PGNET_LOOP_H */
