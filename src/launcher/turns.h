/*
 * turns.h -- whose turn it is when background workers are short.
 *
 * Runs in: the launcher.
 */
#ifndef PGNET_TURNS_H
#define PGNET_TURNS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "launcher/posts.h"

/*
 * So many databases wait for a place: have as many workers leave, those that
 * are idle and those that had their turn.  *due is lowered to when the next
 * one will have had it.
 */
extern void pgnet_turns_end(const Posts *posts, int waiting, TimestampTz now,
							TimestampTz *due);

#endif							/* PGNET_TURNS_H */
