/*
 * trust.c -- whose certificates are taken for good.
 *
 * Runs in: workers.
 *
 * libcurl takes authorities from a file and from a directory, and has defaults
 * for both.  NULL means none in most versions, but in 8.21 and 8.22 the default
 * (lib/vtls/vtls_config.c), and for a proxy an option that is not set is the
 * default in all.  So when one of them is named the other one is set, too: to
 * something that holds nobody.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "compat.h"
#include "http/trust.h"

/* A directory in which no file can ever be. */
#define DIRECTORY_OF_NOBODY "/dev/null"

/* Set one of a TrustOptions called options. */
#define SET(which, value, name) \
	pgnet_setup_taken(setup, \
					  curl_easy_setopt(setup->easy, options->which, value), \
					  name)

/* The options of one end. */
typedef struct TrustOptions
{
	CURLoption	file;
	CURLoption	blob;
	CURLoption	directory;
} TrustOptions;

static bool set_named(Setup *setup, const TrustOptions *options,
					  const HttpDefaults *defaults);
static const char *directory_of_nobody(void);
static bool names_some(const HttpDefaults *defaults);
static const curl_version_info_data *libcurl(void);

/*
 * What stands for a file of authorities that holds nobody.  libcurl refuses an
 * empty one, but takes a list of certificates that are revoked: this is the
 * empty list of an authority that does not exist.
 */
static char file_of_nobody[] =
	"-----BEGIN X509 CRL-----\n"
	"MIGbMEQwCgYIKoZIzj0EAwIwFjEUMBIGA1UEAwwLbm9ib2R5IHJvb3QXDTI2MTEy\n"
	"NzE2MDIxOVoYDzIxMjYxMTAzMTYwMjE5WjAKBggqhkjOPQQDAgNHADBEAiB4eUYd\n"
	"zUOTN96obZJA1d8cZXrDKDljTD4/VKgbXjH6iwIgTEc9cQC7rTFFrglFlAUSFvAu\n"
	"m6qPmDQr8o4X0gW/uBE=\n"
	"-----END X509 CRL-----\n";

/*
 * Reading a bundle of all authorities takes libcurl some 20 ms, for every
 * connection as long as a directory is set as well (its cache serves a file
 * alone, lib/vtls/openssl.c).  So of the system's it is the directory alone, in
 * which OpenSSL finds an authority by the hash of its name.
 */
bool
pgnet_trust_set(Setup *setup, const HttpDefaults *defaults)
{
	static const TrustOptions options = {
		.file = CURLOPT_CAINFO,
		.blob = CURLOPT_CAINFO_BLOB,
		.directory = CURLOPT_CAPATH
	};

	if (names_some(defaults))
		return set_named(setup, &options, defaults);
	return libcurl()->capath == NULL ||
		PGNET_SETUP(setup, CURLOPT_CAINFO, NULL);
}

/*
 * The same for a proxy.  When libcurl 7.88 looks whether a connection to an
 * https proxy may be used again for an http URL, it compares what is trusted at
 * the end of the way, where there is no TLS.  So that is set, too, or else a
 * connection would outlive the trust in it.
 */
bool
pgnet_trust_set_proxy(Setup *setup, const HttpDefaults *defaults)
{
	static const TrustOptions options = {
		.file = CURLOPT_PROXY_CAINFO,
		.blob = CURLOPT_PROXY_CAINFO_BLOB,
		.directory = CURLOPT_PROXY_CAPATH
	};

	return pgnet_trust_set(setup, defaults) &&
		(!names_some(defaults) || set_named(setup, &options, defaults));
}

/* libcurl keeps the text for as long as the connection. */
bool
pgnet_trust_set_own(Setup *setup, const char *authorities)
{
	struct curl_blob blob = {
		.data = unconstify(char *, authorities),
		.len = strlen(authorities),
		.flags = CURL_BLOB_COPY
	};

	return PGNET_SETUP(setup, CURLOPT_CAPATH, directory_of_nobody()) &&
		PGNET_SETUP(setup, CURLOPT_CAINFO_BLOB, &blob);
}

/* What is named, and nothing in place of what is not. */
static bool
set_named(Setup *setup, const TrustOptions *options,
		  const HttpDefaults *defaults)
{
	struct curl_blob nobody = {
		.data = file_of_nobody,
		.len = sizeof(file_of_nobody) - 1,
		.flags = CURL_BLOB_NOCOPY
	};
	const char *directory = defaults->ca_directory;

	if (*directory == '\0')
		directory = directory_of_nobody();
	if (!SET(directory, directory, "CURLOPT_CAPATH"))
		return false;
	if (*defaults->ca_file != '\0')
		return SET(file, defaults->ca_file, "CURLOPT_CAINFO");
	/* this is taken in place of any file */
	return SET(blob, &nobody, "CURLOPT_CAINFO_BLOB");
}

/*
 * What means no directory.  That is NULL while it does, for the sake of the
 * cache.
 */
static const char *
directory_of_nobody(void)
{
	return libcurl()->version_num < PGNET_CURL_NULL_IS_DEFAULT ?
		NULL :
		DIRECTORY_OF_NOBODY;
}

/* Does the administrator name authorities? */
static bool
names_some(const HttpDefaults *defaults)
{
	return *defaults->ca_file != '\0' || *defaults->ca_directory != '\0';
}

/* The libcurl that runs. */
static const curl_version_info_data *
libcurl(void)
{
	static const curl_version_info_data *data = NULL;

	if (data == NULL)
		data = curl_version_info(CURLVERSION_NOW);
	return data;
}
