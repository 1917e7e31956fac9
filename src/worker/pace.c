/*
 * pace.c -- how many rows to take at a time.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "clock.h"
#include "worker/pace.h"

/* The time of a transaction, for which the network waits. */
#define TARGET_US ((int64) 50 * 1000)

/* How many times larger a piece may be than the one before. */
#define GROWTH 8

/* A higher limit is none. */
#define HIGHEST_LIMIT 100000

/* After rows that took far too long, this fraction is next. */
#define TOO_LONG_DIVISOR 8

int
pgnet_pace_rows(const Pace *pace, int max)
{
	return pace->limit > 0 ? Min(pace->limit, max) : max;
}

/*
 * A limit is lowered after a transaction that took too long, and raised after
 * one that reached it in time.
 */
void
pgnet_pace_done(Pace *pace, int rows, int64 took_us)
{
	int64		in_time = rows * TARGET_US / Max(took_us, 1);

	if (rows == 0)
		return;
	if (took_us > TARGET_US)
		pace->limit = (int) Max(in_time, 1);
	else if (pace->limit > 0 && rows >= pace->limit)
		pace->limit = (int) Min(rows * (int64) 2, Max(in_time, 1));
	if (pace->limit > HIGHEST_LIMIT)
		pace->limit = 0;
}

void
pgnet_pace_failed(Pace *pace, int rows, bool too_long)
{
	pace->limit = Max(rows / (too_long ? TOO_LONG_DIVISOR : 2), 1);
}

void
pgnet_pace_pieces(Pace *pace, bool failed)
{
	if (failed)
		pace->piece_limit = 1;
	else if (pace->piece_limit > 0)
		pace->piece_limit *= GROWTH;
	if (pace->piece_limit > HIGHEST_LIMIT)
		pace->piece_limit = 0;
}

void
pgnet_pace_begin(PaceRun *run, const Pace *pace)
{
	*run = (PaceRun) {
		.pace = pace,
		.start_us = pgnet_clock_now(),
		.piece = 1
	};
}

/*
 * As many as fit into the time that is left, if they take as long as those
 * before.
 */
int
pgnet_pace_next(PaceRun *run, int left)
{
	int64		took_us = pgnet_pace_took_us(run);
	int			piece = Min(run->piece, left);

	if (run->tried > 0 && took_us >= TARGET_US)
		return 0;
	if (run->pace->piece_limit > 0)
		piece = Min(piece, run->pace->piece_limit);
	if (run->tried > 0)
		piece = Min(piece,
					(TARGET_US - took_us) * run->tried / Max(took_us, 1));
	piece = Max(piece, Min(left, 1));
	run->tried += piece;
	run->piece = piece * GROWTH;
	return piece;
}

void
pgnet_pace_piece_failed(PaceRun *run)
{
	run->piece = 1;
}

int64
pgnet_pace_took_us(const PaceRun *run)
{
	return pgnet_clock_now() - run->start_us;
}
