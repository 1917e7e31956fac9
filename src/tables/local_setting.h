/*
 * local_setting.h -- a PostgreSQL setting for the length of one statement.
 *
 * Runs in: client backends and workers, inside a transaction.
 */
#ifndef PGNET_LOCAL_SETTING_H
#define PGNET_LOCAL_SETTING_H

#include "postgres.h"

/*
 * Set a setting; the other function, called with the result, restores it.
 * After an error the abort of the (sub)transaction does.
 */
extern int	pgnet_local_setting_begin(const char *name, const char *value);
extern void pgnet_local_setting_end(int level);

#endif							/* PGNET_LOCAL_SETTING_H */
