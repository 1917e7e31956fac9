/* main.c -- the command line of bare, and the line of JSON at the end. */
#include "bare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

Options		options = {
	.hosts = 1,
	.count = 10000,
	.concurrency = 100,
	.multis = 1,
	.buffer_bytes = 16384,
	.max_seconds = 120,
	.http_version = "1.1",
};

static void read_options(int argc, char **argv);
static void report(const Results *results, double seconds, double cpu_seconds);

void
die(const char *what, const char *why)
{
	fprintf(stderr, "bare: %s: %s\n", what, why);
	exit(2);
}

void *
need(void *memory)
{
	if (memory == NULL)
		die("could not go on", "out of memory");
	return memory;
}

static double
clock_seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

double
now(void)
{
	return clock_seconds(CLOCK_MONOTONIC);
}

int
main(int argc, char **argv)
{
	double		begin;
	double		cpu_begin;
	Results		results;

	read_options(argc, argv);
	/* should a library call ever hang, the kernel ends us */
	alarm(options.max_seconds + 10);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		die("libcurl", "could not be set up");
	open_loop();
	if (options.warm_up > 0)
		run_requests(options.warm_up);

	begin = now();
	cpu_begin = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
	results = run_requests(options.count);
	report(&results, now() - begin,
		   clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_begin);

	return results.ok == options.count ? 0 : 1;
}

static long
read_number(const char *name, const char *text)
{
	char	   *end;
	long		value = strtol(text, &end, 10);

	if (end == text || *end != '\0' || value < 0 || value > 1000000000)
		die(name, "not a number we can use");
	return value;
}

/* Does the option have a number?  Then take it. */
static bool
read_numeric_option(const char *name, const char *value)
{
	struct
	{
		const char *name;
		long	   *number;
	}			numeric[] = {
		{"--hosts", &options.hosts},
		{"--count", &options.count},
		{"--warm-up", &options.warm_up},
		{"--concurrency", &options.concurrency},
		{"--multis", &options.multis},
		{"--body-bytes", &options.body_bytes},
		{"--buffer-bytes", &options.buffer_bytes},
		{"--max-seconds", &options.max_seconds},
	};

	for (size_t i = 0; i < sizeof(numeric) / sizeof(numeric[0]); i++)
		if (strcmp(name, numeric[i].name) == 0)
		{
			*numeric[i].number = read_number(name, value);
			return true;
		}
	return false;
}

static void
read_options(int argc, char **argv)
{
	for (int i = 1; i < argc; i += 2)
	{
		const char *value = argv[i + 1];

		if (value == NULL)
			die(argv[i], "unknown, or without its value");
		if (read_numeric_option(argv[i], value))
			continue;
		if (strcmp(argv[i], "--url") == 0)
			options.url = value;
		else if (strcmp(argv[i], "--http-version") == 0)
			options.http_version = value;
		else if (strcmp(argv[i], "--cafile") == 0)
			options.cafile = value;
		else if (strcmp(argv[i], "--latencies") == 0)
			options.latencies = value;
		else if (strcmp(argv[i], "--header") == 0 &&
				 options.header_count < MAX_HEADERS)
			options.headers[options.header_count++] = value;
		else
			die(argv[i], "unknown, or too many of them");
	}
	if (options.url == NULL || options.count < 1 || options.concurrency < 1 ||
		options.multis < 1 || options.hosts < 1)
		die("options", "--url and numbers from 1 on are needed");
}

static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

static void
write_latencies(const double *latencies, long count)
{
	FILE	   *file = fopen(options.latencies, "w");

	if (file == NULL)
		die(options.latencies, "could not be written");
	for (long i = 0; i < count; i++)
		fprintf(file, "%.1f\n", latencies[i]);
	if (fclose(file) != 0)
		die(options.latencies, "could not be written");
}

static void
report(const Results *results, double seconds, double cpu_seconds)
{
	long		done = results->ok + results->failed;
	double	   *latencies = results->latencies_us;

	printf("{\"requests\": %ld, \"failed\": %ld, \"seconds\": %.6f, "
		   "\"per_second\": %.1f, \"cpu_seconds\": %.6f", options.count,
		   options.count - results->ok, seconds,
		   seconds > 0 ? done / seconds : 0, cpu_seconds);
	if (latencies != NULL && done > 0)
	{
		qsort(latencies, done, sizeof(double), compare_doubles);
		printf(", \"p50_us\": %.1f, \"p99_us\": %.1f",
			   latencies[(done - 1) / 2], latencies[(done - 1) * 99 / 100]);
		write_latencies(latencies, done);
	}
	puts("}");
}
