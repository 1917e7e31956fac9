/*
 * bare.h -- what libcurl alone can do: N requests, C at a time, no database.
 *
 * The yardstick for bench/run.  It sets the options pg_net sets for each
 * request (src/http/transfer.c) and collects the answers, but reads no queue
 * and stores nothing; what pg_net costs beyond this is the price of the
 * database around it.
 *
 *   main.c      the command line, and the line of JSON at the end
 *   loop.c      multi handles over one epoll: the transfers' coming and going
 *   transfer.c  one request on one libcurl handle
 */
#ifndef BARE_H
#define BARE_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#define MAX_HEADERS 32

/* The command line. */
typedef struct Options
{
	const char *url;			/* with hosts, "%d" stands for their number */
	long		hosts;			/* requests go to 1, 2 ... hosts in turns */
	long		count;
	long		warm_up;		/* requests ahead of the clock */
	long		concurrency;
	long		multis;
	long		body_bytes;		/* of each request; with any, it is a POST */
	long		timeout_ms;
	long		max_seconds;
	const char *cafile;
	const char *latencies;		/* a file for all of them; NULL: none */
	const char *headers[MAX_HEADERS];
	int			header_count;
} Options;

typedef struct Transfer
{
	CURL	   *easy;
	struct curl_slist *header_lines;
	char	   *body;			/* of the answer; kept for the next one */
	size_t		body_length;
	size_t		body_capacity;
	size_t		header_bytes;
	bool		sent;
	int			multi;			/* where it is under way */
	double		started;
	char		error[CURL_ERROR_SIZE];
} Transfer;

/* What came of it. */
typedef struct Results
{
	long		ok;
	long		failed;
	double	   *latencies_us;	/* one for each finished request */
} Results;

extern Options options;

/* main.c */
extern void die(const char *what, const char *why);
extern void *need(void *memory);
extern double now(void);

/* loop.c: send so many; what came of it. */
extern void open_loop(void);
extern Results run_requests(long count);
extern curl_socket_t open_socket(void *arg, curlsocktype purpose,
								 struct curl_sockaddr *address);
extern int	close_socket(void *arg, curl_socket_t fd);

/* transfer.c: set up the request number i; was it answered with status 200? */
extern void prepare_transfer(Transfer *transfer, long i);
extern bool finish_transfer(Transfer *transfer, CURLcode result, bool explain);

#endif							/* BARE_H */
