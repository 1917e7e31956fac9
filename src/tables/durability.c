/*
 * durability.c -- do the tables survive a crash?
 *
 * Runs in: client backends.
 */
#include "postgres.h"

#include "executor/spi.h"

#include "tables/durability.h"

/* In the order in which the worker locks them, too. */
static const char *const make_logged[] = {
	"ALTER TABLE net.http_request_queue SET LOGGED",
	"ALTER TABLE net._http_response SET LOGGED",
};

static const char *const make_unlogged[] = {
	"ALTER TABLE net.http_request_queue SET UNLOGGED",
	"ALTER TABLE net._http_response SET UNLOGGED",
};

/* Make the tables logged or unlogged. */
void
pgnet_durability_set(bool durable)
{
	const char *const *statements = durable ? make_logged : make_unlogged;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	for (int i = 0; i < (int) lengthof(make_logged); i++)
	{
		int			code = SPI_execute(statements[i], false, 0);

		if (code != SPI_OK_UTILITY)
			elog(ERROR, "could not run \"%s\": %s", statements[i],
				 SPI_result_code_string(code));
	}
	SPI_finish();
}
