/*
 * message_id.c -- what a request is called towards its receiver.
 *
 * Runs in: client backends and workers.
 *
 * The uuid of net._installation is read each time, without a plan, which takes
 * a microsecond: so no invalidation is needed when it changes.  The digest is
 * computed again only then.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

#include "tables/catalog.h"
#include "tables/recovery/message_id.h"

/* A message id has these first bytes of the digest. */
#define DIGEST_BYTES 6

static bool read_installation(pg_uuid_t *uuid);
static bool read_row(Relation table, AttrNumber column, pg_uuid_t *uuid);
static void digest(const pg_uuid_t *uuid, char *digits);

char *
pgnet_message_id(int64 request_id)
{
	static pg_uuid_t known_uuid;
	static char known_digits[2 * DIGEST_BYTES + 1];
	pg_uuid_t	uuid;

	if (!read_installation(&uuid))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("net._installation does not identify this installation"),
				errhint("Run DROP EXTENSION pg_net and CREATE EXTENSION pg_net to recreate it."));
	if (known_digits[0] == '\0' ||
		memcmp(&uuid, &known_uuid, sizeof(uuid)) != 0)
	{
		digest(&uuid, known_digits);
		known_uuid = uuid;
	}
	return psprintf("msg_%s_" INT64_FORMAT, known_digits, request_id);
}

/* False if the table, its column or its row is missing. */
static bool
read_installation(pg_uuid_t *uuid)
{
	Oid			oid = pgnet_catalog_installation();
	Relation	table = NULL;
	AttrNumber	column;
	bool		found;

	if (OidIsValid(oid))
		table = try_table_open(oid, AccessShareLock);
	if (table == NULL)
		return false;
	column = get_attnum(oid, "id");
	found = column != InvalidAttrNumber && read_row(table, column, uuid);
	table_close(table, AccessShareLock);
	return found;
}

/* With a latest snapshot: the row as it is now, at any isolation level. */
static bool
read_row(Relation table, AttrNumber column, pg_uuid_t *uuid)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	SysScanDesc scan = systable_beginscan(table, InvalidOid, false, snapshot,
										  0, NULL);
	HeapTuple	row = systable_getnext(scan);
	bool		null = true;
	Datum		value = (Datum) 0;

	if (row != NULL)
		value = heap_getattr(row, column, RelationGetDescr(table), &null);
	if (!null)
		*uuid = *DatumGetUUIDP(value);
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	return !null;
}

/*
 * The first digits of SHA-256 over the uuid and the OID of the database, which
 * differs in a copy made by CREATE DATABASE ... TEMPLATE.
 */
static void
digest(const pg_uuid_t *uuid, char *digits)
{
	Datum		out = DirectFunctionCall1(uuid_out, UUIDPGetDatum(uuid));
	char	   *text = psprintf("%s/%u", DatumGetCString(out), MyDatabaseId);
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
	uint8		bytes[PG_SHA256_DIGEST_LENGTH];

	if (pg_cryptohash_init(hash) < 0 ||
		pg_cryptohash_update(hash, (const uint8 *) text, strlen(text)) < 0 ||
		pg_cryptohash_final(hash, bytes, sizeof(bytes)) < 0)
		elog(ERROR, "could not compute a SHA-256 digest: %s",
			 pg_cryptohash_error(hash));
	pg_cryptohash_free(hash);
	digits[hex_encode((const char *) bytes, DIGEST_BYTES, digits)] = '\0';
}
