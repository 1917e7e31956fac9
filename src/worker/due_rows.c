/*
 * due_rows.c -- when is the next row of the queue due?
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "worker/due_rows.h"

static DuePlace after_all_due(TimestampTz time);

void
pgnet_due_rows_init(DueRows *rows)
{
	rows->place = after_all_due(GetCurrentTimestamp());
	rows->next = DT_NOEND;
	rows->from_start = rows->once_more = false;
}

void
pgnet_due_rows_note(DueRows *rows, TimestampTz due)
{
	rows->next = Min(rows->next, due);
	if (due <= rows->place.due && due != DT_NOBEGIN)
		rows->place = after_all_due(due - 1);
}

void
pgnet_due_rows_look_again(DueRows *rows)
{
	rows->once_more = rows->from_start;
	if (rows->from_start)
		return;
	rows->from_start = true;
	rows->place = (DuePlace) {.due = DT_NOBEGIN, .id = PG_INT64_MIN};
	rows->next = DT_NOBEGIN;
}

void
pgnet_due_rows_read(DueRows *rows, DuePlace place, TimestampTz next)
{
	rows->place = place;
	rows->next = next;
	if (place.id != PG_INT64_MAX)
		return;
	rows->from_start = false;
	if (rows->once_more)
		pgnet_due_rows_look_again(rows);
}

TimestampTz
pgnet_due_rows_due(const DueRows *rows, TimestampTz now)
{
	if (TIMESTAMP_NOT_FINITE(rows->next))
		return rows->next;
	return now + (rows->next - GetCurrentTimestamp());
}

/* If the clock was set back, place may be in the future: do not skip rows. */
DuePlace
pgnet_due_rows_begin(const DueRows *rows, TimestampTz wall_now)
{
	return rows->place.due > wall_now ? after_all_due(wall_now) :
										rows->place;
}

/* The place after all rows that are due at a time. */
static DuePlace
after_all_due(TimestampTz time)
{
	return (DuePlace) {.due = time, .id = PG_INT64_MAX};
}
