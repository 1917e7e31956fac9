/*
 * local_setting.c -- a PostgreSQL setting for the length of one statement.
 *
 * Runs in: client backends and workers, inside a transaction.  An error in
 * between sets it back as well, with the (sub)transaction.
 */
#include "postgres.h"

#include "utils/guc.h"

#include "tables/local_setting.h"

/* Set it, as the SET clause of a function does (utils/fmgr/fmgr.c). */
int
pgnet_local_setting_begin(const char *name, const char *value)
{
	int			level = NewGUCNestLevel();

	(void) set_config_option(name, value, PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	return level;
}

/* Set it back. */
void
pgnet_local_setting_end(int level)
{
	AtEOXact_GUC(true, level);
}
