/*
 * digits.h -- numbers of a fixed number of digits, as dates have them.
 *
 * Runs in: every process.
 */
#ifndef PGNET_DIGITS_H
#define PGNET_DIGITS_H

#include "postgres.h"

/*
 * Read so many digits, which is few enough for an int, and move *at behind
 * them; false when there are fewer.
 */
static inline bool
pgnet_read_digits(const char **at, int count, int *number)
{
	*number = 0;
	for (int i = 0; i < count; i++)
	{
		char		digit = **at;

		if (digit < '0' || digit > '9')
			return false;
		*number = *number * 10 + (digit - '0');
		(*at)++;
	}
	return true;
}

/* Read these characters, likewise. */
static inline bool
pgnet_read_literal(const char **at, const char *literal)
{
	size_t		length = strlen(literal);

	if (strncmp(*at, literal, length) != 0)
		return false;
	*at += length;
	return true;
}

#endif							/* PGNET_DIGITS_H */
