/*
 * job.c -- making and ending jobs.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "job.h"

/* Most requests, with what is added under way, fit in the first block. */
#define CONTEXT_SIZES 0, (Size) 4096, (Size) 65536

/* Contexts of ended jobs, empty, for the next ones. */
#define MAX_SPARE_CONTEXTS 1024
static MemoryContext spare_contexts[MAX_SPARE_CONTEXTS];
static int	nspare_contexts = 0;

Job *
pgnet_job_create(MemoryContext parent)
{
	MemoryContext context;
	Job		   *job;

	if (nspare_contexts > 0)
		context = spare_contexts[--nspare_contexts];
	else
		context = GenerationContextCreate(parent, "pg_net job", CONTEXT_SIZES);
	job = MemoryContextAllocZero(context, sizeof(Job));
	job->request.context = context;
	return job;
}

void
pgnet_job_free(Job *job)
{
	MemoryContext context = job->request.context;

	if (nspare_contexts == MAX_SPARE_CONTEXTS)
	{
		MemoryContextDelete(context);
		return;
	}
	/* its callbacks run, and only the first block stays */
	MemoryContextReset(context);
	spare_contexts[nspare_contexts++] = context;
}

void
pgnet_jobs_free(dlist_head *jobs)
{
	while (!dlist_is_empty(jobs))
		pgnet_job_free(pgnet_job_pop(jobs));
}

Job *
pgnet_job_pop(dlist_head *jobs)
{
	return dlist_container(Job, node, dlist_pop_head_node(jobs));
}

void
pgnet_job_fail(Job *job, const char *error)
{
	job->outcome = (HttpOutcome) {
		.kind = PGNET_OUTCOME_FAILED,
		.is_final = true,
		.refused = true,
		.error = MemoryContextStrdup(job->request.context, error)
	};
}
