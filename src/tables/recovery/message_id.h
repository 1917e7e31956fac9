/*
 * message_id.h -- what a request is called towards its receiver.
 *
 * Runs in: client backends and workers, inside a transaction.
 */
#ifndef PGNET_MESSAGE_ID_H
#define PGNET_MESSAGE_ID_H

#include "postgres.h"

/*
 * The message id of a request, palloc'd: "msg_", twelve hexadecimal digits, "_"
 * and the id of the request.  It does not change by a crash, a failover or
 * pg_upgrade.  Where ids start at 1 again, after DROP EXTENSION or in a
 * database that was restored or copied, the digits differ.
 *
 * Throws object_not_in_prerequisite_state if net._installation is missing or
 * has no row.
 */
extern char *pgnet_message_id(int64 request_id);

#endif							/* PGNET_MESSAGE_ID_H */
