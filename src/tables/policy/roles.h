/*
 * roles.h -- roles by name, in the rows that say who may use something.
 *
 * Runs in: client backends and workers, inside a transaction.
 */
#ifndef PGNET_ROLES_H
#define PGNET_ROLES_H

#include "postgres.h"

#include "utils/array.h"

/*
 * Does a role have the rights of one of these, a name[]?  A name that is not a
 * role matches nobody.
 */
extern bool pgnet_roles_include(Oid role, ArrayType *roles);

/* Is "public", which is no role, among them? */
extern bool pgnet_roles_have_public(ArrayType *roles);

#endif							/* PGNET_ROLES_H */
