/*
 * header_rules.h -- which header fields a request may carry.
 *
 * Runs in: every process.
 */
#ifndef PGNET_HEADER_RULES_H
#define PGNET_HEADER_RULES_H

#include "postgres.h"

#include "exchange.h"

/*
 * What is wrong with a request's fields, alone or together: a palloc'd sentence
 * without a period and without a value, or NULL.
 */
extern char *pgnet_headers_problem(const Field *headers, int nheaders);

/*
 * Is a field about the connection or the end of the message?  Those are set by
 * http/; a request's own are left out.  Does not throw.
 */
extern bool pgnet_header_is_framing(const char *name);

#endif							/* PGNET_HEADER_RULES_H */
