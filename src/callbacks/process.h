/*
 * process.h -- the process that calls functions with responses.
 */
#ifndef PGNET_CALLBACKS_PROCESS_H
#define PGNET_CALLBACKS_PROCESS_H

#include "postgres.h"

/*
 * Entry point, found by name; launcher/callback_pool.c starts it.  The argument
 * is the database's oid, bgw_extra the oid of the role that workers connect as,
 * or InvalidOid.
 */
extern PGDLLEXPORT void pgnet_callback_main(Datum database);

#endif							/* PGNET_CALLBACKS_PROCESS_H */
