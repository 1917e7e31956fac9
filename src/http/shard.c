/*
 * shard.c -- one libcurl multi handle, with its timer.
 *
 * Runs in: workers.
 *
 * libcurl tells through callbacks which sockets to watch and when to call it
 * again, and is told what became ready.  A shard never waits.
 */
#include "postgres.h"

#include <curl/curl.h>
#include <time.h>

#include "http/shard.h"

/* Set an option of the multi interface. */
#define SET(option, value) \
	(curl_multi_setopt(shard->multi, option, value) == CURLM_OK)

static int	on_socket(CURL *easy, curl_socket_t fd, int what, void *shard,
					  void *unused);
static int	on_timer(CURLM *multi, long timeout_ms, void *shard);

/* Make a shard. */
const char *
pgnet_shard_init(EngineShard *shard, Sockets *sockets, int index,
				 int max_connections)
{
	*shard = (EngineShard) {
		.sockets = sockets,
		.index = index,
		.multi = curl_multi_init(),
		.max_connections = max_connections,
		.deadline_us = PGNET_NO_DEADLINE,
	};
	if (shard->multi == NULL)
		return "out of memory";
	if (SET(CURLMOPT_SOCKETFUNCTION, on_socket) &&
		SET(CURLMOPT_SOCKETDATA, shard) &&
		SET(CURLMOPT_TIMERFUNCTION, on_timer) &&
		SET(CURLMOPT_TIMERDATA, shard) &&
		SET(CURLMOPT_MAXCONNECTS, (long) max_connections))
		return NULL;
	return "libcurl refused an option of its multi interface";
}

/* Keep another number of connections. */
void
pgnet_shard_set_max_connections(EngineShard *shard, int max_connections)
{
	shard->max_connections = max_connections;
	(void) SET(CURLMOPT_MAXCONNECTS, (long) max_connections);
}

/* Be frugal, or not. */
void
pgnet_shard_set_frugal(EngineShard *shard, bool frugal)
{
	shard->frugal = frugal;
	(void) SET(CURLMOPT_MAX_TOTAL_CONNECTIONS,
			   frugal ? (long) shard->transfers : 0L);
}

/* libcurl has no other call that closes what is idle. */
void
pgnet_shard_close_idle(EngineShard *shard)
{
	if (!shard->used || shard->transfers > 0)
		return;
	(void) curl_multi_cleanup(shard->multi);
	(void) pgnet_shard_init(shard, shard->sockets, shard->index,
							shard->max_connections);
}

/*
 * Give it a transfer.  If that is frugal, libcurl has to do with as many
 * connections as there are transfers: before it opens one too many it closes
 * one that is idle (lib/url.c, create_conn()), and there always is one then.
 */
bool
pgnet_shard_add(EngineShard *shard, CURL *easy)
{
	/* pgnet_shard_close_idle() may have found no memory */
	if (shard->multi == NULL &&
		pgnet_shard_init(shard, shard->sockets, shard->index,
						 shard->max_connections) != NULL)
		return false;
	if (curl_multi_add_handle(shard->multi, easy) != CURLM_OK)
		return false;
	shard->transfers++;
	shard->used = true;
	if (shard->frugal)
		(void) SET(CURLMOPT_MAX_TOTAL_CONNECTIONS, (long) shard->transfers);
	return true;
}

/* A socket is ready. */
void
pgnet_shard_socket_ready(EngineShard *shard, const SocketEvent *event)
{
	int			running;

	(void) curl_multi_socket_action(shard->multi, event->fd, event->ready,
									&running);
	shard->touched = true;
}

/* Run the timer if it is due. */
bool
pgnet_shard_run_timer(EngineShard *shard, int64 now_us)
{
	int			running;

	if (shard->deadline_us > now_us)
		return false;
	/* libcurl sets the next one through on_timer(), or none */
	shard->deadline_us = PGNET_NO_DEADLINE;
	(void) curl_multi_socket_action(shard->multi, CURL_SOCKET_TIMEOUT, 0,
									&running);
	shard->touched = true;
	return true;
}

/* Take a finished transfer. */
CURL *
pgnet_shard_reap(EngineShard *shard, CURLcode *result)
{
	CURLMsg    *message;
	int			left;

	shard->touched = false;
	while ((message = curl_multi_info_read(shard->multi, &left)) != NULL)
	{
		CURL	   *easy = message->easy_handle;

		if (message->msg != CURLMSG_DONE)
			continue;
		/* removing the handle ends the life of the message */
		*result = message->data.result;
		(void) curl_multi_remove_handle(shard->multi, easy);
		shard->transfers--;
		return easy;
	}
	return NULL;
}

/* What time it is. */
int64
pgnet_shard_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* CURLMOPT_SOCKETFUNCTION */
static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	EngineShard *shard = arg;

	(void) easy;
	(void) unused;
	pgnet_sockets_watch(shard->sockets, fd, what, shard->index);
	return 0;
}

/* CURLMOPT_TIMERFUNCTION */
static int
on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	EngineShard *shard = arg;

	(void) multi;
	if (timeout_ms < 0)
		shard->deadline_us = PGNET_NO_DEADLINE;
	else
		shard->deadline_us = pgnet_shard_now() + (int64) timeout_ms * 1000;
	return 0;
}
