/*
 * stay.c -- how long a worker stays.
 *
 * Runs in: workers.
 *
 * It leaves when it has been idle for pg_net.worker_idle_timeout, unless
 * pg_net.database_name names its database; when somebody keeps workers out of
 * the database; and when it had its turn and others wait for its place.  Then
 * it finishes what is in flight, since that would be sent twice otherwise.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "settings.h"
#include "shared/launch.h"
#include "worker/stay.h"

static TimestampTz end_of(const Stay *stay, StayState state);

/* Begin. */
void
pgnet_stay_init(Stay *stay, WorkerSlot *slot, TimestampTz now)
{
	*stay = (Stay) {.slot = slot, .idle_since = now, .due = DT_NOEND};
}

/* See what is ordered. */
void
pgnet_stay_obey(Stay *stay)
{
	SlotOrder	order = pgnet_slot_order(stay->slot);

	stay->finishing = order != PGNET_ORDER_STAY;
	if (order == PGNET_ORDER_LEAVE)
		stay->over = true;
}

/* Begin to be idle anew. */
void
pgnet_stay_note_work(Stay *stay, TimestampTz now)
{
	stay->idle_since = now;
}

/* Is it over? */
void
pgnet_stay_rest(Stay *stay, TimestampTz now, StayState state)
{
	bool		idle = state == PGNET_STAY_IDLE || state == PGNET_STAY_USELESS;

	if (idle != stay->idle)
	{
		stay->idle = idle;
		pgnet_slot_set_idle(stay->slot, idle);
		if (idle && pgnet_launch_is_short())
			pgnet_launch_call();
	}
	stay->due = idle ? end_of(stay, state) : DT_NOEND;
	if (now >= stay->due || (stay->finishing && state != PGNET_STAY_WORKING))
		stay->over = true;
}

/* When does it end, if nothing comes? */
static TimestampTz
end_of(const Stay *stay, StayState state)
{
	if (pgnet_setting_worker_idle_timeout < 0 ||
		pgnet_slot_is_permanent(stay->slot))
		return DT_NOEND;
	if (state == PGNET_STAY_USELESS)
		return stay->idle_since;
	return TimestampTzPlusMilliseconds(stay->idle_since,
									   pgnet_setting_worker_idle_timeout);
}
