/*
 * turn.c -- the turn of a role: calling its functions.
 *
 * Runs in: the process of the callbacks.
 *
 * One transaction locks a row, calls the function, and says in the row that it
 * was called.  So what the function does in the database is done once.  An
 * error rolls all of that back; that it failed is then said in a transaction of
 * its own.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/sinval.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "backoff.h"
#include "callbacks/call_mark.h"
#include "callbacks/pausing.h"
#include "callbacks/turn.h"
#include "clock.h"
#include "compat.h"
#include "settings.h"
#include "shared/call_tries.h"
#include "shared/callback_state.h"
#include "shared/inbox.h"
#include "shared/launcher_state.h"
#include "shared/pauses.h"
#include "shared/stats.h"
#include "tables/callbacks/call.h"
#include "tables/callbacks/waiting_calls.h"
#include "tables/catalog.h"
#include "tables/transaction.h"
#include "text/convert.h"

/* How long a turn is while others wait. */
#define TURN_MS 1000

/* When to look again for rows that somebody holds locked, at the latest. */
#define LOCKED_MS 200

/* How long the process stays when nothing waits: to start one takes time. */
#define IDLE_MS 5000

/* A call that was canceled has so long until its process is ended. */
#define END_AFTER_CANCEL_MS 5000

/* If it is still there so long after, others do without it. */
#define STUCK_AFTER_END_MS 2000

/* How long it may take to say in the row what became of the call. */
#define SAY_SECONDS 10

/* So much of an error is written down: a function can raise any. */
#define MAX_ERROR_CHARACTERS 1000

/*
 * How often a call is tried that fails for others, with SQLSTATE class 40, and
 * the least pauses between.  A random part is added, as long at most.
 */
#define MAX_TRIES 3
static const int pauses_ms[MAX_TRIES - 1] = {50, 200};

/* What came of looking for a row to call a function with. */
typedef enum CallResult
{
	CALL_NONE,					/* there was none */
	CALL_DONE,					/* one was called with, given up, postponed */
	CALL_AGAIN					/* it is to be tried again */
} CallResult;

typedef struct Turn
{
	DatabaseState *database;
	Oid			role;
	TimestampTz since;			/* by pgnet_clock_now() */
	TimestampTz idle_since;		/* likewise; 0: it is not */
	MemoryContext call_context;
	int64		after;			/* the last id */
	bool		with_deaths;	/* these rows come last */
	int			npostponed;		/* rows that are not to be tried yet */
	long		rest_ms;		/* when to look again for what there is not */
	int64		charged_id;		/* a row with this call's death written down */
	int64		spared_id;		/* a row whose last death was others' doing */
	bool		called_any;		/* in this process */
	bool		given_up;		/* it was taken for stuck, but is not */
	bool		expired;		/* a row that was called with was due to go */
	Backoff		backoff;

	/* of the current call */
	WaitingCall call;
	CallResult	result;
	bool		called;			/* the function was entered */
	bool		returned;		/* and left */
	TimestampTz called_at;
	const char *failure;		/* is to be written */

	Pausing		pausing;		/* of the endpoint that is to be paused */

	Oid			next_role;		/* whose turn is next; before, after whom */
	bool		next_role_found;
} Turn;

/* What is done in a transaction of its own. */
typedef void (*TurnWork) (Turn *turn);

static volatile sig_atomic_t calling = false;
static TimeoutId end_timeout;

static void begin_turn(Turn *turn, DatabaseState *database, Oid role);
static bool goes_on(const Turn *turn);
static TimestampTz end_of_turn(const Turn *turn);
static bool let_others(Turn *turn, CallResult result);
static bool leave(Turn *turn);
static bool role_exists(Oid role);
static CallResult call_next(Turn *turn);
static void try_call(Turn *turn);
static bool lock_next(Turn *turn);
static bool must_write_down(Turn *turn);
static void enter_function(Turn *turn);
static bool pause_next(Turn *turn);
static void try_pause(Turn *turn);
static void begin_bounded(Turn *turn, const char *what);
static void end_bounded(void);
static Oid	owner_to_pause(const Turn *turn, bool now);
static TimestampTz stuck_at(int timeout_ms);
static void describe_call(void *turn);
static CallResult deal_with_error(Turn *turn, const ErrorData *error);
static bool postpone(Turn *turn);
static void take_back_death(Turn *turn);
static bool is_class_40(const ErrorData *error);
static char *explain(const Turn *turn, const ErrorData *error);
static char *cut(const char *text);
static void end_process(void);
static ErrorData *run(Turn *turn, TurnWork work);
static void prepare(Turn *turn);
static void spare_call(Turn *turn);
static void write_failure(Turn *turn);
static bool find_next_role(Turn *turn);
static void look_for_role(Turn *turn);
static bool can_be_next(const Turn *turn);
static void have_expired(Turn *turn);
static void wait_for_news(Turn *turn, long timeout_ms);
static void handle_interrupts(void);

void
pgnet_turn_run(DatabaseState *database, Oid role)
{
	Turn		turn;
	bool		over = false;

	begin_turn(&turn, database, role);
	while (!over && goes_on(&turn))
	{
		CallResult	result = CALL_NONE;

		pgnet_callbacks_take(database);
		if (OidIsValid(role) && !pgnet_callbacks_are_stuck(database, role))
			result = pause_next(&turn) ? CALL_DONE : call_next(&turn);
		if (result == CALL_DONE)
			turn.idle_since = 0;
		if (!turn.given_up &&
			(result == CALL_NONE ||
			 (result == CALL_DONE &&
			  pgnet_clock_now() >= end_of_turn(&turn))))
			over = let_others(&turn, result);
	}
	if (!over && !turn.given_up)
		pgnet_callbacks_hand_over(database, role);
	have_expired(&turn);
}

/* When others have their turn, if there are any. */
static TimestampTz
end_of_turn(const Turn *turn)
{
	return TimestampTzPlusMilliseconds(turn->since, TURN_MS);
}

/*
 * The turn is over, or there is nothing to do.  Hand over if others wait, or
 * wait for more; true: the process is to end.
 */
static bool
let_others(Turn *turn, CallResult result)
{
	TimestampTz now = pgnet_clock_now();
	bool		begins = turn->idle_since == 0;
	bool		waits = find_next_role(turn);

	if (result == CALL_NONE && begins)
		turn->idle_since = now;
	if (waits && turn->next_role != turn->role)
	{
		/* its rows cannot be had: not from process to process in a circle */
		if (result == CALL_NONE && begins && !turn->called_any &&
			OidIsValid(turn->role))
		{
			wait_for_news(turn, turn->rest_ms);
			return false;
		}
		pgnet_callbacks_hand_over(turn->database, turn->next_role);
		return true;
	}
	turn->since = now;
	if (result == CALL_DONE)
		return false;
	if (waits)
		wait_for_news(turn, turn->rest_ms);
	else if (!OidIsValid(turn->role) ||
			 now >= TimestampTzPlusMilliseconds(turn->idle_since, IDLE_MS))
		return leave(turn);
	else
		wait_for_news(turn, IDLE_MS);
	return false;
}

/* Nothing has waited for a while: leave, unless there is something by now. */
static bool
leave(Turn *turn)
{
	if (pgnet_callbacks_have_news(turn->database))
		return false;
	pgnet_callbacks_set_clean_exit(turn->database);
	return true;
}

bool
pgnet_turn_is_calling(void)
{
	return calling;
}

/* Settings, and the user: an error here ends the process. */
static void
begin_turn(Turn *turn, DatabaseState *database, Oid role)
{
	ErrorData  *error;

	*turn = (Turn) {
		.database = database,
		.role = role,
		.since = pgnet_clock_now(),
		.after = PG_INT64_MIN,
		.rest_ms = LOCKED_MS,
		.charged_id = PG_INT64_MIN
	};
	turn->call_context = AllocSetContextCreate(TopMemoryContext,
											   "pg_net callback",
											   ALLOCSET_DEFAULT_SIZES);
	end_timeout = RegisterTimeout(USER_TIMEOUT, end_process);
	error = run(turn, prepare);
	if (error != NULL)
		ReThrowError(error);
	if (pgnet_call_mark_take(&turn->spared_id))
		(void) run(turn, spare_call);
}

/* TurnWork: set what must not depend on the configuration. */
static void
prepare(Turn *turn)
{
	if (pgnet_catalog_installed())
		pgnet_session_prepare(turn->role);
}

/* TurnWork: others cut off a call whose death was written down. */
static void
spare_call(Turn *turn)
{
	if (pgnet_catalog_installed())
		pgnet_waiting_call_spare(turn->spared_id);
}

/* May it go on, or is it asked to leave? */
static bool
goes_on(const Turn *turn)
{
	handle_interrupts();
	return !turn->given_up && !ShutdownRequestPending &&
		!pgnet_database_snapshot(turn->database).workers_blocked &&
		!pgnet_launcher_is_short();
}

/* Call with the next row, if there is one. */
static CallResult
call_next(Turn *turn)
{
	ErrorData  *error;

	turn->result = CALL_NONE;
	turn->called = turn->returned = false;
	MemoryContextReset(turn->call_context);
	error = run(turn, try_call);
	turn->given_up = !pgnet_callbacks_end_call(turn->database);
	if (error != NULL)
		return deal_with_error(turn, error);
	pgnet_backoff_succeeded(&turn->backoff);
	if (turn->result == CALL_AGAIN)
		pgnet_call_mark_set(turn->charged_id);
	else if (turn->result == CALL_DONE)
		pgnet_call_mark_clear(turn->call.id);
	if (turn->called)
		pgnet_session_discard();
	if (turn->result == CALL_DONE)
	{
		pgnet_call_tries_remove(turn->call.id, turn->call.created);
		/* one that was not called had too many deaths */
		pgnet_stats_count_call(turn->database, turn->called);
	}
	if (turn->result == CALL_NONE &&
		(turn->after != PG_INT64_MIN || !turn->with_deaths))
	{
		/* from the start; then those with deaths, which come last */
		turn->with_deaths = turn->after == PG_INT64_MIN;
		turn->after = PG_INT64_MIN;
		return CALL_AGAIN;
	}
	if (turn->result == CALL_NONE)
		turn->with_deaths = false;
	return turn->result;
}

/* TurnWork: lock a row, call, and say so; in this order. */
static void
try_call(Turn *turn)
{
	WaitingCall *call = &turn->call;

	if (!pgnet_catalog_installed() || !role_exists(turn->role) ||
		!lock_next(turn))
		return;
	turn->result = CALL_DONE;
	if (must_write_down(turn))
		return;
	enter_function(turn);
	pgnet_waiting_call_succeeded(call);
	turn->after = call->id;
	if (call->created < GetCurrentTimestamp() - pgnet_setting_ttl())
		turn->expired = true;
}

/* Lock a row whose function may be called now; false if no row qualifies. */
static bool
lock_next(Turn *turn)
{
	int			npostponed;
	int64	   *postponed;

	turn->rest_ms = LOCKED_MS;
	postponed = pgnet_call_tries_waiting(&npostponed, &turn->rest_ms);
	/* there is one less: it may be the oldest by now */
	if (npostponed < turn->npostponed && !turn->with_deaths)
		turn->after = PG_INT64_MIN;
	turn->npostponed = npostponed;
	return pgnet_waiting_call_lock(turn->role, turn->after, turn->with_deaths,
								   postponed, npostponed, &turn->call);
}

/*
 * After a death of the process each call is written down before, once, so that
 * the next death can be charged to it; and one that is charged with enough is
 * not made.
 */
static bool
must_write_down(Turn *turn)
{
	WaitingCall *call = &turn->call;

	if (call->id == turn->charged_id)
	{
		/* without the death that did not come */
		call->deaths--;
		return false;
	}
	if (call->deaths >= PGNET_MAX_CALLBACK_DEATHS)
	{
		char	   *why = psprintf("the process died in %d calls",
								   call->deaths);

		pgnet_waiting_call_failed(call, why);
		turn->after = call->id;
		return true;
	}
	if (!pgnet_callbacks_are_careful(turn->database, call->created))
		return false;
	pgnet_waiting_call_set_deaths(call, call->deaths + 1);
	turn->charged_id = call->id;
	turn->with_deaths = true;
	turn->after = call->id - 1;
	turn->result = CALL_AGAIN;
	return true;
}

/* Call the function, as its role, for a limited time. */
static void
enter_function(Turn *turn)
{
	ErrorContextCallback context = {
		.previous = error_context_stack,
		.callback = describe_call,
		.arg = turn
	};
	Oid			type;
	Datum		row;

	turn->called = turn->called_any = true;
	row = pgnet_waiting_call_row(&turn->call, &type);
	error_context_stack = &context;
	begin_bounded(turn, turn->call.callback);
	pgnet_function_call(turn->call.callback, row, type);
	turn->returned = true;
	end_bounded();
	error_context_stack = context.previous;
}

/* Code of users runs from here on, for a limited time. */
static void
begin_bounded(Turn *turn, const char *what)
{
	int			timeout_ms = pgnet_setting_callback_timeout;

	turn->called_at = pgnet_clock_now();
	pgstat_report_activity(STATE_RUNNING, what);
	pgnet_callbacks_begin_call(turn->database, stuck_at(timeout_ms));
	calling = true;
	enable_timeout_after(STATEMENT_TIMEOUT, timeout_ms);
	enable_timeout_after(end_timeout, timeout_ms + END_AFTER_CANCEL_MS);
}

static void
end_bounded(void)
{
	disable_timeout(end_timeout, false);
	pgnet_transaction_allow(SAY_SECONDS);
}

/* In the turn of the owner: pause an endpoint, if one is to be paused now. */
static bool
pause_next(Turn *turn)
{
	ErrorData  *error;

	if (turn->role != owner_to_pause(turn, true) ||
		!pgnet_pauses_next(&turn->pausing.pause))
		return false;
	MemoryContextReset(turn->call_context);
	turn->called_any = true;
	error = run(turn, try_pause);
	turn->given_up = !pgnet_callbacks_end_call(turn->database);
	pgnet_session_discard();
	pgnet_pausing_end(&turn->pausing, error);
	return true;
}

/* TurnWork: pause it; triggers of users fire. */
static void
try_pause(Turn *turn)
{
	begin_bounded(turn, "pausing an endpoint");
	pgnet_pausing_try(&turn->pausing);
	end_bounded();
}

/*
 * The owner of the tables, if an endpoint is to be paused, now or at all;
 * otherwise InvalidOid.
 */
static Oid
owner_to_pause(const Turn *turn, bool now)
{
	bool		due;

	if (!pgnet_pauses_exist(&due) || (now && !due))
		return InvalidOid;
	return pgnet_database_snapshot(turn->database).callbacks.owner;
}

/* When a call is not over although its process was to be ended. */
static TimestampTz
stuck_at(int timeout_ms)
{
	return TimestampTzPlusMilliseconds(pgnet_clock_now(),
									   (int64) timeout_ms +
										   END_AFTER_CANCEL_MS +
										   STUCK_AFTER_END_MS);
}

/* ErrorContextCallback */
static void
describe_call(void *arg)
{
	const Turn *turn = arg;

	errcontext("callback %s of response " INT64_FORMAT, turn->call.callback,
			   turn->call.id);
}

/* Timeout: a call goes on although it was canceled. */
static void
end_process(void)
{
	if (calling)
		kill(MyProcPid, SIGTERM);
}

/*
 * The call is rolled back.  Say in the row that it failed, unless it is tried
 * again; what is wrong with our own statements passes, or the tables are gone.
 */
static CallResult
deal_with_error(Turn *turn, const ErrorData *error)
{
	ErrorData  *another;

	if (turn->called && is_class_40(error) && postpone(turn))
		return CALL_DONE;
	if (turn->called &&
		(!turn->returned || is_class_40(error) ||
		 !pgnet_is_transient_error(error->sqlerrcode)))
	{
		turn->failure = explain(turn, error);
		another = run(turn, write_failure);
		pgnet_session_discard();
		if (another == NULL)
		{
			pgnet_call_mark_clear(turn->call.id);
			ereport(LOG,
					errcode(error->sqlerrcode),
					errmsg("callback %s of response " INT64_FORMAT
						   " failed: %s",
						   turn->call.callback, turn->call.id, turn->failure),
					error->context ? errcontext("%s", cut(error->context)) : 0);
			pgnet_stats_count_call(turn->database, false);
			turn->after = turn->call.id;
			pgnet_call_tries_remove(turn->call.id, turn->call.created);
			return CALL_DONE;
		}
		error = another;
	}
	if (turn->backoff.pause_ms == 0)
		ereport(WARNING,
				errcode(error->sqlerrcode),
				errmsg("pg_net could not call back: %s", error->message),
				errdetail("It retries until it succeeds."),
				error->context ? errcontext("%s", error->context) : 0);
	pgnet_backoff_failed(&turn->backoff);
	wait_for_news(turn, turn->backoff.pause_ms);
	return CALL_AGAIN;
}

/*
 * The call failed for what others did at the same time: it waits for another
 * try, and others go first.  False: it had its tries.
 */
static bool
postpone(Turn *turn)
{
	const WaitingCall *call = &turn->call;
	int			tries = pgnet_call_tries_get(call->id, call->created) + 1;
	double		pause;

	if (tries >= MAX_TRIES)
		return false;
	if (call->id == turn->charged_id)
	{
		(void) run(turn, take_back_death);
		pgnet_call_mark_clear(call->id);
		turn->charged_id = PG_INT64_MIN;
	}
	pgnet_session_discard();
	pause = pauses_ms[tries - 1] *
		(1 + pg_prng_double(&pg_global_prng_state));
	pgnet_call_tries_put(call->id, call->created, tries, (int) pause);
	return true;
}

/* TurnWork: the call did not end the process. */
static void
take_back_death(Turn *turn)
{
	pgnet_waiting_call_set_deaths(&turn->call, turn->call.deaths);
}

/* A deadlock, a serialization failure and the like. */
static bool
is_class_40(const ErrorData *error)
{
	return ERRCODE_TO_CATEGORY(error->sqlerrcode) ==
		ERRCODE_TRANSACTION_ROLLBACK;
}

/* What is said in the row. */
static char *
explain(const Turn *turn, const ErrorData *error)
{
	TimestampTz end =
		TimestampTzPlusMilliseconds(turn->called_at,
									pgnet_setting_callback_timeout);

	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED &&
		pgnet_clock_now() >= end)
		return psprintf("canceled after %d ms (pg_net.callback_timeout)",
						pgnet_setting_callback_timeout);
	return cut(error->message);
}

/* The beginning of what an error says; "" for nothing. */
static char *
cut(const char *text)
{
	int			length = text ? (int) strlen(text) : 0;

	return pnstrdup(text ? text : "",
					pgnet_text_clip(text, length, MAX_ERROR_CHARACTERS));
}

/* TurnWork: say in the row that the call failed for good. */
static void
write_failure(Turn *turn)
{
	pgnet_waiting_call_failed(&turn->call, turn->failure);
}

/*
 * Work in a transaction, as the role; NULL, or the error that it was rolled
 * back for.
 */
static ErrorData *
run(Turn *turn, TurnWork work)
{
	ErrorData  *volatile error = NULL;
	ErrorContextCallback *context = error_context_stack;

	MemoryContextSwitchTo(turn->call_context);
	PG_TRY();
	{
		pgnet_transaction_begin();
		if (OidIsValid(turn->role))
			pgnet_become_role(turn->role);
		MemoryContextSwitchTo(turn->call_context);
		work(turn);
		disable_timeout(end_timeout, false);
		pgnet_transaction_commit();
		pgnet_become_session();
	}
	PG_CATCH();
	{
		error_context_stack = context;
		disable_timeout(end_timeout, false);
		MemoryContextSwitchTo(turn->call_context);
		error = CopyErrorData();
		FlushErrorState();
		pgnet_transaction_abort();
	}
	PG_END_TRY();
	calling = false;
	return error;
}

/* Is it a role's turn whose name is known?  In a transaction. */
static bool
role_exists(Oid role)
{
	return SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role));
}

/* Find whose turn is next, after this role's; false: nothing waits. */
static bool
find_next_role(Turn *turn)
{
	turn->next_role = OidIsValid(turn->role) ?
		turn->role :
		pgnet_database_snapshot(turn->database).callbacks.served;
	/* if that cannot be known, look again soon */
	if (run(turn, look_for_role) != NULL)
	{
		turn->next_role = turn->role;
		return true;
	}
	return turn->next_role_found;
}

/*
 * TurnWork: find the next role that exists.  Rows of those that do not are
 * given up on the way.  The owner comes first while an endpoint is to be
 * paused, and stays if one is to be paused later.  A role whose process is
 * stuck waits for its end.
 */
static void
look_for_role(Turn *turn)
{
	Oid			after = turn->next_role;
	int			nstuck = 0;

	turn->next_role = owner_to_pause(turn, true);
	turn->next_role_found = can_be_next(turn);
	if (turn->next_role_found)
		return;
	/* they are in a circle: those that are stuck come once */
	while (nstuck <= PGNET_MAX_STUCK && pgnet_catalog_installed() &&
		   pgnet_waiting_calls_next_role(after, &turn->next_role))
	{
		if (pgnet_callbacks_are_stuck(turn->database, turn->next_role))
		{
			nstuck++;
			after = turn->next_role;
			continue;
		}
		turn->next_role_found = role_exists(turn->next_role);
		if (turn->next_role_found ||
			pgnet_waiting_calls_give_up(turn->next_role))
			return;
	}
	turn->next_role = owner_to_pause(turn, false);
	turn->next_role_found = can_be_next(turn);
}

/* Is the next role any, and its process not stuck? */
static bool
can_be_next(const Turn *turn)
{
	return OidIsValid(turn->next_role) &&
		!pgnet_callbacks_are_stuck(turn->database, turn->next_role);
}

/* Have the worker remove rows that were spared because they waited. */
static void
have_expired(Turn *turn)
{
	if (turn->expired)
		pgnet_inbox_announce(turn->database, PGNET_LOOK_AT_ALL);
	turn->expired = false;
}

/* Wait for rows, or to be asked to leave. */
static void
wait_for_news(Turn *turn, long timeout_ms)
{
	static uint32 wait_event = 0;

	have_expired(turn);
	MemoryContextReset(turn->call_context);
	pgstat_report_activity(STATE_IDLE, NULL);
	pgstat_report_stat(true);
	(void) WaitLatch(MyLatch,
					 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 timeout_ms, pgnet_wait_event(&wait_event, "NetCallback"));
	ResetLatch(MyLatch);
}

/* Between calls. */
static void
handle_interrupts(void)
{
	/* there is nothing to cancel */
	QueryCancelPending = false;
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	if (catchupInterruptPending)
		ProcessCatchupInterrupt();
}
