/*
 * transfer_state.h -- what a transfer consists of.
 *
 * Runs in: workers.  For transfer.c, which fills it in, receive.c, which takes
 * the response, and verdict.c, which judges it; for others it is opaque.
 */
#ifndef PGNET_TRANSFER_STATE_H
#define PGNET_TRANSFER_STATE_H

#include "postgres.h"

#include "job.h"
#include "http/decoder.h"
#include "http/decoding.h"
#include "http/destination.h"
#include "http/header_section.h"
#include "http/metrics.h"
#include "http/pool.h"
#include "http/redirect.h"
#include "http/transfer.h"
#include "http/transfer_body.h"

typedef struct Transfer
{
	Job		   *job;
	TransferOptions *options;
	Timer		deadline;
	bool		out_of_time;
	bool		counted;		/* it went out at least once */
	bool		held_back;		/* it did not, since the engine is closed */

	/* where it is */
	Hop			hop;
	WebUrl	   *url;			/* of the hop; NULL: none yet */
	Route		route;
	Destination destination;
	Borrower	borrower;
	Exchange	exchange;
	Timer		connecting;		/* until when it may have a connection */
	int			connect_timeout_ms; /* if shorter than what is left; or 0 */
	bool		not_connected;	/* that is over */
	HopTimes	times;
	DialPhase	failed_phase;	/* of a dial that failed */
	HttpShortage shortage;		/* why it did */
	bool		needs_http1;	/* the server said so */
	bool		repeated;		/* this hop was sent a second time */
	int			refusals;		/* how often it was not processed */

	/* what came */
	ResponseSink sink;
	int			status;			/* of the last response that began; 0: none */
	HeaderSection headers;
	TransferBody body;
	ContentCoding coding;		/* of the body, to be decoded */
	Decoder		decoder;
	DecodingMember decoding;
	MemoryContextCallback free_body;

	/* why it ended, if not as the exchange did */
	bool		redirected;		/* the answer is a redirect to be followed */
	bool		too_many;		/* but there were too many */
	const char *refusal;		/* but why it was not */
	HttpError	error;			/* or it failed */
} Transfer;

#endif							/* PGNET_TRANSFER_STATE_H */
