/*
 * signals.h -- no signals while libcurl works.
 *
 * Runs in: workers.
 *
 * libcurl's resolver makes threads, and a thread inherits the signal mask of
 * the moment.  PostgreSQL's handlers must not run in one.
 */
#ifndef PGNET_SIGNALS_H
#define PGNET_SIGNALS_H

#include "postgres.h"

#include <signal.h>

extern void pgnet_signals_block(sigset_t *before);
extern void pgnet_signals_restore(const sigset_t *before);

#endif							/* PGNET_SIGNALS_H */
