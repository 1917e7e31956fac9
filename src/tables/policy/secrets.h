/*
 * secrets.h -- net.secret: values that are put in when a request is sent.
 *
 * A header value may contain references to secrets, as net.secret(name) writes
 * them.  The functions run inside a transaction; without a reference they read
 * no table.
 */
#ifndef PGNET_SECRETS_H
#define PGNET_SECRETS_H

#include "postgres.h"

#include "job.h"
#include "tables/queue/queue.h"

/* Whose secrets are used, and for what. */
typedef struct SecretUse
{
	Oid			role;			/* who has to be granted them */
	bool		as_owner;		/* nobody: the owner wrote the reference */
	const char *url;			/* where they are to go */
	const char *host_header;	/* what the header Host says; NULL: nothing */
	const char *method;			/* of the request */
} SecretUse;

/*
 * Why a row to be queued may not use the secrets that its headers refer to: a
 * palloc'd sentence without a period, or NULL.  target is the URL that it is
 * sent to.  Runs in: client backends.
 */
extern char *pgnet_secrets_problem(const QueueRow *row, const char *target);

/* Does a loaded request refer to a secret?  Runs in: workers. */
extern bool pgnet_secrets_wanted(const Job *job);

/* Does a text?  Does not throw. */
extern bool pgnet_secrets_are_in(const char *text);

/* A text with a letter in place of each reference, palloc'd. */
extern char *pgnet_secrets_blank(const char *text);

/*
 * A text with the values of the secrets that it refers to, palloc'd.  *problem
 * becomes a palloc'd sentence without a period when one may not be used, and
 * is left alone else.  Runs in: workers.
 */
extern char *pgnet_secrets_fill_text(const SecretUse *use, const char *text,
									 char **problem);

/*
 * The value of a secret that the owner names, palloc'd, of any number of lines.
 * NULL, and *problem as above, when there is none.  It is not sent: nobody asks
 * where to.  Runs in: workers.
 */
extern char *pgnet_secrets_value(const char *name, char **problem);

/*
 * Replace the references in the headers of a loaded request, or set its outcome
 * if that is not possible.  Runs in: workers.
 */
extern void pgnet_secrets_fill(Job *job);

#endif							/* PGNET_SECRETS_H */
