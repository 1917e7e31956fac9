/*
 * tls_certificate.c -- our own certificate, for servers that ask for one.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "http/tls_certificate.h"
#include "http/tls_error.h"

static bool use_chain(SSL_CTX *ssl, const char *certificate);
static bool use_rest_of_chain(SSL_CTX *ssl, BIO *bio);
static bool use_key(SSL_CTX *ssl, const char *certificate);

/* Use it; the words are libcurl's. */
bool
pgnet_tls_certificate_use(SSL_CTX *ssl, const char *certificate,
						  HttpError *error)
{
	ERR_clear_error();
	if (!use_chain(ssl, certificate))
		pgnet_tls_error_set(error, PGNET_PROBLEM_CERTIFICATE,
							"could not load PEM client certificate");
	else if (!use_key(ssl, certificate))
		pgnet_tls_error_set(error, PGNET_PROBLEM_CERTIFICATE,
							"unable to set private key");
	else
		return true;
	ERR_clear_error();
	return false;
}

/* Refuse: the key needs a passphrase, and there is none. */
int
pgnet_tls_no_passphrase(char *passphrase, int size, int writing, void *arg)
{
	(void) passphrase;
	(void) size;
	(void) writing;
	(void) arg;
	return -1;
}

/* The first certificate is ours, others are of authorities. */
static bool
use_chain(SSL_CTX *ssl, const char *certificate)
{
	BIO		   *bio = BIO_new_mem_buf(certificate, -1);
	X509	   *own = bio ? PEM_read_bio_X509_AUX(bio, NULL,
												  pgnet_tls_no_passphrase,
												  NULL) :
					  NULL;
	bool		used = own != NULL && SSL_CTX_use_certificate(ssl, own) == 1 &&
		use_rest_of_chain(ssl, bio);

	X509_free(own);
	BIO_free(bio);
	return used;
}

/* Up to the end of the text. */
static bool
use_rest_of_chain(SSL_CTX *ssl, BIO *bio)
{
	X509	   *next;
	unsigned long code;

	while ((next = PEM_read_bio_X509(bio, NULL, pgnet_tls_no_passphrase,
									 NULL)) != NULL)
	{
		if (SSL_CTX_add0_chain_cert(ssl, next) == 1)
			continue;
		X509_free(next);
		return false;
	}
	code = ERR_peek_last_error();
	if (ERR_GET_LIB(code) != ERR_LIB_PEM ||
		ERR_GET_REASON(code) != PEM_R_NO_START_LINE)
		return false;
	ERR_clear_error();
	return true;
}

/* Does it belong to the certificate, too? */
static bool
use_key(SSL_CTX *ssl, const char *certificate)
{
	BIO		   *bio = BIO_new_mem_buf(certificate, -1);
	EVP_PKEY   *key = bio ? PEM_read_bio_PrivateKey(bio, NULL,
													pgnet_tls_no_passphrase,
													NULL) :
						  NULL;
	bool		used = key != NULL && SSL_CTX_use_PrivateKey(ssl, key) == 1 &&
		SSL_CTX_check_private_key(ssl) == 1;

	EVP_PKEY_free(key);
	BIO_free(bio);
	return used;
}
