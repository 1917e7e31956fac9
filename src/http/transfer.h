/*
 * transfer.h -- one request on one libcurl handle.
 *
 * Runs in: workers.  Nothing here throws: what goes wrong becomes the
 * request's outcome.
 */
#ifndef PGNET_TRANSFER_H
#define PGNET_TRANSFER_H

#include "postgres.h"

#include <curl/curl.h>

#include "job.h"
#include "http/attempts.h"
#include "http/body_budget.h"
#include "http/deadlines.h"
#include "http/decoding.h"
#include "http/defaults.h"
#include "http/parsed_urls.h"
#include "http/sending.h"
#include "http/sockets.h"
#include "policy/networks.h"

/* What all transfers of an engine share. */
typedef struct TransferOptions
{
	Sockets    *sockets;
	ParsedUrls *urls;
	const HttpDefaults *defaults;
	const Networks *denied_networks;
	BodyBudget *bodies;
	Decoding   *decoding;
	Deadlines  *deadlines;
	Attempts   *attempts;
	SendingShared *sending;
	size_t		max_header_bytes;
} TransferOptions;

typedef struct Transfer Transfer;

/*
 * Prepare a request on a handle that is new or reset.  NULL when that fails;
 * the request then has its outcome.
 */
extern Transfer *pgnet_transfer_create(CURL *easy, Job *job,
									   const TransferOptions *options);

/* The transfer a handle carries. */
extern Transfer *pgnet_transfer_of(CURL *easy);

/* The time of a transfer, which has this deadline and *easy, is over. */
extern Transfer *pgnet_transfer_due(Deadline *deadline, CURL **easy);

/* The transfer of a receiver, which is to be ended since memory is short. */
extern Transfer *pgnet_transfer_evicted(BodyReceiver *receiver, CURL **easy);

/* The transfer of one whose body could not be decoded further. */
extern Transfer *pgnet_transfer_undecodable(DecodingMember *member,
											CURL **easy);

/*
 * A transfer of libcurl's ended with result.  If that is not the end of it, as
 * after a redirect to be followed, prepare a handle to go on with, which may
 * be another one than that which libcurl has let go of.  Otherwise false, and
 * the request can be finished.
 */
extern bool pgnet_transfer_go_on(Transfer *transfer, CURL **easy,
								 CURLcode result);

/*
 * Take the result over into the request's outcome, free what libcurl holds of
 * it but not the handle, and give the request back.
 */
extern Job *pgnet_transfer_finish(Transfer *transfer, CURL *easy,
								  CURLcode result);

#endif							/* PGNET_TRANSFER_H */
