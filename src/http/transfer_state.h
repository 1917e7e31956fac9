/*
 * transfer_state.h -- what a transfer consists of.
 *
 * Runs in: workers.  For transfer.c, which fills it in, and verdict.c, which
 * judges it; for others it is opaque.
 */
#ifndef PGNET_TRANSFER_STATE_H
#define PGNET_TRANSFER_STATE_H

#include "postgres.h"

#include <curl/curl.h>

#include "job.h"
#include "http/attempts.h"
#include "http/deadlines.h"
#include "http/decoder.h"
#include "http/decoding.h"
#include "http/destination.h"
#include "http/header_section.h"
#include "http/redirect.h"
#include "http/sending.h"
#include "http/setup.h"
#include "http/shortage.h"
#include "http/transfer.h"
#include "http/transfer_body.h"

struct Transfer
{
	Job		   *job;
	const TransferOptions *options;
	Hop			hop;
	Setup		setup;
	bool		redirected;		/* the answer is a redirect to be followed */
	bool		too_many;		/* but there were too many */
	const char *refusal;		/* but why it was not */
	bool		out_of_time;
	bool		unprepared;		/* see error_detail */
	curl_socket_t opened;		/* the last one of this step, or BAD */
	int			connect_timeout_ms; /* if shorter than what is left; or 0 */
	int64		connect_by_us;	/* by the clock of the deadlines */
	int64		lost_before_us; /* what they had lost when libcurl's began */
	TransferBody body;
	bool		body_begun;		/* the first bytes came */
	ContentCoding coding;		/* of the body, to be decoded */
	Decoder		decoder;
	DecodingMember decoding;
	Deadline	deadline;
	HeaderSection headers;
	Sending		sending;
	ShortageWatch watch;
	Attempt		attempt;
	Destination destination;
	char		error_detail[CURL_ERROR_SIZE];
	MemoryContextCallback free_body;
};

#endif							/* PGNET_TRANSFER_STATE_H */
