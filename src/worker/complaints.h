/*
 * complaints.h -- what the log says of responses that could not be recorded.
 *
 * Runs in: workers.
 */
#ifndef PGNET_COMPLAINTS_H
#define PGNET_COMPLAINTS_H

#include "postgres.h"

#include "job.h"
#include "tables/responses/record.h"

/* All are kept and tried again: the error passes. */
extern void pgnet_complain_passing(const ErrorData *error);

/* So many are recorded without triggers, for the worker leaves. */
extern void pgnet_complain_hurry(int responses);

/* One could not be recorded in this mode, and what follows from that. */
extern void pgnet_complain_failure(const Job *job, RecordMode mode,
								   const ErrorData *error);

#endif							/* PGNET_COMPLAINTS_H */
