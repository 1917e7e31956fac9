/*
 * databases.h -- the databases and roles of the server.
 *
 * Runs in: the launcher, which sees no other catalogs than the shared ones.
 * Each function is a transaction of its own.
 */
#ifndef PGNET_DATABASES_H
#define PGNET_DATABASES_H

#include "postgres.h"

typedef struct Database
{
	Oid			oid;
	NameData	name;
	bool		connectable;	/* takes connections, and is not half dropped */
} Database;

typedef struct DatabaseList
{
	int			count;
	Database   *databases;		/* by oid */
} DatabaseList;

typedef enum RoleState
{
	PGNET_ROLE_USABLE,
	PGNET_ROLE_MISSING,
	PGNET_ROLE_NO_LOGIN
} RoleState;

/* All databases, in the current memory context. */
extern DatabaseList pgnet_databases_read(void);

/* One of them, or NULL. */
extern const Database *pgnet_databases_find(const DatabaseList *list, Oid oid);
extern const Database *pgnet_databases_find_name(const DatabaseList *list,
												 const char *name);

/* Can a worker connect as that role?  Its oid, if it can. */
extern RoleState pgnet_role_find(const char *name, Oid *oid);

#endif							/* PGNET_DATABASES_H */
