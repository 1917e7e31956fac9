/*
 * databases.h -- the databases and roles of the server.
 *
 * Runs in: the launcher, which is connected to no database and can read shared
 * catalogs only.
 * Each function is a transaction of its own.
 */
#ifndef PGNET_DATABASES_H
#define PGNET_DATABASES_H

#include "postgres.h"

typedef struct Database
{
	Oid			oid;
	NameData	name;
	bool		connectable;	/* datallowconn, and not partly dropped */
} Database;

typedef struct DatabaseList
{
	int			count;
	Database   *databases;		/* sorted by oid */
} DatabaseList;

typedef enum RoleState
{
	PGNET_ROLE_USABLE,
	PGNET_ROLE_MISSING,
	PGNET_ROLE_NO_LOGIN
} RoleState;

/* All databases, allocated in the current memory context. */
extern DatabaseList pgnet_databases_read(void);

/* NULL if it is not in the list. */
extern const Database *pgnet_databases_find(const DatabaseList *list, Oid oid);
extern const Database *pgnet_databases_find_name(const DatabaseList *list,
												 const char *name);

/* Can a worker connect as a role?  *oid is set unless it is missing. */
extern RoleState pgnet_role_find(const char *name, Oid *oid);

#endif							/* PGNET_DATABASES_H */
