/*
 * tls.c -- fuzzes src/http/tls.c: what comes while TLS is spoken.
 *
 * At the other end is either the input itself, or a server of OpenSSL, with
 * the input for a plan: when which side does what, and how the bytes between
 * them are cut, held back or changed.
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "fuzz.h"
#include "http/tls.h"
#include "http/tls_names.h"

/* What both ends say, over and over. */
#define PERIOD 251
#define SAID_BYTES 20000

/* More is not done for one input. */
#define MAX_STEPS 500
#define CONNECTIONS 3

/* What is done with bytes of the server, instead of giving so many. */
enum
{
	WIRE_AGAIN = 0,
	WIRE_CHANGE = 254,
	WIRE_CUT = 255
};

/* The stream below: a wire with a server at its end, or with bytes alone. */
typedef struct Wire
{
	Stream		stream;			/* first */
	SSL		   *server;			/* NULL: bytes alone */
	BIO		   *to_server;
	BIO		   *to_client;
	bool		cut;
	bool		blocked;		/* the last call said "again" */
	bool		closed;
	size_t		server_wrote;
	size_t		server_read;
} Wire;

/* What is left of the input. */
static const uint8 *plan;
static size_t plan_size;

static char *certificate;		/* PEM, with its key */
static SSL_CTX *context;

static void prepare(void);
static X509 *make_certificate(EVP_PKEY *key, const char *name);
static void add_names(X509 *made, const char *name);
static char *to_pem(X509 *made, EVP_PKEY *key);
static int	choose_protocol(SSL *ssl, const unsigned char **chosen,
							unsigned char *length,
							const unsigned char *offered, unsigned int size,
							void *arg);
static void feed(uint8 flags);
static void converse(TlsStore *store, uint8 flags);
static Stream *open_tls(TlsStore *store, Wire *wire, uint8 flags);
static Wire *make_wire(bool has_server, uint8 flags);
static void step(Wire *wire, Stream *tls, bool *open, bool right);
static void read_client(Wire *wire, Stream *tls);
static void write_client(Stream *tls);
static void serve(Wire *wire, uint8 what);
static void check_again(const Wire *wire, const Stream *tls);
static bool is_said(const char *bytes, size_t at, size_t length);
static void say(char *bytes, size_t at, size_t length);
static uint8 next_byte(void);
static ssize_t read_wire(Stream *stream, void *bytes, size_t size);
static ssize_t write_wire(Stream *stream, const void *bytes, size_t length);
static bool has_pending(Stream *stream);
static bool is_quiet(Stream *stream);
static void close_wire(Stream *stream);
static void check_names(void);

/* How much the client wrote, and read, on the connection of the moment. */
static size_t client_wrote;
static size_t client_read;

static const StreamOperations operations = {
	.read = read_wire,
	.write = write_wire,
	.has_pending = has_pending,
	.is_quiet = is_quiet,
	.close = close_wire
};

/* A byte of flags; the rest, what the server sends, a plan, or two names. */
void
fuzz_tls(const uint8 *data, size_t size)
{
	uint8		flags;

	if (context == NULL)
		prepare();
	plan = data;
	plan_size = size;
	flags = next_byte();
	if (flags % 4 == 0)
		feed(flags);
	else if (flags % 4 == 1)
		check_names();
	else
	{
		TlsStore   *store = pgnet_tls_store_create();

		FUZZ_CHECK(store != NULL);
		for (int i = 0; i < CONNECTIONS && plan_size > 0; i++)
			converse(store, flags);
		pgnet_tls_store_free(store);
	}
	FUZZ_CHECK(ERR_peek_error() == 0);
}

/* Make a certificate that is its own authority, and a server that has it. */
static void
prepare(void)
{
	EVP_PKEY   *key = EVP_EC_gen("P-256");
	X509	   *made = make_certificate(key, "DNS:localhost");

	certificate = to_pem(made, key);
	context = SSL_CTX_new(TLS_server_method());
	FUZZ_CHECK(SSL_CTX_use_certificate(context, made) == 1);
	FUZZ_CHECK(SSL_CTX_use_PrivateKey(context, key) == 1);
	FUZZ_CHECK(SSL_CTX_set_session_id_context(context, (uint8 *) "f", 1) == 1);
	SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
	SSL_CTX_set_mode(context,
					 SSL_MODE_ENABLE_PARTIAL_WRITE |
						 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	X509_free(made);
	EVP_PKEY_free(key);
}

/* Make one for a name, which is "" for none. */
static X509 *
make_certificate(EVP_PKEY *key, const char *name)
{
	X509	   *made = X509_new();
	X509_NAME  *subject = X509_get_subject_name(made);

	X509_set_version(made, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(made), -3600);
	X509_gmtime_adj(X509_getm_notAfter(made), 24 * 3600);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (uint8 *) "fuzz",
							   -1, -1, 0);
	X509_set_issuer_name(made, subject);
	X509_set_pubkey(made, key);
	add_names(made, name);
	FUZZ_CHECK(X509_sign(made, key, EVP_sha256()) > 0);
	return made;
}

/* Add an extension with alternative names. */
static void
add_names(X509 *made, const char *name)
{
	X509_EXTENSION *extension;

	extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, name);
	FUZZ_CHECK(extension != NULL);
	FUZZ_CHECK(X509_add_ext(made, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

/* Write both as PEM, to stay. */
static char *
to_pem(X509 *made, EVP_PKEY *key)
{
	BIO		   *bio = BIO_new(BIO_s_mem());
	char	   *bytes;
	char	   *text;
	long		length;

	FUZZ_CHECK(PEM_write_bio_X509(bio, made) == 1);
	FUZZ_CHECK(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL,
										NULL) == 1);
	length = BIO_get_mem_data(bio, &bytes);
	text = strndup(bytes, length);
	BIO_free(bio);
	return text;
}

/* Of OpenSSL: the server prefers HTTP/2. */
static int
choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *length,
				const unsigned char *offered, unsigned int size, void *arg)
{
	static const unsigned char ours[] = "\x02h2\x08http/1.1";

	return SSL_select_next_proto((unsigned char **) chosen, length, ours,
								 sizeof(ours) - 1, offered, size) ==
			OPENSSL_NPN_NEGOTIATED ?
		SSL_TLSEXT_ERR_OK :
		SSL_TLSEXT_ERR_NOACK;
}

/* The input is all that the server sends: nobody can be taken for it. */
static void
feed(uint8 flags)
{
	TlsStore   *store = pgnet_tls_store_create();
	Wire	   *wire = make_wire(false, flags);
	Stream	   *tls;
	TlsStatus	status;
	uint8		cuts = next_byte();

	FUZZ_CHECK(store != NULL);
	BIO_write(wire->to_client, plan, (int) plan_size);
	/* from here on it is cut in pieces of that size */
	plan = NULL;
	plan_size = cuts;
	tls = open_tls(store, wire, flags);
	for (int i = 0; i < MAX_STEPS; i++)
	{
		status = pgnet_tls_handshake(tls);
		FUZZ_CHECK(status != PGNET_TLS_READY);
		if (status == PGNET_TLS_FAILED)
			break;
		check_again(wire, tls);
		if (BIO_pending(wire->to_client) == 0)
			wire->cut = true;
	}
	pgnet_stream_close(tls);
	pgnet_tls_store_free(store);
}

/* Both ends do what the plan says. */
static void
converse(TlsStore *store, uint8 flags)
{
	Wire	   *wire = make_wire(true, flags);
	Stream	   *tls = open_tls(store, wire, flags);
	bool		open = false;

	client_wrote = client_read = 0;
	for (int i = 0; i < MAX_STEPS && plan_size > 0 &&
		 tls->error.problem == PGNET_NO_PROBLEM;
		 i++)
		step(wire, tls, &open, (flags & 0x04) == 0);
	pgnet_stream_close(tls);
	ERR_clear_error();
}

/* Begin, with the right host or with another one. */
static Stream *
open_tls(TlsStore *store, Wire *wire, uint8 flags)
{
	TlsSettings settings = {
		.ca_file = "",
		.ca_directory = "",
		.ca_certificates = certificate,
		.client_certificate = flags & 0x20 ? certificate : NULL,
		.min_version = PGNET_TLS_1_2,
		.offers_http2 = (flags & 0x10) != 0
	};
	HttpError	error = {0};
	Stream	   *tls = pgnet_tls_open(store, &settings, &wire->stream,
									 flags & 0x04 ? "other" : "localhost",
									 443, "", &error);

	FUZZ_CHECK(tls != NULL);
	return tls;
}

/* Make a wire. */
static Wire *
make_wire(bool has_server, uint8 flags)
{
	Wire	   *wire = calloc(1, sizeof(Wire));

	wire->stream.operations = &operations;
	wire->to_server = BIO_new(BIO_s_mem());
	wire->to_client = BIO_new(BIO_s_mem());
	if (!has_server)
		return wire;
	BIO_set_mem_eof_return(wire->to_server, -1);
	wire->server = SSL_new(context);
	SSL_set_max_proto_version(wire->server,
							  flags & 0x08 ? TLS1_2_VERSION : TLS1_3_VERSION);
	if (flags & 0x20)
		SSL_set_verify(wire->server, SSL_VERIFY_PEER, NULL);
	SSL_set_accept_state(wire->server);
	BIO_up_ref(wire->to_server);
	BIO_up_ref(wire->to_client);
	SSL_set_bio(wire->server, wire->to_server, wire->to_client);
	return wire;
}

/* One step of the client, or of the server. */
static void
step(Wire *wire, Stream *tls, bool *open, bool right)
{
	uint8		what = next_byte();

	if (what >= 0x80)
		serve(wire, what);
	else if (!*open)
	{
		TlsStatus	status = pgnet_tls_handshake(tls);

		FUZZ_CHECK(right || status != PGNET_TLS_READY);
		FUZZ_CHECK((status == PGNET_TLS_FAILED) ==
				   (tls->error.problem != PGNET_NO_PROBLEM));
		if (status == PGNET_TLS_AGAIN)
			check_again(wire, tls);
		*open = status == PGNET_TLS_READY;
		if (*open)
			(void) pgnet_tls_speaks_http2(tls);
	}
	else if (what < 0x40)
		read_client(wire, tls);
	else if (what < 0x70)
		write_client(tls);
	else if (pgnet_stream_is_quiet(tls))
		FUZZ_CHECK(!pgnet_stream_has_pending(tls));
	FUZZ_CHECK(tls->bytes_in == wire->stream.bytes_in);
	FUZZ_CHECK(tls->bytes_out == wire->stream.bytes_out);
}

/* What arrives was said, and the end, too. */
static void
read_client(Wire *wire, Stream *tls)
{
	char		bytes[SAID_BYTES];
	ssize_t		got = pgnet_stream_read(tls, bytes, next_byte() * 64 + 1);

	if (got == PGNET_STREAM_AGAIN)
		check_again(wire, tls);
	else if (got == PGNET_STREAM_FAILED)
		FUZZ_CHECK(tls->error.problem == PGNET_PROBLEM_RECEIVE);
	else if (got == PGNET_STREAM_END)
		FUZZ_CHECK(wire->closed && client_read == wire->server_wrote);
	else
	{
		FUZZ_CHECK(is_said(bytes, client_read, got));
		client_read += got;
		FUZZ_CHECK(client_read <= wire->server_wrote);
	}
}

/* What was not taken is written again, and more. */
static void
write_client(Stream *tls)
{
	static char bytes[SAID_BYTES];
	ssize_t		taken;

	(void) next_byte();
	say(bytes, client_wrote, sizeof(bytes));
	taken = pgnet_stream_write(tls, bytes, sizeof(bytes));
	FUZZ_CHECK(taken != 0 && taken <= (ssize_t) sizeof(bytes));
	if (taken > 0)
		client_wrote += taken;
}

/* The server does something. */
static void
serve(Wire *wire, uint8 what)
{
	char		bytes[SAID_BYTES];
	int			length = next_byte() * 64 + 1;
	int			result;

	if (wire->closed)
		return;
	switch (what % 8)
	{
		case 0:
			say(bytes, wire->server_wrote, length);
			result = SSL_write(wire->server, bytes, length);
			if (result > 0)
				wire->server_wrote += result;
			break;
		case 1:
			(void) SSL_key_update(wire->server, length % 2);
			(void) SSL_do_handshake(wire->server);
			break;
		case 2:
			(void) SSL_new_session_ticket(wire->server);
			(void) SSL_do_handshake(wire->server);
			break;
		case 3:
			(void) SSL_renegotiate(wire->server);
			(void) SSL_do_handshake(wire->server);
			break;
		case 4:
			if (length > 64 * 200)
				wire->closed = SSL_shutdown(wire->server) >= 0;
			break;
		default:
			result = SSL_read(wire->server, bytes, length);
			if (result > 0)
			{
				FUZZ_CHECK(is_said(bytes, wire->server_read, result));
				wire->server_read += result;
			}
	}
	ERR_clear_error();
}

/* It goes on when the wire does; so it must have said that it cannot. */
static void
check_again(const Wire *wire, const Stream *tls)
{
	FUZZ_CHECK(!tls->wants_write ||
			   (wire->blocked && wire->stream.wants_write));
}

/* Is that what comes there? */
static bool
is_said(const char *bytes, size_t at, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((uint8) bytes[i] != (at + i) % PERIOD)
			return false;
	return true;
}

/* Say what comes there. */
static void
say(char *bytes, size_t at, size_t length)
{
	for (size_t i = 0; i < length; i++)
		bytes[i] = (char) ((at + i) % PERIOD);
}

/* The next byte of the plan; when there is none, what goes on. */
static uint8
next_byte(void)
{
	if (plan_size == 0)
		return 1;
	if (plan == NULL)
		return (uint8) plan_size;
	plan_size--;
	return *plan++;
}

/* Give as many bytes as the plan says, and perhaps not the right ones. */
static ssize_t
read_wire(Stream *stream, void *bytes, size_t size)
{
	Wire	   *wire = (Wire *) stream;
	uint8		what = next_byte();
	int			got = 0;

	wire->blocked = false;
	if (what == WIRE_CUT && wire->server != NULL)
		wire->cut = true;
	if (wire->cut && BIO_pending(wire->to_client) == 0)
		return PGNET_STREAM_END;
	if (what != WIRE_AGAIN)
		got = BIO_read(wire->to_client, bytes,
					   (int) Min(size, what >= 0x80 ? 65536 : what));
	if (got <= 0)
	{
		wire->blocked = true;
		stream->wants_write = false;
		return PGNET_STREAM_AGAIN;
	}
	if (what == WIRE_CHANGE && wire->server != NULL)
		((uint8 *) bytes)[next_byte() % got] ^= 1 << next_byte() % 8;
	stream->bytes_in += got;
	return got;
}

/* Take as many. */
static ssize_t
write_wire(Stream *stream, const void *bytes, size_t length)
{
	Wire	   *wire = (Wire *) stream;
	uint8		what = next_byte();

	wire->blocked = what == WIRE_AGAIN;
	if (wire->blocked)
	{
		stream->wants_write = true;
		return PGNET_STREAM_AGAIN;
	}
	if (what == WIRE_CUT && wire->server != NULL)
	{
		stream->error.system_errno = EPIPE;
		pgnet_error_set(&stream->error, PGNET_PROBLEM_SEND, "cut");
		return PGNET_STREAM_FAILED;
	}
	length = Min(length, what >= 0x80 ? 65536 : what);
	BIO_write(wire->to_server, bytes, (int) length);
	stream->bytes_out += length;
	return (ssize_t) length;
}

/* A wire has nothing that it does not show. */
static bool
has_pending(Stream *stream)
{
	return false;
}

/* TLS does not ask. */
static bool
is_quiet(Stream *stream)
{
	FUZZ_CHECK(false);
	return false;
}

/* It is over. */
static void
close_wire(Stream *stream)
{
	Wire	   *wire = (Wire *) stream;

	SSL_free(wire->server);
	BIO_free(wire->to_server);
	BIO_free(wire->to_client);
	free(wire);
}

/*
 * Two strings, the host and the name in a certificate: what OpenSSL takes for
 * the same we do, too, and what we do ends alike.
 */
static void
check_names(void)
{
	const char *host = fuzz_string(&plan, &plan_size);
	const char *name = fuzz_string(&plan, &plan_size);
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	GENERAL_NAME *one = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	X509	   *made = X509_new();
	HttpError	error = {0};
	uint8		address[PGNET_TLS_ADDRESS_BYTES];
	bool		fits;

	if (host == NULL || name == NULL)
		host = name = "";
	FUZZ_CHECK(ASN1_STRING_set(text, name, (int) strlen(name)) == 1);
	GENERAL_NAME_set0_value(one, GEN_DNS, text);
	sk_GENERAL_NAME_push(names, one);
	FUZZ_CHECK(X509_add1_ext_i2d(made, NID_subject_alt_name, names, 0, 0) == 1);
	fits = pgnet_tls_names(made, host, &error);
	FUZZ_CHECK(fits == (error.problem == PGNET_NO_PROBLEM));
	if (fits)
	{
		FUZZ_CHECK(pgnet_tls_address(host, address) == 0);
		FUZZ_CHECK(strchr(name, '.') != NULL || strpbrk(host, ".") == NULL);
	}
	else
		/* OpenSSL takes a host that begins with a dot for all below it */
		FUZZ_CHECK(*host == '\0' || *host == '.' ||
				   pgnet_tls_address(host, address) > 0 ||
				   X509_check_host(made, host, 0,
								   X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
								   NULL) != 1);
	X509_free(made);
	GENERAL_NAMES_free(names);
	ERR_clear_error();
}
