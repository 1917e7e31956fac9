/*
 * complaints.c -- what the log says of responses that could not be recorded.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "worker/complaints.h"

/* Say that responses are kept, and why. */
void
pgnet_complain_passing(const ErrorData *error)
{
	ereport(WARNING,
			errcode(error->sqlerrcode),
			errmsg("pg_net could not record responses: %s", error->message),
			errdetail("They are kept in memory. The worker retries until it succeeds."),
			error->context ? errcontext("%s", error->context) : 0);
}

/* Say what is left out. */
void
pgnet_complain_hurry(int responses)
{
	ereport(WARNING,
			errmsg("pg_net records %d responses without triggers because the worker must exit",
				   responses),
			errhint("Make the triggers on net._http_response and net.http_request_queue faster."));
}

/* Say which response could not be recorded, and what follows. */
void
pgnet_complain_failure(const Job *job, RecordMode mode,
					   const ErrorData *error)
{
	const char *consequence = NULL;

	switch (mode)
	{
		case PGNET_RECORD_NORMAL:
			consequence = "The worker retries it once without triggers.";
			break;
		case PGNET_RECORD_NO_TRIGGERS:
			consequence = "The response is lost; the request is not sent again.";
			break;
		case PGNET_RECORD_REMOVE_ONLY:
			consequence = "The request stays in net.http_request_queue.";
			break;
	}
	ereport(WARNING,
			errcode(error->sqlerrcode),
			errmsg("could not record the response of request " INT64_FORMAT
				   ": %s",
				   job->id, error->message),
			errdetail("%s", consequence),
			error->context ? errcontext("%s", error->context) : 0);
}
