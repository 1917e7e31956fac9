/*
 * pace.c -- how many rows to take at a time.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "clock.h"
#include "worker/pace.h"

/* What a transaction is to take: the network waits so long. */
#define TARGET_US ((int64) 50 * 1000)

/* Each piece may be so many times larger than the one before. */
#define GROWTH 8

/* A higher limit does not count as one. */
#define HIGHEST_LIMIT 100000

/* Of those that took far too long, a small part is next. */
#define TOO_LONG_DIVISOR 8

/* Say how many. */
int
pgnet_pace_rows(const Pace *pace, int max)
{
	return pace->limit > 0 ? Min(pace->limit, max) : max;
}

/* Take fewer if it took too long, more if there was time left. */
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

/* Take fewer. */
void
pgnet_pace_failed(Pace *pace, int rows, bool too_long)
{
	pace->limit = Max(rows / (too_long ? TOO_LONG_DIVISOR : 2), 1);
}

/* Take rows singly, or in pieces that grow again. */
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

/* Begin with one row. */
void
pgnet_pace_begin(PaceRun *run, const Pace *pace)
{
	*run = (PaceRun) {
		.pace = pace,
		.start_us = pgnet_clock_now(),
		.piece = 1
	};
}

/* As many as fit into the time that is left, if they take as long as those. */
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

/* Its rows come again. */
void
pgnet_pace_piece_failed(PaceRun *run)
{
	run->piece = 1;
}

/* How long has it taken? */
int64
pgnet_pace_took_us(const PaceRun *run)
{
	return pgnet_clock_now() - run->start_us;
}
