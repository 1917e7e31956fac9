/*
 * local_setting.h -- a PostgreSQL setting for the length of one statement.
 *
 * Runs in: client backends and workers, inside a transaction.
 */
#ifndef PGNET_LOCAL_SETTING_H
#define PGNET_LOCAL_SETTING_H

#include "postgres.h"

/*
 * Set a setting, and others as well; the last function, called with the result
 * of the first, restores all of them.  After an error the abort of the
 * (sub)transaction does.
 */
extern int	pgnet_local_setting_begin(const char *name, const char *value);
extern void pgnet_local_setting_more(const char *name, const char *value);
extern void pgnet_local_setting_end(int level);

#endif							/* PGNET_LOCAL_SETTING_H */
