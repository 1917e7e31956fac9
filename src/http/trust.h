/*
 * trust.h -- whose certificates are taken for good.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_TRUST_H
#define PGNET_TRUST_H

#include "postgres.h"

#include "http/defaults.h"
#include "http/setup.h"

/*
 * Trust the authorities that the administrator names and no others, or else
 * those of the system, at the end of the way or at an https proxy; false when
 * an option was refused.
 */
extern bool pgnet_trust_set(Setup *setup, const HttpDefaults *defaults);
extern bool pgnet_trust_set_proxy(Setup *setup, const HttpDefaults *defaults);

/*
 * Trust these authorities, PEM, and no others for the URL's host.  Those for a
 * proxy stay what they are.
 */
extern bool pgnet_trust_set_own(Setup *setup, const char *authorities);

#endif							/* PGNET_TRUST_H */
