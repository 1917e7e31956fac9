/*
 * metrics.c -- what was measured of a request.
 *
 * Runs in: workers.
 *
 * Of a connection that was there already no phases are known; one that did not
 * end took the rest of the time, and the next did not begin.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "http/metrics.h"

static void add_phases(HttpMetrics *metrics, const HopTimes *times);
static int64 add_phase(int64 *phase, int64 from, int64 until, int64 ended);

/* Start. */
void
pgnet_metrics_begin(Job *job)
{
	job->metrics = (HttpMetrics) {
		.attempts = 1,
		.started = GetCurrentTimestamp(),
		.dns_us = PGNET_NOT_MEASURED,
		.connect_us = PGNET_NOT_MEASURED,
		.tls_us = PGNET_NOT_MEASURED,
		.first_byte_us = PGNET_NOT_MEASURED
	};
}

/* Add a step. */
void
pgnet_metrics_add(Job *job, const HopTimes *times)
{
	HttpMetrics *metrics = &job->metrics;

	if (times->dial.began_us != 0)
		add_phases(metrics, times);
	if (times->first_byte_us != 0)
		metrics->first_byte_us = metrics->duration_us +
			Max(times->first_byte_us - times->began_us, 1);
	metrics->duration_us += times->ended_us - times->began_us;
	metrics->request_bytes = times->body_sent;
	metrics->response_bytes = times->body_bytes;
	metrics->http_version = times->version;

	/* of an endpoint nobody is to know where it is */
	if (job->request.endpoint == NULL)
		pgnet_address_show(&times->peer, metrics->remote_address,
						   sizeof(metrics->remote_address),
						   &metrics->remote_port);
}

/* How long each phase of making a connection took. */
static void
add_phases(HttpMetrics *metrics, const HopTimes *times)
{
	int64		from = times->dial.began_us;

	from = add_phase(&metrics->dns_us, from, times->dial.resolved_us,
					 times->ended_us);
	from = add_phase(&metrics->connect_us, from, times->dial.connected_us,
					 times->ended_us);
	if (times->by_tls)
		(void) add_phase(&metrics->tls_us, from, times->dial.tls_us,
						 times->ended_us);
}

/* Add a phase that began at from, unless that is 0; when it ended, or 0. */
static int64
add_phase(int64 *phase, int64 from, int64 until, int64 ended)
{
	if (from == 0)
		return 0;
	if (*phase == PGNET_NOT_MEASURED)
		*phase = 0;
	*phase += Max((until > 0 ? until : ended) - from, 0);
	return until;
}
