/*
 * latency.c -- how long one request takes when nothing else is going on.
 *
 * Over one connection and in separate transactions: queue a request, then
 * wait for its stored answer.  The clock which counts starts when the client
 * knows that the queuing transaction is committed and stops when the answer
 * has been seen; the other one includes the queuing call itself.
 *
 *   latency CONNINFO URL COUNT MAX_SECONDS FILE
 *
 * FILE gets the times of all requests, in microseconds, sorted.
 */
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* connections open and caches fill during these; they are not counted */
#define WARM_UP 5

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void
fail(PGconn *connection, const char *what)
{
	fprintf(stderr, "latency: %s: %s", what, PQerrorMessage(connection));
	exit(2);
}

static PGconn *
open_connection(const char *conninfo)
{
	PGconn	   *connection = PQconnectdb(conninfo);
	PGresult   *result;

	if (PQstatus(connection) != CONNECTION_OK)
		fail(connection, "could not connect");
	/* an answer that never comes must not hold us for ever */
	result = PQexec(connection, "SET statement_timeout = '10s'");
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fail(connection, "could not set the time limit");
	PQclear(result);

	result = PQprepare(connection, "queue", "SELECT net.http_get($1)", 1, NULL);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fail(connection, "could not prepare net.http_get");
	PQclear(result);
	result = PQprepare(connection, "await", "SELECT net._await_response($1)", 1,
					   NULL);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fail(connection, "could not prepare net._await_response");
	PQclear(result);
	return connection;
}

/* Runs a prepared statement; its one value is copied out. */
static void
call(PGconn *connection, const char *statement, const char *argument,
	 char *value, size_t size)
{
	PGresult   *result = PQexecPrepared(connection, statement, 1, &argument,
										NULL, NULL, 0);

	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1)
		fail(connection, statement);
	snprintf(value, size, "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
}

static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

static double
percentile_us(const double *sorted, long count, int percent)
{
	return sorted[(count - 1) * percent / 100] * 1e6;
}

static bool
write_all(const char *path, const double *seconds, long count)
{
	FILE	   *file = fopen(path, "w");

	if (file == NULL)
		return false;
	for (long i = 0; i < count; i++)
		fprintf(file, "%.1f\n", seconds[i] * 1e6);
	return fclose(file) == 0;
}

int
main(int argc, char **argv)
{
	long		count = argc == 6 ? atol(argv[3]) : 0;
	long		max_seconds = argc == 6 ? atol(argv[4]) : 0;
	double	   *from_commit;
	double	   *from_call;
	double		deadline;
	PGconn	   *connection;

	if (count < 1 || max_seconds < 1)
	{
		fputs("usage: latency CONNINFO URL COUNT MAX_SECONDS FILE\n", stderr);
		return 2;
	}
	alarm(max_seconds + 10);
	deadline = now() + max_seconds;
	from_commit = malloc(count * sizeof(double));
	from_call = malloc(count * sizeof(double));
	if (from_commit == NULL || from_call == NULL)
		return 2;
	connection = open_connection(argv[1]);

	for (long i = -WARM_UP; i < count; i++)
	{
		char		id[32];
		char		answered[8];
		double		called = now();
		double		committed;
		double		seen;

		call(connection, "queue", argv[2], id, sizeof(id));
		committed = now();
		call(connection, "await", id, answered, sizeof(answered));
		seen = now();

		if (strcmp(answered, "t") != 0 || seen > deadline)
		{
			fprintf(stderr, "latency: request %s: %s\n", id,
					seen > deadline ? "out of time" : "no answer");
			return 1;
		}
		if (i < 0)
			continue;
		from_commit[i] = seen - committed;
		from_call[i] = seen - called;
	}
	PQfinish(connection);

	qsort(from_commit, count, sizeof(double), compare_doubles);
	qsort(from_call, count, sizeof(double), compare_doubles);
	if (!write_all(argv[5], from_commit, count))
	{
		fprintf(stderr, "latency: could not write %s\n", argv[5]);
		return 2;
	}
	printf("{\"requests\": %ld, \"p50_us\": %.1f, \"p99_us\": %.1f, "
		   "\"call_p50_us\": %.1f, \"call_p99_us\": %.1f}\n", count,
		   percentile_us(from_commit, count, 50),
		   percentile_us(from_commit, count, 99),
		   percentile_us(from_call, count, 50),
		   percentile_us(from_call, count, 99));
	return 0;
}
