/*
 * bare.h -- what libcurl alone can do: N requests, C at a time, no database.
 *
 * The yardstick for bench/run, as lean as libcurl allows: each handle is set
 * up once, its requests are all alike, and responses are counted and dropped.
 * A client whose requests differ is slower.
 *
 *   main.c      the command line, and the line of JSON at the end
 *   loop.c      multi handles over one epoll: the transfers' coming and going
 *   transfer.c  one libcurl handle, with what is to be sent
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
	long		hosts;			/* each transfer has one of 1, 2 ... hosts */
	long		count;
	long		warm_up;		/* requests ahead of the clock */
	long		concurrency;
	long		multis;
	long		body_bytes;		/* of each request; with any, it is a POST */
	long		buffer_bytes;	/* what libcurl receives, or sends, at a time */
	long		max_seconds;
	const char *http_version;	/* "1.1" or "2" */
	const char *cafile;
	const char *latencies;		/* a file for all of them; NULL: none */
	const char *headers[MAX_HEADERS];
	int			header_count;
} Options;

/* One handle, which sends the same again and again. */
typedef struct Transfer
{
	CURL	   *easy;
	CURLM	   *multi;			/* where its host's connections are */
	double		started;		/* with latencies */
} Transfer;

/* What came of it. */
typedef struct Results
{
	long		ok;
	long		failed;
	double	   *latencies_us;	/* one for each finished request, or NULL */
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

/*
 * transfer.c: set up a handle for requests to a host, one of 0, 1 ...; was its
 * request answered with status 200?  If not, say why if that is wanted.
 */
extern void open_transfer(Transfer *transfer, long host);
extern bool was_answered(Transfer *transfer, CURLcode result, bool explain);

#endif							/* BARE_H */
