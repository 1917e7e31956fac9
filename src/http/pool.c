/*
 * pool.c -- connections that are kept, and who may use which.
 *
 * Runs in: workers.
 *
 * Connections with the same key of a route are kept at one origin.  As long as
 * it is not known whether a server speaks HTTP/2, where one connection is
 * enough, borrowers wait for the first one there.
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "http/pool.h"

/* Who has the same key. */
struct Origin
{
	dlist_node	node;			/* in its bucket */
	Pool	   *pool;
	dlist_head	idle;			/* of HTTP/1.1, the one used last first */
	dlist_head	shared;			/* connections of HTTP/2 */
	int			nconnections;	/* in both, and in use */
	dlist_head	waiting;		/* borrowers without a dial, in order */
	int			ndials;
	int			busy;			/* its own code is running, so deep */
	bool		speaks_http1;	/* that is known */
	size_t		key_length;
	char		key[FLEXIBLE_ARRAY_MEMBER];
};

static Origin *find_origin(Pool *pool, const Route *route);
static Origin *make_origin(Pool *pool, const Route *route, dlist_head *bucket);
static void forget_origin(Origin *origin);
static Connection *find_connection(Pool *pool, Origin *origin);
static Connection *find_shared(const Origin *origin);
static bool may_be_used(const Pool *pool, Connection *connection);
static bool waits_for_dial(const Origin *origin, const Borrower *borrower);
static void wait_at(Origin *origin, Borrower *borrower);
static void leave_origin(Borrower *borrower);
static void start_dial(Origin *origin, Borrower *borrower);
static void dial_done(Dial *dial, void *arg);
static Connection *take_over(Origin *origin, DialResult *dialed);
static void serve_waiting(Origin *origin);
static void connection_changed(Connection *connection, void *arg);
static void settle(Connection *connection);
static void keep_idle(Connection *connection);
static void use(Connection *connection);
static void close_connection(Connection *connection);
static void make_room(Pool *pool);
static bool close_longest_idle(void *arg);
static void close_too_old(Timer *timer);
static void set_timer(Pool *pool);
static void hand_out(Borrower *borrower, Connection *connection,
					 const DialResult *dialed);

void
pgnet_pool_init(Pool *pool, int max_open)
{
	pool->max_open = max_open;
	pool->nopen = 0;
	dlist_init(&pool->idle);
	dlist_init(&pool->open);
	for (int i = 0; i < PGNET_POOL_BUCKETS; i++)
		dlist_init(&pool->origins[i]);
	pool->timer = (Timer) {.due = close_too_old};
	pool->dials.spare = close_longest_idle;
	pool->dials.spare_arg = pool;
	pool->connections.changed = connection_changed;
	pool->connections.arg = pool;
	pgnet_dials_init(&pool->dials);
	pgnet_connections_init(&pool->connections);
}

void
pgnet_pool_set_max_open(Pool *pool, int max_open)
{
	pool->max_open = max_open;
	make_room(pool);
}

void
pgnet_pool_borrow(Pool *pool, Borrower *borrower)
{
	Origin	   *origin = find_origin(pool, borrower->route);
	Connection *connection;

	borrower->origin = NULL;
	borrower->dial = NULL;
	borrower->took_over = false;
	if (origin == NULL)
	{
		borrower->ready(borrower, NULL, NULL);
		return;
	}
	connection = borrower->fresh ? find_shared(origin) :
								   find_connection(pool, origin);
	if (connection != NULL)
		hand_out(borrower, connection, NULL);
	else if (waits_for_dial(origin, borrower))
		wait_at(origin, borrower);
	else
		start_dial(origin, borrower);
}

/*
 * A dial that others wait for goes on for them; but once only: what has taken
 * so long may never end, as when the other machine is gone.
 */
void
pgnet_pool_leave(Pool *pool, Borrower *borrower)
{
	Origin	   *origin = borrower->origin;
	Dial	   *dial = borrower->dial;

	(void) pool;
	if (origin == NULL)
		return;
	leave_origin(borrower);
	if (dial != NULL && !borrower->took_over && origin->ndials == 1 &&
		!origin->speaks_http1 && !dlist_is_empty(&origin->waiting))
	{
		Borrower   *next = dlist_head_element(Borrower, node,
											  &origin->waiting);

		dlist_delete(&next->node);
		next->dial = dial;
		next->took_over = true;
		pgnet_dial_hand_over(dial, next->route, next->holder, next);
	}
	else if (dial != NULL)
	{
		origin->ndials--;
		pgnet_dial_free(dial);
		serve_waiting(origin);
	}
	forget_origin(origin);
}

void
pgnet_pool_close_idle(Pool *pool)
{
	while (close_longest_idle(pool))
		;
}

/* Those in use are closed when their last exchange is over. */
void
pgnet_pool_retire_denied(Pool *pool)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &pool->open)
	{
		Connection *connection = dlist_container(Connection, open_node,
												 iter.cur);

		if (!pgnet_address_is_in(&connection->peer,
								 pool->dials.denied_networks))
			continue;
		pgnet_connection_retire(connection);
		if (pgnet_connection_is_idle(connection))
			close_connection(connection);
	}
}

const DialResult *
pgnet_borrower_dial(const Borrower *borrower)
{
	return borrower->dial ? pgnet_dial_result(borrower->dial) : NULL;
}

/* The origin of a route, which is made if need be; NULL: no memory. */
static Origin *
find_origin(Pool *pool, const Route *route)
{
	uint32		hash = hash_bytes((const unsigned char *) route->key,
								  (int) route->key_length);
	dlist_head *bucket = &pool->origins[hash % PGNET_POOL_BUCKETS];
	dlist_iter	iter;

	dlist_foreach(iter, bucket)
	{
		Origin	   *origin = dlist_container(Origin, node, iter.cur);

		if (origin->key_length == route->key_length &&
			memcmp(origin->key, route->key, route->key_length) == 0)
			return origin;
	}
	return make_origin(pool, route, bucket);
}

/* A new one. */
static Origin *
make_origin(Pool *pool, const Route *route, dlist_head *bucket)
{
	Origin	   *origin = calloc(1, offsetof(Origin, key) + route->key_length);

	if (origin == NULL)
		return NULL;
	origin->pool = pool;
	origin->key_length = route->key_length;
	memcpy(origin->key, route->key, route->key_length);
	dlist_init(&origin->idle);
	dlist_init(&origin->shared);
	dlist_init(&origin->waiting);
	dlist_push_head(bucket, &origin->node);
	return origin;
}

/* Free one that has nothing any more. */
static void
forget_origin(Origin *origin)
{
	if (origin->busy > 0 || origin->nconnections > 0 || origin->ndials > 0 ||
		!dlist_is_empty(&origin->waiting))
		return;
	dlist_delete(&origin->node);
	free(origin);
}

/* One that is there and has room; NULL: there is none. */
static Connection *
find_connection(Pool *pool, Origin *origin)
{
	Connection *connection = find_shared(origin);

	if (connection != NULL)
		return connection;
	while (!dlist_is_empty(&origin->idle))
	{
		connection = dlist_head_element(Connection, node, &origin->idle);
		if (may_be_used(pool, connection))
			return connection;
		origin->busy++;
		close_connection(connection);
		origin->busy--;
	}
	return NULL;
}

/* The same of HTTP/2. */
static Connection *
find_shared(const Origin *origin)
{
	dlist_iter	iter;

	dlist_foreach(iter, unconstify(dlist_head *, &origin->shared))
	{
		Connection *connection = dlist_container(Connection, node, iter.cur);

		if (pgnet_connection_has_room(connection))
			return connection;
	}
	return NULL;
}

/*
 * May one that is idle be used?  If anything had come, the poller would have
 * told: if it has looked since, and everybody has heard of what it found.
 */
static bool
may_be_used(const Pool *pool, Connection *connection)
{
	const Poller *poller = pool->dials.poller;

	return pgnet_connection_has_room(connection) &&
		((poller->complete &&
		  poller->nlooks > connection->idle_since_look) ||
		 pgnet_connection_is_quiet(connection));
}

/* Should it wait for the connection that another has dialled? */
static bool
waits_for_dial(const Origin *origin, const Borrower *borrower)
{
	return borrower->route->tls.offers_http2 && borrower->route->url->https &&
		!origin->speaks_http1 && origin->ndials > 0;
}

/* Have it wait. */
static void
wait_at(Origin *origin, Borrower *borrower)
{
	borrower->origin = origin;
	dlist_push_tail(&origin->waiting, &borrower->node);
}

/* It waits no more, whether for its own dial or not. */
static void
leave_origin(Borrower *borrower)
{
	if (borrower->dial == NULL)
		dlist_delete(&borrower->node);
	borrower->origin = NULL;
	borrower->dial = NULL;
}

/* Make a connection for a borrower that waits nowhere. */
static void
start_dial(Origin *origin, Borrower *borrower)
{
	borrower->dial = pgnet_dial_start(&origin->pool->dials, borrower->route,
									  borrower->holder, dial_done, borrower);
	if (borrower->dial == NULL)
	{
		borrower->ready(borrower, NULL, NULL);
		forget_origin(origin);
		return;
	}
	borrower->origin = origin;
	origin->ndials++;
}

/* DialDone: there is a connection, or none. */
static void
dial_done(Dial *dial, void *arg)
{
	Borrower   *borrower = arg;
	Origin	   *origin = borrower->origin;
	DialResult *dialed = pgnet_dial_result(dial);
	Connection *connection = NULL;

	origin->busy++;
	origin->ndials--;
	leave_origin(borrower);
	if (dialed->phase == PGNET_DIAL_READY)
	{
		origin->speaks_http1 = !dialed->http2;
		connection = take_over(origin, dialed);
		make_room(origin->pool);
	}
	if (connection != NULL)
		hand_out(borrower, connection, dialed);
	else
		borrower->ready(borrower, NULL, dialed);
	pgnet_dial_free(dial);
	serve_waiting(origin);
	origin->busy--;
	forget_origin(origin);
}

/* Make what was dialled a connection; NULL, with an error, when that fails. */
static Connection *
take_over(Origin *origin, DialResult *dialed)
{
	Pool	   *pool = origin->pool;
	Connection *connection =
		pgnet_connection_create(&pool->connections, dialed->stream, dialed->fd,
								dialed->http2, &dialed->peer);

	if (connection == NULL)
	{
		dialed->failed_phase = PGNET_DIAL_READY;
		dialed->shortage = PGNET_SHORT_OF_MEMORY;
		pgnet_error_set(&dialed->error, PGNET_PROBLEM_MEMORY, "out of memory");
		dialed->error.system_errno = ENOMEM;
		return NULL;
	}
	dialed->stream = NULL;
	connection->keeper = origin;
	origin->nconnections++;
	pool->nopen++;
	dlist_push_tail(&pool->open, &connection->open_node);
	if (dialed->http2)
	{
		dlist_push_tail(&origin->shared, &connection->node);
		connection->listed = true;
	}
	return connection;
}

/* Let those that wait go on, with what there is or a dial of their own. */
static void
serve_waiting(Origin *origin)
{
	origin->busy++;
	while (!dlist_is_empty(&origin->waiting))
	{
		Borrower   *borrower = dlist_head_element(Borrower, node,
												  &origin->waiting);
		Connection *connection = find_connection(origin->pool, origin);

		if (connection == NULL && origin->ndials > 0 && !origin->speaks_http1)
			break;
		leave_origin(borrower);
		if (connection != NULL)
			hand_out(borrower, connection, NULL);
		else
			start_dial(origin, borrower);
	}
	origin->busy--;
}

/* changed of Connections: it has room, or is of no use any more. */
static void
connection_changed(Connection *connection, void *arg)
{
	Origin	   *origin = connection->keeper;

	(void) arg;
	if (connection->closing)
		return;
	origin->busy++;
	settle(connection);
	serve_waiting(origin);
	origin->busy--;
	forget_origin(origin);
}

/* Keep an idle connection, and close one that is of no use any more. */
static void
settle(Connection *connection)
{
	bool		idle = pgnet_connection_is_idle(connection);

	if (pgnet_connection_is_usable(connection))
	{
		/* it may be closed at once */
		if (idle && !connection->idle)
			keep_idle(connection);
		return;
	}
	use(connection);
	if (connection->listed)
		dlist_delete(&connection->node);
	connection->listed = false;
	if (idle)
		close_connection(connection);
}

/* Keep it for others, if need be at the cost of the one longest idle. */
static void
keep_idle(Connection *connection)
{
	Origin	   *origin = connection->keeper;
	Pool	   *pool = origin->pool;

	connection->idle = true;
	connection->idle_since_us = pgnet_timers_clock_us(pool->dials.timers);
	connection->idle_since_look = pool->dials.poller->nlooks;
	dlist_push_tail(&pool->idle, &connection->idle_node);
	if (!connection->listed)
		dlist_push_head(&origin->idle, &connection->node);
	connection->listed = true;
	set_timer(pool);
	make_room(pool);
}

/* It is not idle any more. */
static void
use(Connection *connection)
{
	if (!connection->idle)
		return;
	connection->idle = false;
	dlist_delete(&connection->idle_node);
	if (connection->http2)
		return;
	dlist_delete(&connection->node);
	connection->listed = false;
}

/* Close one, and forget it. */
static void
close_connection(Connection *connection)
{
	Origin	   *origin = connection->keeper;

	use(connection);
	if (connection->listed)
		dlist_delete(&connection->node);
	connection->listed = false;
	dlist_delete(&connection->open_node);
	origin->nconnections--;
	origin->pool->nopen--;
	pgnet_connection_close(connection);
	forget_origin(origin);
}

/* Close those longest idle if there are too many in all. */
static void
make_room(Pool *pool)
{
	while (pool->nopen > pool->max_open && close_longest_idle(pool))
		;
}

/* spare of DialOptions. */
static bool
close_longest_idle(void *arg)
{
	Pool	   *pool = arg;

	if (dlist_is_empty(&pool->idle))
		return false;
	close_connection(dlist_head_element(Connection, idle_node, &pool->idle));
	return true;
}

/* TimerDue: some have been idle too long. */
static void
close_too_old(Timer *timer)
{
	Pool	   *pool = (Pool *) ((char *) timer - offsetof(Pool, timer));
	int64		since_us = pgnet_timers_clock_us(pool->dials.timers) -
		PGNET_KEPT_IDLE_US;

	while (!dlist_is_empty(&pool->idle) &&
		   dlist_head_element(Connection, idle_node,
							  &pool->idle)
				   ->idle_since_us <= since_us)
		(void) close_longest_idle(pool);
	set_timer(pool);
}

/* Look again when the first has been idle too long. */
static void
set_timer(Pool *pool)
{
	if (pool->timer.set || dlist_is_empty(&pool->idle))
		return;
	pgnet_timer_set_at(pool->dials.timers, &pool->timer,
					   dlist_head_element(Connection, idle_node,
										  &pool->idle)
							   ->idle_since_us +
						   PGNET_KEPT_IDLE_US);
}

/* Give a connection to a borrower; if it does not want it, keep it. */
static void
hand_out(Borrower *borrower, Connection *connection, const DialResult *dialed)
{
	Origin	   *origin = connection->keeper;

	origin->busy++;
	use(connection);
	borrower->ready(borrower, connection, dialed);
	if (pgnet_connection_is_idle(connection) && !connection->idle)
		settle(connection);
	origin->busy--;
	forget_origin(origin);
}
