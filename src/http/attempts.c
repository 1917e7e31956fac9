/*
 * attempts.c -- attempts to connect that libcurl has to be reminded of.
 *
 * Runs in: workers.
 *
 * When the attempt to connect to one address of a host fails, or has had its
 * part of the time, libcurl 7.88 closes the socket and prepares the attempt at
 * the next address.  It makes that when it is called for the transfer the next
 * time (lib/connect.c, is_connected()), but has set no timer, and there is no
 * socket that could become ready.  So we look for transfers whose socket was
 * closed, and see to it that libcurl is called.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "http/attempts.h"

/* Start with none. */
void
pgnet_attempts_init(Attempts *attempts, Sockets *sockets)
{
	*attempts = (Attempts) {.sockets = sockets};
	dlist_init(&attempts->list);
}

/* Keep the socket's number, to know it from one that gets its descriptor. */
void
pgnet_attempt_begin(Attempts *attempts, Attempt *attempt, CURL *easy,
					curl_socket_t fd)
{
	if (fd == CURL_SOCKET_BAD)
		return;
	if (!attempt->under_way)
		dlist_push_tail(&attempts->list, &attempt->node);
	attempt->under_way = true;
	attempt->easy = easy;
	attempt->fd = fd;
	attempt->number = pgnet_sockets_number(attempts->sockets, fd);
}

/* Forget it. */
void
pgnet_attempt_end(Attempt *attempt)
{
	if (attempt->under_way)
		dlist_delete(&attempt->node);
	attempt->under_way = false;
}

/*
 * Remind libcurl.  A transfer that goes on after a pause is one it is to be
 * called for at once (lib/easy.c, curl_easy_pause()).
 */
int
pgnet_attempts_go_on(Attempts *attempts)
{
	dlist_mutable_iter iter;
	int			count = 0;

	if (!pgnet_sockets_were_closed(attempts->sockets))
		return 0;
	dlist_foreach_modify(iter, &attempts->list)
	{
		Attempt    *attempt = dlist_container(Attempt, node, iter.cur);

		if (pgnet_sockets_number(attempts->sockets, attempt->fd) ==
			attempt->number)
			continue;
		pgnet_attempt_end(attempt);
		(void) curl_easy_pause(attempt->easy, CURLPAUSE_ALL);
		(void) curl_easy_pause(attempt->easy, CURLPAUSE_CONT);
		count++;
	}
	return count;
}
