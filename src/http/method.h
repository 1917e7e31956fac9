/*
 * method.h -- what is known of the methods of HTTP.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_METHOD_H
#define PGNET_METHOD_H

#include "postgres.h"

/* A method as it is written on the wire, if it is a known one. */
extern const char *pgnet_method_canonical(const char *method);

/*
 * Does a server expect a body with it?  One without is sent with a length of
 * 0 (RFC 9110, section 8.6).
 */
extern bool pgnet_method_expects_body(const char *method);

#endif							/* PGNET_METHOD_H */
