/*
 * signing.c -- signatures of requests, as header fields.
 *
 * Runs in: workers.
 *
 * Receivers verify a signature over the bytes they got, with a time that they
 * compare with theirs: so a request is signed anew each time it is sent.  To
 * rotate a key there are two for a while, and a signature by each; GitHub's
 * receivers expect one.
 */
#include "postgres.h"

#include "common/base64.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include "policy/signing.h"

#define SYMMETRIC_PREFIX "whsec_"
#define ED25519_PREFIX "whsk_"

/* The size of a key of HMAC, decoded (Standard Webhooks, Signature scheme). */
#define MIN_KEY_BYTES 24
#define MAX_KEY_BYTES 64

/* Written in base64 it is shorter than this, blanks between included. */
#define MAX_KEY_TEXT_BYTES 128

/* Of ed25519 (RFC 8032, 5.1.5 and 5.1.6); a seed may have its public key. */
#define SEED_BYTES 32
#define PUBLIC_KEY_BYTES 32
#define SIGNATURE_BYTES 64

/* A key, decoded. */
typedef struct Key
{
	uint8		bytes[MAX_KEY_BYTES];
	int			length;
} Key;

/* What goes before the body in what is signed, and the body. */
typedef struct Content
{
	const char *prefix;
	const SignedMessage *message;
} Content;

/* A signature by one secret; NULL: its value is no key. */
typedef char *(*SignWith) (const char *secret, const Content *content);

static char *sign_with_each(const Field *secrets, int nsecrets, SignWith sign,
							const Content *content, const char *mark,
							char **problem);
static char *sign_standard(const char *secret, const Content *content);
static bool decode_key(const char *base64, Key *key);
static char *sign_ed25519(const Key *key, const Content *content);
static EVP_PKEY *make_ed25519_key(const Key *key);
static char *base64_of(const uint8 *bytes, int length);
static char *sign_hex(const char *secret, const Content *content);
static void hmac(const uint8 *key, size_t length, const Content *content,
				 uint8 digest[PG_SHA256_DIGEST_LENGTH]);

bool
pgnet_signing_scheme(const char *name, SigningScheme *scheme)
{
	static const char *const names[] = {
		[PGNET_SIGNING_STANDARD] = "standard",
		[PGNET_SIGNING_GITHUB] = "github",
		[PGNET_SIGNING_STRIPE] = "stripe"
	};

	for (int i = 0; i < (int) lengthof(names); i++)
		if (strcmp(name, names[i]) == 0)
		{
			*scheme = (SigningScheme) i;
			return true;
		}
	return false;
}

int
pgnet_signing_sign(SigningScheme scheme, const Field *secrets, int nsecrets,
				   const SignedMessage *message,
				   Field fields[PGNET_SIGNING_MAX_FIELDS], char **problem)
{
	Content		content = {.message = message};
	char	   *seconds = psprintf(INT64_FORMAT, message->seconds);
	char	   *signatures;

	switch (scheme)
	{
		case PGNET_SIGNING_STANDARD:
			content.prefix = psprintf("%s.%s.", message->id, seconds);
			signatures = sign_with_each(secrets, nsecrets, sign_standard,
										&content, " ", problem);
			if (signatures == NULL)
				return -1;
			fields[0] = (Field) {"webhook-id", message->id};
			fields[1] = (Field) {"webhook-timestamp", seconds};
			fields[2] = (Field) {"webhook-signature",
								 signatures + strlen(" ")};
			return 3;
		case PGNET_SIGNING_GITHUB:
			content.prefix = "";
			signatures = sign_with_each(secrets, 1, sign_hex, &content,
										"sha256=", problem);
			if (signatures == NULL)
				return -1;
			fields[0] = (Field) {"X-Hub-Signature-256", signatures};
			return 1;
		case PGNET_SIGNING_STRIPE:
			content.prefix = psprintf("%s.", seconds);
			signatures = sign_with_each(secrets, nsecrets, sign_hex, &content,
										",v1=", problem);
			if (signatures == NULL)
				return -1;
			fields[0] = (Field) {"Stripe-Signature",
								 psprintf("t=%s%s", seconds, signatures)};
			return 1;
	}
	pg_unreachable();
}

/* The signatures by each secret, each after a mark; or NULL and the problem. */
static char *
sign_with_each(const Field *secrets, int nsecrets, SignWith sign,
			   const Content *content, const char *mark, char **problem)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < nsecrets; i++)
	{
		char	   *signature = sign(secrets[i].value, content);

		if (signature == NULL)
		{
			*problem = psprintf("secret \"%s\" is not a signing key",
								secrets[i].name);
			return NULL;
		}
		appendStringInfo(&list, "%s%s", mark, signature);
	}
	return list.data;
}

/* SignWith: as Standard Webhooks has it. */
static char *
sign_standard(const char *secret, const Content *content)
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	Key			key = {.length = 0};

	if (strncmp(secret, ED25519_PREFIX, strlen(ED25519_PREFIX)) == 0)
		return decode_key(secret + strlen(ED25519_PREFIX), &key) ?
			sign_ed25519(&key, content) :
			NULL;
	if (strncmp(secret, SYMMETRIC_PREFIX, strlen(SYMMETRIC_PREFIX)) == 0)
		secret += strlen(SYMMETRIC_PREFIX);
	if (!decode_key(secret, &key) || key.length < MIN_KEY_BYTES)
		return NULL;
	hmac(key.bytes, key.length, content, digest);
	return psprintf("v1,%s", base64_of(digest, sizeof(digest)));
}

/* Decode a key that is not too long. */
static bool
decode_key(const char *base64, Key *key)
{
	size_t		length = strlen(base64);
	/* uint8 from 18 on, char before */
	void	   *bytes = key->bytes;

	if (length > MAX_KEY_TEXT_BYTES)
		return false;
	key->length = pg_b64_decode(base64, (int) length, bytes, MAX_KEY_BYTES);
	return key->length >= 0;
}

/* The same by ed25519; NULL: the key is none, or OpenSSL does not have it. */
static char *
sign_ed25519(const Key *key, const Content *content)
{
	uint8		signature[SIGNATURE_BYTES];
	size_t		length = sizeof(signature);
	EVP_PKEY   *pkey = make_ed25519_key(key);
	EVP_MD_CTX *context = pkey ? EVP_MD_CTX_new() : NULL;
	StringInfoData text;
	bool		signed_it;

	/* it is hashed twice: no way to do that piece by piece */
	initStringInfo(&text);
	appendStringInfoString(&text, content->prefix);
	if (content->message->body_len > 0)
		appendBinaryStringInfo(&text, content->message->body,
							   (int) content->message->body_len);
	signed_it = context != NULL &&
		EVP_DigestSignInit(context, NULL, NULL, NULL, pkey) == 1 &&
		EVP_DigestSign(context, signature, &length, (uint8 *) text.data,
					   text.len) == 1;
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(pkey);
	ERR_clear_error();
	if (!signed_it)
		return NULL;
	return psprintf("v1a,%s", base64_of(signature, (int) length));
}

/* A seed, or a seed with the public key that belongs to it; or NULL. */
static EVP_PKEY *
make_ed25519_key(const Key *key)
{
	uint8		public_key[PUBLIC_KEY_BYTES];
	size_t		length = sizeof(public_key);
	EVP_PKEY   *pkey;

	if (key->length != SEED_BYTES &&
		key->length != SEED_BYTES + PUBLIC_KEY_BYTES)
		return NULL;
	pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key->bytes,
										SEED_BYTES);
	if (pkey == NULL || key->length == SEED_BYTES)
		return pkey;
	if (EVP_PKEY_get_raw_public_key(pkey, public_key, &length) == 1 &&
		memcmp(public_key, key->bytes + SEED_BYTES, PUBLIC_KEY_BYTES) == 0)
		return pkey;
	EVP_PKEY_free(pkey);
	return NULL;
}

/* Bytes in base64. */
static char *
base64_of(const uint8 *bytes, int length)
{
	int			room = pg_b64_enc_len(length);
	char	   *text = palloc(room + 1);
	/* as for decoding */
	const void *source = bytes;
	int			written = pg_b64_encode(source, length, text, room);

	if (written < 0)
		elog(ERROR, "could not encode a signature");
	text[written] = '\0';
	return text;
}

/* SignWith: the value is the key as it is, and the signature hexadecimal. */
static char *
sign_hex(const char *secret, const Content *content)
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char	   *digits = palloc(2 * sizeof(digest) + 1);

	if (*secret == '\0')
		return NULL;
	hmac((const uint8 *) secret, strlen(secret), content, digest);
	digits[hex_encode((const char *) digest, sizeof(digest), digits)] = '\0';
	return digits;
}

/* HMAC-SHA256 (RFC 2104). */
static void
hmac(const uint8 *key, size_t length, const Content *content,
	 uint8 digest[PG_SHA256_DIGEST_LENGTH])
{
	const SignedMessage *message = content->message;
	pg_hmac_ctx *context = pg_hmac_create(PG_SHA256);

	if (pg_hmac_init(context, key, length) < 0 ||
		pg_hmac_update(context, (const uint8 *) content->prefix,
					   strlen(content->prefix)) < 0 ||
		pg_hmac_update(context, (const uint8 *) message->body,
					   message->body_len) < 0 ||
		pg_hmac_final(context, digest, PG_SHA256_DIGEST_LENGTH) < 0)
		elog(ERROR, "could not compute an HMAC: %s", pg_hmac_error(context));
	pg_hmac_free(context);
}
