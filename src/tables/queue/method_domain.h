/*
 * method_domain.h -- the constraints of the domain net.http_method.
 *
 * Runs in: client backends.
 */
#ifndef PGNET_METHOD_DOMAIN_H
#define PGNET_METHOD_DOMAIN_H

#include "postgres.h"

/*
 * Throws check_violation, or what a constraint throws, if a method violates a
 * constraint of the domain.  For rows that are inserted without a statement,
 * which would check them.
 */
extern void pgnet_method_domain_check(Oid domain, const char *method);

#endif							/* PGNET_METHOD_DOMAIN_H */
