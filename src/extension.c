/*
 * extension.c -- introduces the rooms to PostgreSQL.
 *
 * Runs in: every process that loads the library.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "clock.h"
#include "compat.h"
#include "launcher/launcher.h"
#include "settings.h"
#include "shared/database_ddl.h"
#include "shared/memory.h"
#include "shared/prepared.h"
#include "url_target.h"

PGNET_MODULE_MAGIC();

void		_PG_init(void);

/*
 * Shared memory, hooks and the launcher exist only when the server preloads
 * the library.  Loaded later it still defines its functions, which say so
 * when called, and CREATE EXTENSION works.
 */
void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	pgnet_clock_init();
	pgnet_settings_init();
	pgnet_url_target_init();
	pgnet_memory_init();
	pgnet_prepared_init();
	pgnet_database_ddl_init();
	pgnet_launcher_init();
}
