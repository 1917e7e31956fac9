/*
 * tls_trust.c -- whose certificates are taken for good.
 *
 * Runs in: workers.
 *
 * Reading a bundle of all authorities takes some 30 ms, so it is kept for as
 * long as the file stays the same.  In a directory OpenSSL finds an authority
 * by the hash of its name when it is needed, and keeps it: what is added there
 * counts at once, but what is removed only when all is forgotten.
 *
 * The system's authorities are where OpenSSL was built to look for them.  What
 * it offers for that would be led elsewhere by SSL_CERT_FILE and SSL_CERT_DIR
 * in the environment.
 */
#include "postgres.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/hashfn.h"

#include "http/timers.h"
#include "http/tls_certificate.h"
#include "http/tls_error.h"
#include "http/tls_trust.h"

/* How often to look at files, and into directories. */
#define LOOK_US ((int64) 1000 * 1000)
#define LOOK_INTO_US (60 * LOOK_US)

/* How many digits the name of an authority's file has, before a dot. */
#define HASH_DIGITS 8

/* What was seen of files. */
typedef struct FileMarks
{
	uint64		file;			/* 0: it is not there */
	uint64		directory;
	uint64		entries;		/* those that OpenSSL could open; 0: none */
} FileMarks;

struct TlsTrust
{
	dlist_node	node;			/* of TlsTrusts */
	int			users;

	/* as in TlsSettings; the text is NULL when files count */
	char	   *file;
	char	   *directory;
	char	   *certificates;

	FileMarks	marks;
	int64		look_us;		/* when to look again */
	int64		look_into_us;
	uint64		generation;
	X509_STORE *store;			/* NULL: nobody asked, or it cannot be had */
	HttpError	error;			/* why not; tried again after a look */
};

static TlsTrust *create(const TlsSettings *settings);
static char *copy(const char *string);
static bool is_of(const TlsTrust *trust, const TlsSettings *settings);
static void forget(TlsTrust *trust);
static void look(TlsTrust *trust);
static bool is_system(const TlsTrust *trust);
static const char *file_of(const TlsTrust *trust);
static const char *directory_of(const TlsTrust *trust);
static uint64 mark_of(const char *path);
static bool mark_entries(const char *directory, uint64 *mark);
static uint64 mark_of_entry(const char *directory, const char *name);
static X509_STORE *read_all(TlsTrust *trust);
static bool add_named(TlsTrust *trust, X509_STORE *store);
static bool add_text(TlsTrust *trust, X509_STORE *store);
static bool add_file(TlsTrust *trust, X509_STORE *store);
static bool add_directory(TlsTrust *trust, X509_STORE *store);
static bool add_pem(X509_STORE *store, BIO *bio);
static bool add_one(X509_STORE *store, const X509_INFO *info, int *count);

/* Begin with none. */
void
pgnet_tls_trusts_init(TlsTrusts *trusts)
{
	dlist_init(&trusts->list);
}

/* Find or make it. */
TlsTrust *
pgnet_tls_trust_use(TlsTrusts *trusts, const TlsSettings *settings)
{
	dlist_iter	iter;
	TlsTrust   *made;

	dlist_foreach(iter, &trusts->list)
	{
		TlsTrust   *trust = dlist_container(TlsTrust, node, iter.cur);

		if (!is_of(trust, settings))
			continue;
		dlist_move_head(&trusts->list, &trust->node);
		trust->users++;
		return trust;
	}
	made = create(settings);
	if (made != NULL)
		dlist_push_head(&trusts->list, &made->node);
	return made;
}

/* The last one frees it. */
void
pgnet_tls_trust_release(TlsTrust *trust)
{
	if (--trust->users > 0)
		return;
	dlist_delete(&trust->node);
	X509_STORE_free(trust->store);
	free(trust->file);
	free(trust->directory);
	free(trust->certificates);
	free(trust);
}

/* Look whether it is still the same. */
uint64
pgnet_tls_trust_generation(TlsTrust *trust)
{
	look(trust);
	return trust->generation;
}

/* Have it read. */
X509_STORE *
pgnet_tls_trust_store(TlsTrust *trust, HttpError *error)
{
	look(trust);
	if (trust->store == NULL && trust->error.problem == PGNET_NO_PROBLEM)
	{
		ERR_clear_error();
		trust->store = read_all(trust);
		ERR_clear_error();
	}
	if (trust->store == NULL && error->problem == PGNET_NO_PROBLEM)
		*error = trust->error;
	return trust->store;
}

/* Try to open something. */
bool
pgnet_tls_trust_lacks_descriptors(long verdict, HttpError *error)
{
	int			fd;

	if (verdict != X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT &&
		verdict != X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY &&
		verdict != X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN &&
		verdict != X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT)
		return false;
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return pgnet_tls_error_set_errno(error, errno);
	close(fd);
	return false;
}

/* Make one, with a user. */
static TlsTrust *
create(const TlsSettings *settings)
{
	TlsTrust   *trust = calloc(1, sizeof(TlsTrust));

	if (trust == NULL)
		return NULL;
	trust->file = copy(settings->ca_file);
	trust->directory = copy(settings->ca_directory);
	trust->certificates = copy(settings->ca_certificates);
	trust->users = 1;
	if (trust->file != NULL && trust->directory != NULL &&
		(trust->certificates != NULL || settings->ca_certificates == NULL))
		return trust;
	free(trust->file);
	free(trust->directory);
	free(trust->certificates);
	free(trust);
	return NULL;
}

/* Of nothing there is no copy. */
static char *
copy(const char *string)
{
	return string ? strdup(string) : NULL;
}

/* Is it what these settings ask for? */
static bool
is_of(const TlsTrust *trust, const TlsSettings *settings)
{
	if (trust->certificates != NULL || settings->ca_certificates != NULL)
		return trust->certificates != NULL &&
			settings->ca_certificates != NULL &&
			strcmp(trust->certificates, settings->ca_certificates) == 0;
	return strcmp(trust->file, settings->ca_file) == 0 &&
		strcmp(trust->directory, settings->ca_directory) == 0;
}

/* What was read is not so any more. */
static void
forget(TlsTrust *trust)
{
	X509_STORE_free(trust->store);
	trust->store = NULL;
	trust->generation++;
}

/* Look at the files, unless that was just done; what failed may go now. */
static void
look(TlsTrust *trust)
{
	int64		now_us = pgnet_monotonic_us();
	FileMarks	seen = trust->marks;

	if (now_us < trust->look_us)
		return;
	trust->look_us = now_us + LOOK_US;
	trust->error = (HttpError) {0};
	if (trust->certificates != NULL)
		return;

	seen.file = mark_of(file_of(trust));
	seen.directory = mark_of(directory_of(trust));
	if ((seen.directory != trust->marks.directory ||
		 now_us >= trust->look_into_us) &&
		mark_entries(directory_of(trust), &seen.entries))
		trust->look_into_us = now_us + LOOK_INTO_US;
	if (seen.file != trust->marks.file ||
		seen.directory != trust->marks.directory ||
		seen.entries != trust->marks.entries)
		forget(trust);
	trust->marks = seen;
}

/* Does nobody name authorities? */
static bool
is_system(const TlsTrust *trust)
{
	return trust->certificates == NULL && *trust->file == '\0' &&
		*trust->directory == '\0';
}

/* Where they are, in one file. */
static const char *
file_of(const TlsTrust *trust)
{
	return is_system(trust) ? X509_get_default_cert_file() : trust->file;
}

/* Where they are, in a file each. */
static const char *
directory_of(const TlsTrust *trust)
{
	return is_system(trust) ? X509_get_default_cert_dir() : trust->directory;
}

/* A number that becomes another one when a file does; 0: it is not there. */
static uint64
mark_of(const char *path)
{
	struct stat file;
	int64		seen[7];

	if (*path == '\0' || stat(path, &file) != 0)
		return 0;
	seen[0] = (int64) file.st_dev;
	seen[1] = (int64) file.st_ino;
	seen[2] = (int64) file.st_size;
	seen[3] = (int64) file.st_mtim.tv_sec;
	seen[4] = (int64) file.st_mtim.tv_nsec;
	seen[5] = (int64) file.st_ctim.tv_sec;
	seen[6] = (int64) file.st_ctim.tv_nsec;
	return hash_bytes_extended((unsigned char *) seen, sizeof(seen), 0) | 1;
}

/*
 * The same for the authorities of a directory, in whatever order.  False when
 * this machine lacks what it takes to look.
 */
static bool
mark_entries(const char *directory, uint64 *mark)
{
	DIR		   *dir = *directory ? opendir(directory) : NULL;
	const struct dirent *entry;

	if (dir == NULL && *directory != '\0' &&
		(errno == EMFILE || errno == ENFILE || errno == ENOMEM))
		return false;
	*mark = 0;
	if (dir == NULL)
		return true;
	while ((entry = readdir(dir)) != NULL)
		*mark += mark_of_entry(directory, entry->d_name);
	closedir(dir);
	return true;
}

/* The same for one; 0: OpenSSL would not look at a file of this name. */
static uint64
mark_of_entry(const char *directory, const char *name)
{
	char		path[MAXPGPATH];
	size_t		digits = strspn(name, "0123456789abcdef");

	if (digits != HASH_DIGITS || name[digits] != '.' ||
		snprintf(path, sizeof(path), "%s/%s", directory, name) >=
			(int) sizeof(path))
		return 0;
	return hash_bytes_extended((const unsigned char *) name,
							   (int) strlen(name), mark_of(path)) |
		1;
}

/* Read them; NULL, with the error of the trust: that failed. */
static X509_STORE *
read_all(TlsTrust *trust)
{
	X509_STORE *store = X509_STORE_new();
	bool		complete;

	if (store == NULL)
	{
		pgnet_error_set(&trust->error, PGNET_PROBLEM_MEMORY, "out of memory");
		return NULL;
	}
	if (trust->certificates != NULL)
		complete = add_text(trust, store);
	else
		complete = add_named(trust, store);
	if (complete)
		return store;
	X509_STORE_free(store);
	return NULL;
}

/*
 * Of a directory and a file take what is named.  Of the system's it is the
 * directory alone, if there are authorities in it: that costs nothing.
 */
static bool
add_named(TlsTrust *trust, X509_STORE *store)
{
	const FileMarks *marks = &trust->marks;

	if (!is_system(trust))
		return (*trust->directory == '\0' || add_directory(trust, store)) &&
			(*trust->file == '\0' || add_file(trust, store));
	if (marks->entries != 0)
		return add_directory(trust, store);
	return marks->file == 0 || add_file(trust, store);
}

/* Add those of the text. */
static bool
add_text(TlsTrust *trust, X509_STORE *store)
{
	BIO		   *bio = BIO_new_mem_buf(trust->certificates, -1);
	bool		added = bio != NULL && add_pem(store, bio);

	BIO_free(bio);
	if (!added && !pgnet_tls_error_set_shortage(&trust->error))
		pgnet_error_set(&trust->error, PGNET_PROBLEM_AUTHORITIES,
						"error importing CA certificate blob");
	return added;
}

/* Add those of the file. */
static bool
add_file(TlsTrust *trust, X509_STORE *store)
{
	BIO		   *bio = BIO_new_file(file_of(trust), "r");
	bool		added = bio != NULL && add_pem(store, bio);

	BIO_free(bio);
	if (!added && !pgnet_tls_error_set_shortage(&trust->error))
		pgnet_error_set(&trust->error, PGNET_PROBLEM_AUTHORITIES,
						"error setting certificate file: %s", file_of(trust));
	return added;
}

/* Have OpenSSL look in the directory; it need not exist. */
static bool
add_directory(TlsTrust *trust, X509_STORE *store)
{
	if (X509_STORE_load_path(store, directory_of(trust)) == 1)
		return true;
	if (!pgnet_tls_error_set_shortage(&trust->error))
		pgnet_error_set(&trust->error, PGNET_PROBLEM_AUTHORITIES,
						"error setting certificate path: %s",
						directory_of(trust));
	return false;
}

/* Add certificates, and lists of revoked ones; none, or a bad one, is wrong. */
static bool
add_pem(X509_STORE *store, BIO *bio)
{
	STACK_OF(X509_INFO) *all = PEM_X509_INFO_read_bio(bio, NULL,
													  pgnet_tls_no_passphrase,
													  NULL);
	int			count = 0;
	bool		added = all != NULL;

	for (int i = 0; added && i < sk_X509_INFO_num(all); i++)
		added = add_one(store, sk_X509_INFO_value(all, i), &count);
	sk_X509_INFO_pop_free(all, X509_INFO_free);
	return added && count > 0;
}

/* Add what is known of one. */
static bool
add_one(X509_STORE *store, const X509_INFO *info, int *count)
{
	if (info->x509 != NULL)
	{
		if (X509_STORE_add_cert(store, info->x509) != 1)
			return false;
		(*count)++;
	}
	if (info->crl != NULL)
	{
		if (X509_STORE_add_crl(store, info->crl) != 1)
			return false;
		(*count)++;
	}
	return true;
}
