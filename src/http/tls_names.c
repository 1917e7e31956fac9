/*
 * tls_names.c -- whose certificate is it?
 *
 * Runs in: workers.
 *
 * By RFC 9525, and where that leaves a choice, as libcurl chose.  OpenSSL's own
 * check is another one: it takes a common name although there are addresses,
 * and a name with an underscore never.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>

#include "http/tls_names.h"

/* More of a name is not shown. */
#define MAX_SHOWN_BYTES 100

/* Who is looked for. */
typedef struct Wanted
{
	const char *host;
	unsigned char address[PGNET_TLS_ADDRESS_BYTES];
	int			address_length; /* 0: it is a name */
} Wanted;

static bool find_alternative(const GENERAL_NAMES *names, const Wanted *wanted,
							 bool *any);
static bool is_name(const GENERAL_NAME *name);
static bool is_alternative(const GENERAL_NAME *name, const Wanted *wanted);
static bool is_common_name(X509 *certificate, const Wanted *wanted,
						   HttpError *error);
static const ASN1_STRING *last_common_name(X509 *certificate);
static bool matches(const char *pattern, size_t length, const char *host);
static bool matches_wildcard(const char *pattern, size_t length,
							 const char *host);
static bool equal(const char *one, const char *other, size_t length);
static void show(char *shown, const unsigned char *name, int length);

/* Which address is it? */
int
pgnet_tls_address(const char *host, unsigned char *address)
{
	if (inet_pton(AF_INET, host, address) == 1)
		return sizeof(struct in_addr);
	if (inet_pton(AF_INET6, host, address) == 1)
		return sizeof(struct in6_addr);
	return 0;
}

/*
 * Look among the alternative names.  Only when there are none the common name
 * counts, as it did by RFC 6125, section 6.4.4, and does for libcurl.
 */
bool
pgnet_tls_names(X509 *certificate, const char *host, HttpError *error)
{
	Wanted		wanted = {.host = host};
	bool		any = false;
	bool		found;
	int			critical;
	GENERAL_NAMES *names;

	wanted.address_length = pgnet_tls_address(host, wanted.address);
	names = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical,
							 NULL);
	found = find_alternative(names, &wanted, &any);
	/* not to be read, or there twice */
	if (names == NULL && critical != -1)
		any = true;
	GENERAL_NAMES_free(names);
	if (!any)
		return is_common_name(certificate, &wanted, error);
	if (!found)
		pgnet_error_set(error, PGNET_PROBLEM_VERIFICATION,
						"SSL: no alternative certificate subject name matches "
						"target host name '%s'",
						host);
	return found;
}

/* Is it one of these?  *any: there are some that could have been. */
static bool
find_alternative(const GENERAL_NAMES *names, const Wanted *wanted, bool *any)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
	{
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (!is_name(name))
			continue;
		*any = true;
		if (is_alternative(name, wanted))
			return true;
	}
	return false;
}

/* Is it the name of a host? */
static bool
is_name(const GENERAL_NAME *name)
{
	return name->type == GEN_DNS || name->type == GEN_IPADD;
}

/* Is it the one?  An address is never a name (RFC 9525, section 6.5). */
static bool
is_alternative(const GENERAL_NAME *name, const Wanted *wanted)
{
	const ASN1_STRING *value = name->type == GEN_DNS ? name->d.dNSName :
													   name->d.iPAddress;
	const unsigned char *bytes = ASN1_STRING_get0_data(value);
	int			length = ASN1_STRING_length(value);

	if (wanted->address_length == 0)
		return name->type == GEN_DNS &&
			matches((const char *) bytes, length, wanted->host);
	return name->type == GEN_IPADD && length == wanted->address_length &&
		memcmp(bytes, wanted->address, length) == 0;
}

/* Is it the common name? */
static bool
is_common_name(X509 *certificate, const Wanted *wanted, HttpError *error)
{
	const ASN1_STRING *name = last_common_name(certificate);
	unsigned char *text = NULL;
	int			length = name ? ASN1_STRING_to_UTF8(&text, name) : -1;
	char		shown[MAX_SHOWN_BYTES + 1];
	bool		found;

	if (length < 0)
	{
		pgnet_error_set(error, PGNET_PROBLEM_VERIFICATION,
						"SSL: unable to obtain common name from peer "
						"certificate");
		return false;
	}
	if (wanted->address_length == 0)
		found = matches((const char *) text, length, wanted->host);
	else
		found = length == (int) strlen(wanted->host) &&
			memcmp(text, wanted->host, length) == 0;
	show(shown, text, length);
	OPENSSL_free(text);
	if (!found)
		pgnet_error_set(error, PGNET_PROBLEM_VERIFICATION,
						"SSL: certificate subject name '%s' does not match "
						"target host name '%s'",
						shown, wanted->host);
	return found;
}

/* The most specific one comes last; NULL: there is none. */
static const ASN1_STRING *
last_common_name(X509 *certificate)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int			last = -1;
	int			next;

	while ((next = X509_NAME_get_index_by_NID(subject, NID_commonName,
											  last)) >= 0)
		last = next;
	if (last < 0)
		return NULL;
	return X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last));
}

/* Is a host of this name, which may have a wildcard or a dot at its end? */
static bool
matches(const char *pattern, size_t length, const char *host)
{
	if (memchr(pattern, '\0', length) != NULL)
		return false;
	if (length > 0 && pattern[length - 1] == '.')
		length--;
	if (length > 0 && length == strlen(host) && equal(pattern, host, length))
		return true;
	return matches_wildcard(pattern, length, host);
}

/*
 * A wildcard is a whole label, the first one, and stands for one label (RFC
 * 9525, section 6.3).  Behind it are two labels at least.
 */
static bool
matches_wildcard(const char *pattern, size_t length, const char *host)
{
	const char *rest = strchr(host, '.');

	if (length < 3 || pattern[0] != '*' || pattern[1] != '.')
		return false;
	pattern++;
	length--;
	if (memchr(pattern, '*', length) != NULL ||
		memchr(pattern + 1, '.', length - 1) == NULL)
		return false;
	return rest != NULL && rest > host && strlen(rest) == length &&
		equal(pattern, rest, length);
}

/* Are these the same, in any case of ASCII? */
static bool
equal(const char *one, const char *other, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (pg_ascii_tolower((unsigned char) one[i]) !=
			pg_ascii_tolower((unsigned char) other[i]))
			return false;
	return true;
}

/* Write a name that others chose: it is to stay within its quotes. */
static void
show(char *shown, const unsigned char *name, int length)
{
	length = Min(length, MAX_SHOWN_BYTES);
	for (int i = 0; i < length; i++)
		shown[i] = name[i] < ' ' || name[i] > '~' || name[i] == '\'' ?
			'?' :
			(char) name[i];
	shown[length] = '\0';
}
