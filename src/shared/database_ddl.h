/*
 * database_ddl.h -- keeping workers out of databases during DDL on them.
 *
 * Runs in: client backends.
 */
#ifndef PGNET_DATABASE_DDL_H
#define PGNET_DATABASE_DDL_H

#include "postgres.h"

/* Hook into utility statements; called while the server starts. */
extern void pgnet_database_ddl_init(void);

#endif							/* PGNET_DATABASE_DDL_H */
