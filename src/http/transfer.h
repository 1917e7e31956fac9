/*
 * transfer.h -- one request, from its start to its outcome.
 *
 * Runs in: workers.  Nothing here throws: what goes wrong becomes the
 * request's outcome.
 */
#ifndef PGNET_TRANSFER_H
#define PGNET_TRANSFER_H

#include "postgres.h"

#include "job.h"
#include "http/body_budget.h"
#include "http/decoding.h"
#include "http/defaults.h"
#include "http/pool.h"
#include "http/route.h"
#include "http/timers.h"
#include "http/web_url.h"

/* What all transfers of an engine share. */
typedef struct TransferOptions
{
	Timers	   *timers;
	Pool	   *pool;
	TlsStore   *tls;
	WebUrls    *urls;
	ProxySetting *proxy;
	const HttpDefaults *defaults;
	BodyBudget *bodies;
	Decoding   *decoding;
	size_t		max_header_bytes;
	bool		closed;			/* nothing goes out for the first time */
	int			sent;			/* under way, of those that went out */

	/* a request has its outcome */
	void		(*finished) (Job *job, void *arg);
	void	   *arg;
} TransferOptions;

/* Send a request; finished() may be called before this returns. */
extern void pgnet_transfer_start(Job *job, TransferOptions *options);

/* End the transfer of a receiver, since memory is short. */
extern void pgnet_transfer_evict(BodyReceiver *receiver);

#endif							/* PGNET_TRANSFER_H */
