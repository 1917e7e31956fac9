/*
 * signals.c -- no signals while libcurl works.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include <pthread.h>

#include "http/signals.h"

/* Block every signal. */
void
pgnet_signals_block(sigset_t *before)
{
	sigset_t	all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, before);
}

/* Undo that. */
void
pgnet_signals_restore(const sigset_t *before)
{
	pthread_sigmask(SIG_SETMASK, before, NULL);
}
