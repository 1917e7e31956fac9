/*
 * stats_file.c -- keeping the counters while the server is down.
 *
 * Runs in: the postmaster, as pg_stat_statements does this.
 */
#include "postgres.h"

#include <unistd.h>

#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/ipc.h"

#include "shared/lane_stats.h"
#include "shared/registry.h"
#include "shared/stats.h"
#include "shared/stats_file.h"

#define FILE_NAME PGSTAT_STAT_PERMANENT_DIRECTORY "/pg_net.stat"

/* Another one for each form of the file. */
#define FORMAT 1

typedef struct FileHeader
{
	uint32		format;
	uint32		database_size;
	uint32		lane_size;
	int			ndatabases;
	int			nlanes;
} FileHeader;

static void save(int code, Datum arg);
static bool was_shut_down(void);
static bool write_all(FILE *file);
static void read_all(FILE *file);
static bool read_item(FILE *file, void *item, size_t size);
static bool write_item(FILE *file, const void *item, size_t size);

void
pgnet_stats_file_init(void)
{
	FILE	   *file = AllocateFile(FILE_NAME, PG_BINARY_R);

	on_shmem_exit(save, (Datum) 0);
	if (file == NULL)
	{
		if (errno != ENOENT)
			ereport(LOG,
					errcode_for_file_access(),
					errmsg("could not read file \"%s\": %m", FILE_NAME));
		return;
	}
	read_all(file);
	FreeFile(file);
	/* after a crash it would be old */
	(void) unlink(FILE_NAME);
}

/* Take over what is in the file, as far as it is whole. */
static void
read_all(FILE *file)
{
	FileHeader	header;
	SavedDatabaseStats database;
	SavedLaneStats lane;

	if (!read_item(file, &header, sizeof(header)) || header.format != FORMAT ||
		header.database_size != sizeof(SavedDatabaseStats) ||
		header.lane_size != sizeof(SavedLaneStats))
		return;
	for (int i = 0; i < header.ndatabases; i++)
		if (read_item(file, &database, sizeof(database)))
			pgnet_registry_restore(&database);
	for (int i = 0; i < header.nlanes; i++)
		if (read_item(file, &lane, sizeof(lane)))
			pgnet_lane_stats_restore(&lane);
}

static bool
read_item(FILE *file, void *item, size_t size)
{
	return fread(item, size, 1, file) == 1;
}

/*
 * Did the server shut down in order?  It exits with 0 after an immediate stop,
 * too.
 */
static bool
was_shut_down(void)
{
	bool		valid;
	ControlFileData *control = get_controlfile(DataDir, &valid);

	if (!valid)
		return false;
	return control->state == DB_SHUTDOWNED ||
		control->state == DB_SHUTDOWNED_IN_RECOVERY;
}

/* on_shmem_exit callback.  After a crash there is nothing to keep. */
static void
save(int code, Datum arg)
{
	const char *temporary = FILE_NAME ".tmp";
	FILE	   *file;
	bool		written;

	(void) arg;
	if (code != 0 || !was_shut_down())
		return;
	file = AllocateFile(temporary, PG_BINARY_W);
	written = file != NULL && write_all(file);
	if (file != NULL && FreeFile(file) != 0)
		written = false;
	if (!written)
	{
		ereport(LOG,
				errcode_for_file_access(),
				errmsg("could not write file \"%s\": %m", temporary));
		(void) unlink(temporary);
		return;
	}
	/* this says itself what is wrong */
	(void) durable_rename(temporary, FILE_NAME, LOG);
}

static bool
write_all(FILE *file)
{
	FileHeader	header = {
		.format = FORMAT,
		.database_size = sizeof(SavedDatabaseStats),
		.lane_size = sizeof(SavedLaneStats)
	};
	int			place = 0;
	SavedDatabaseStats database;
	SavedLaneStats lane;

	while (pgnet_registry_save(&place, &database))
		header.ndatabases++;
	place = 0;
	while (pgnet_lane_stats_save(&place, &lane))
		header.nlanes++;
	if (!write_item(file, &header, sizeof(header)))
		return false;
	for (place = 0; pgnet_registry_save(&place, &database);)
		if (!write_item(file, &database, sizeof(database)))
			return false;
	for (place = 0; pgnet_lane_stats_save(&place, &lane);)
		if (!write_item(file, &lane, sizeof(lane)))
			return false;
	return true;
}

static bool
write_item(FILE *file, const void *item, size_t size)
{
	return fwrite(item, size, 1, file) == 1;
}
