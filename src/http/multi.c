/*
 * multi.c -- libcurl's multi handle, with its timer.
 *
 * Runs in: workers.
 *
 * libcurl tells through callbacks which sockets to watch and when to call it
 * again, and is told what became ready.  Nothing here waits.
 *
 * It has to be allowed to keep more connections than may be in use: else it
 * looks for the oldest idle one and closes it after every answer, and opens
 * another for the next request there.  One handle for all hosts means one
 * bound for the connections that are idle, and with what forget_connection()
 * does it is as fast as many handles.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "compat.h"
#include "http/deadlines.h"
#include "http/multi.h"

/* Set an option of the multi interface. */
#define SET(option, value) \
	(curl_multi_setopt(multi->handle, option, value) == CURLM_OK)

/* In use and idle. */
#define MAX_CONNECTIONS(transfers) (2L * (transfers))

/* Looking up names: a share of these must not keep the others waiting. */
#define MAX_RESOLVERS(transfers) (4L * (transfers))

static bool allow_resolvers(Multi *multi);
static void clean_up(Multi *multi);
static void forget_connection(const Multi *multi, CURL *easy);
static int	on_socket(CURL *easy, curl_socket_t fd, int what, void *arg,
					  void *unused);
static int	on_timer(CURLM *handle, long timeout_ms, void *arg);

/* Make one. */
const char *
pgnet_multi_init(Multi *multi, Sockets *sockets, int max_transfers)
{
	*multi = (Multi) {
		.sockets = sockets,
		.handle = curl_multi_init(),
		.no_connections = curl_share_init(),
		.max_transfers = max_transfers,
		.deadline_us = PGNET_NO_DEADLINE,
	};
	if (multi->handle == NULL || multi->no_connections == NULL)
	{
		clean_up(multi);
		return "out of memory";
	}
	if (curl_share_setopt(multi->no_connections, CURLSHOPT_SHARE,
						  CURL_LOCK_DATA_CONNECT) == CURLSHE_OK &&
		SET(CURLMOPT_SOCKETFUNCTION, on_socket) &&
		SET(CURLMOPT_SOCKETDATA, multi) &&
		SET(CURLMOPT_TIMERFUNCTION, on_timer) &&
		SET(CURLMOPT_TIMERDATA, multi) &&
		SET(CURLMOPT_MAXCONNECTS, MAX_CONNECTIONS(max_transfers)) &&
		allow_resolvers(multi))
		return NULL;
	return "libcurl refused an option of its multi interface";
}

/* Keep connections for another number of transfers. */
void
pgnet_multi_set_max_transfers(Multi *multi, int max_transfers)
{
	multi->max_transfers = max_transfers;
	(void) SET(CURLMOPT_MAXCONNECTS, MAX_CONNECTIONS(max_transfers));
	(void) allow_resolvers(multi);
}

/* Close what is idle, if all is: libcurl has no call for that. */
void
pgnet_multi_renew(Multi *multi)
{
	bool		limited = multi->limited;

	if (!multi->used || multi->transfers > 0)
		return;
	clean_up(multi);
	(void) pgnet_multi_init(multi, multi->sockets, multi->max_transfers);
	multi->limited = limited;
}

void
pgnet_multi_limit_connections(Multi *multi, bool limit)
{
	if (limit)
		pgnet_multi_renew(multi);
	multi->limited = limit;
	(void) SET(CURLMOPT_MAX_TOTAL_CONNECTIONS,
			   limit ? (long) multi->transfers : 0L);
}

/*
 * If connections are limited, libcurl may have as many as there are transfers:
 * before it opens another it closes one that is idle (lib/url.c,
 * create_conn()), and there always is one then.
 */
bool
pgnet_multi_add(Multi *multi, CURL *easy)
{
	/* pgnet_multi_renew() may have found no memory */
	if (multi->handle == NULL &&
		pgnet_multi_init(multi, multi->sockets, multi->max_transfers) != NULL)
		return false;
	if (curl_multi_add_handle(multi->handle, easy) != CURLM_OK)
		return false;
	multi->transfers++;
	multi->used = true;
	if (multi->limited)
		(void) SET(CURLMOPT_MAX_TOTAL_CONNECTIONS, (long) multi->transfers);
	return true;
}

/* A socket is ready. */
void
pgnet_multi_socket_ready(Multi *multi, const SocketEvent *event)
{
	int			running;

	(void) curl_multi_socket_action(multi->handle, event->fd, event->ready,
									&running);
	multi->touched = true;
}

/* Run the timer if it is due. */
bool
pgnet_multi_run_timer(Multi *multi)
{
	int			running;

	if (multi->deadline_us == PGNET_NO_DEADLINE ||
		multi->deadline_us > pgnet_monotonic_us())
		return false;
	/* libcurl sets the next one through on_timer(), or none */
	multi->deadline_us = PGNET_NO_DEADLINE;
	(void) curl_multi_socket_action(multi->handle, CURL_SOCKET_TIMEOUT, 0,
									&running);
	multi->touched = true;
	return true;
}

/* Take a finished transfer. */
CURL *
pgnet_multi_reap(Multi *multi, CURLcode *result)
{
	CURLMsg    *message;
	int			left;

	multi->touched = false;
	while ((message = curl_multi_info_read(multi->handle, &left)) != NULL)
	{
		CURL	   *easy = message->easy_handle;

		if (message->msg != CURLMSG_DONE)
			continue;
		/* removing the handle ends the life of the message */
		*result = message->data.result;
		forget_connection(multi, easy);
		pgnet_multi_remove(multi, easy);
		return easy;
	}
	return NULL;
}

/* Take a transfer back that has not finished. */
void
pgnet_multi_remove(Multi *multi, CURL *easy)
{
	(void) curl_multi_remove_handle(multi->handle, easy);
	multi->transfers--;
}

/* When is the timer due? */
long
pgnet_multi_due_ms(const Multi *multi)
{
	int64		now_us;

	if (multi->deadline_us == PGNET_NO_DEADLINE)
		return -1;
	now_us = pgnet_monotonic_us();
	if (multi->deadline_us <= now_us)
		return 0;
	return (long) ((multi->deadline_us - now_us + 999) / 1000);
}

/*
 * Where libcurl has a pool of threads for look-ups: make it large enough for
 * many that hang, and do not wait for them in the end.
 */
static bool
allow_resolvers(Multi *multi)
{
#ifdef PGNET_CURL_RESOLVER_POOL
	return SET(CURLMOPT_RESOLVE_THREADS_MAX,
			   MAX_RESOLVERS(multi->max_transfers)) &&
		SET(CURLMOPT_QUICK_EXIT, 1L);
#else
	(void) multi;
	return true;
#endif
}

/* Free what libcurl holds. */
static void
clean_up(Multi *multi)
{
	(void) curl_multi_cleanup(multi->handle);
	(void) curl_share_cleanup(multi->no_connections);
	multi->handle = NULL;
	multi->no_connections = NULL;
}

/*
 * Let a finished transfer forget its connection.  Else libcurl looks for it
 * among all connections when it takes the transfer back, to close it if it was
 * for CURLOPT_CONNECT_ONLY (lib/multi.c, close_connect_only()), which with
 * thousands takes longer than all the rest.  What makes it forget is to be
 * asked for a connection that is not there (lib/connect.c,
 * Curl_getconnectinfo()), as in a share that has none.
 */
static void
forget_connection(const Multi *multi, CURL *easy)
{
	curl_socket_t unused;

	if (curl_easy_setopt(easy, CURLOPT_SHARE, multi->no_connections) !=
		CURLE_OK)
		return;
	(void) curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &unused);
	(void) curl_easy_setopt(easy, CURLOPT_SHARE, NULL);
}

/* CURLMOPT_SOCKETFUNCTION */
static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	Multi	   *multi = arg;

	(void) easy;
	(void) unused;
	pgnet_sockets_watch(multi->sockets, fd, what);
	return 0;
}

/* CURLMOPT_TIMERFUNCTION */
static int
on_timer(CURLM *handle, long timeout_ms, void *arg)
{
	Multi	   *multi = arg;

	(void) handle;
	if (timeout_ms < 0)
		multi->deadline_us = PGNET_NO_DEADLINE;
	else
		multi->deadline_us = pgnet_monotonic_us() + (int64) timeout_ms * 1000;
	return 0;
}
