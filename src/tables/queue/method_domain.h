/*
 * method_domain.h -- what the domain net.http_method demands of a method.
 *
 * Runs in: client backends.
 */
#ifndef PGNET_METHOD_DOMAIN_H
#define PGNET_METHOD_DOMAIN_H

#include "postgres.h"

/*
 * Throws check_violation, or what a constraint throws, unless a method, a
 * token, fulfils the constraints of the domain.  For rows that go in without
 * the executor, which checks them by itself.
 */
extern void pgnet_method_domain_check(Oid domain, const char *method);

#endif							/* PGNET_METHOD_DOMAIN_H */
