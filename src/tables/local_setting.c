/*
 * local_setting.c -- a PostgreSQL setting for the length of one statement.
 *
 * Runs in: client backends and workers, inside a transaction.
 */
#include "postgres.h"

#include "utils/guc.h"

#include "tables/local_setting.h"

/* As the SET clause of a function (utils/fmgr/fmgr.c). */
int
pgnet_local_setting_begin(const char *name, const char *value)
{
	int			level = NewGUCNestLevel();

	pgnet_local_setting_more(name, value);
	return level;
}

/* Set another one. */
void
pgnet_local_setting_more(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

void
pgnet_local_setting_end(int level)
{
	AtEOXact_GUC(true, level);
}
