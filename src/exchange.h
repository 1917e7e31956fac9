/*
 * exchange.h -- a request, and its outcome.
 *
 * Runs in: every process.  Both are plain values: nothing of SPI, of a
 * connection or of shared memory hangs on them.  In workers they belong to a
 * job: see job.h.
 */
#ifndef PGNET_EXCHANGE_H
#define PGNET_EXCHANGE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/palloc.h"

/* The longest URL there may be; servers take some 8 kB. */
#define PGNET_MAX_URL_BYTES 65536

/*
 * A name and a value: a header field (RFC 9110, section 6.3), a parameter of a
 * URL, a field of a form.  What users gave is in the database's encoding.
 */
typedef struct Field
{
	const char *name;
	const char *value;
} Field;

/* What became of a request. */
typedef enum HttpOutcomeKind
{
	PGNET_OUTCOME_PENDING,		/* not finished */
	PGNET_OUTCOME_ANSWERED,		/* a response came, whatever its status */
	PGNET_OUTCOME_TIMED_OUT,	/* timeout_ms went by first */
	PGNET_OUTCOME_FAILED,		/* no response; see error */
	PGNET_OUTCOME_NOT_SENT		/* a local resource was short; see shortage */
} HttpOutcomeKind;

/* What this machine can have too little of to send a request. */
typedef enum HttpShortage
{
	PGNET_SHORT_OF_NOTHING,
	PGNET_SHORT_OF_DESCRIPTORS,
	PGNET_SHORT_OF_PORTS,		/* for connections to this host alone */
	PGNET_SHORT_OF_MEMORY
} HttpShortage;

/* What a request failed at, if it is known better than from its error. */
typedef enum HttpFailure
{
	PGNET_FAILURE_OTHER,
	PGNET_FAILURE_CONNECT,		/* to find or reach the server, or a proxy */
	PGNET_FAILURE_TLS
} HttpFailure;

/* What came of a response that was not complete. */
typedef struct HttpPart
{
	int			status_code;
	const char *content_type;	/* as received; NULL when there was none */
	Field	   *headers;
	int			nheaders;
	char	   *content;		/* the beginning of the body, as it is kept */
	size_t		content_len;
	size_t		received;		/* bytes of the body that came */
} HttpPart;

/* More of a body that is not complete is not kept. */
#define PGNET_MAX_PART_BYTES ((size_t) 64 * 1024)

typedef struct HttpOutcome
{
	HttpOutcomeKind kind;
	int			status_code;	/* of the final response, when answered */
	const char *content_type;	/* as received; NULL when there was none */
	Field	   *headers;		/* as received, in order, repeated ones too */
	int			nheaders;
	const char *content;		/* exact bytes; NULL unless answered */
	size_t		content_len;
	bool		content_is_cut; /* there was more, which is not wanted */
	struct varlena *content_datum; /* content is the data of that, whose header
									* is free; NULL: of none */
	const char *not_stored;		/* why nothing large is stored, or NULL */
	const char *error;			/* NULL when answered */
	const HttpPart *part;		/* with an error; NULL: of none */
	HttpFailure failure;		/* of PGNET_OUTCOME_FAILED */
	bool		is_final;		/* another attempt would fail, too */
	bool		refused;		/* it was not allowed to go out */
	bool		bad_url;		/* the request's URL cannot be sent to */
	HttpShortage shortage;		/* why it was not sent */
	int			shortage_errno; /* who said so */
} HttpOutcome;

/* What becomes of a request after an attempt; policy/retry.h decides. */
typedef enum Disposition
{
	PGNET_DONE,					/* a response is stored, the request ends */
	PGNET_FAILED,				/* the same, with an error */
	PGNET_AGAIN,				/* it is sent again later */
	PGNET_GAVE_UP				/* as failed, but it is kept to be sent again */
} Disposition;

/* Marks a time in HttpMetrics that was not measured. */
#define PGNET_NOT_MEASURED (-1)

/* Room for an address of IPv6 as text. */
#define PGNET_ADDRESS_SIZE 46

/*
 * How sending a request went, well or not.  With redirects times are sums, and
 * all else is of the last response.  All zero as long as it was not sent.
 */
typedef struct HttpMetrics
{
	int			attempts;		/* how often it was sent */
	TimestampTz started;		/* when, the last time */

	/* in microseconds, or PGNET_NOT_MEASURED */
	int64		duration_us;	/* from started to the end */
	int64		dns_us;			/* the first three: of new connections only, */
	int64		connect_us;		/* and as long as they were reached */
	int64		tls_us;
	int64		first_byte_us;	/* from started to the response's first byte */

	int64		request_bytes;	/* of the body, as sent */
	int64		response_bytes; /* of the body, as received */
	const char *http_version;	/* static; NULL: no response came */
	const char *final_url;		/* NULL: no redirect was followed */
	char		remote_address[PGNET_ADDRESS_SIZE]; /* "": no connection */
	int			remote_port;
} HttpMetrics;

/* The newest version of HTTP a request is to be sent with. */
typedef enum HttpVersion
{
	PGNET_HTTP_UNSET,
	PGNET_HTTP_1_0,
	PGNET_HTTP_1_1,
	PGNET_HTTP_2				/* where TLS is there to agree on it */
} HttpVersion;

/* The addresses of a host that are connected to. */
typedef enum IpVersion
{
	PGNET_IP_ANY,
	PGNET_IP_V4,
	PGNET_IP_V6
} IpVersion;

/* The oldest version of TLS that is spoken. */
typedef enum TlsVersion
{
	PGNET_TLS_1_0,
	PGNET_TLS_1_1,
	PGNET_TLS_1_2,
	PGNET_TLS_1_3
} TlsVersion;

/* An option of HttpOptions that is not set; pgnet_option_set() is never it. */
#define PGNET_UNSET PG_INT32_MIN

static inline int64
pgnet_option_set(int64 value)
{
	return value == PGNET_UNSET ? PGNET_UNSET + 1 : value;
}

/* More than this no response may have; a worker holds some of them. */
#define PGNET_MAX_RESPONSE_BYTES ((int64) 256 * 1024 * 1024)

/* How to send a request, where it does not say so, as for all requests. */
typedef struct HttpOptions
{
	int			connect_timeout_ms; /* to have a connection, TLS included */
	int			max_redirects;	/* 0: a redirect is the answer */
	int64		max_response_bytes; /* of the body, decompressed */
	int			decompress;		/* false or true */
	HttpVersion http_version;
	/* names of headers for the origin alone, in order of pg_strcasecmp() */
	const char **same_origin_headers;
	int			nsame_origin_headers;
} HttpOptions;

#define PGNET_OPTIONS_UNSET \
	((HttpOptions) { \
		.connect_timeout_ms = PGNET_UNSET, \
		.max_redirects = PGNET_UNSET, \
		.max_response_bytes = PGNET_UNSET, \
		.decompress = PGNET_UNSET})

/* What a path to connect to begins with. */
#define PGNET_UNIX_SOCKET "unix:"

/*
 * Where a request to an endpoint goes.  Nobody who sees the request, or what
 * became of it, may see any of this.
 */
typedef struct HttpEndpoint
{
	const char *shown;			/* what is said instead: "net://name" */
	const char *url;			/* http or https, without references */
	bool		has_secret_url;
	const char *connect_to; /* host, host:port or PGNET_UNIX_SOCKET and a
							 * path; NULL: as the URL says */
	const char *client_certificate; /* with its key, PEM; NULL: none */
	const char *ca_certificates;	/* PEM; NULL: those for all requests */
	int64		keep_bytes;		/* of the body of the response; -1: all */
} HttpEndpoint;

/* What to send.  Nobody changes it between its loading and its outcome. */
typedef struct HttpRequest
{
	MemoryContext context;		/* everything below, and what is made of it */
	const char *method;
	const char *url;			/* as asked for; see pgnet_request_target() */
	const HttpEndpoint *endpoint;	/* NULL: it is none of an endpoint's */
	Field	   *headers;
	int			nheaders;
	const char *body;			/* NULL: no body; "" with body_len 0: empty */
	size_t		body_len;
	int			timeout_ms;
	HttpOptions options;

	/* of net.access_rule for the role, for redirects; NULL: none */
	const struct AccessRules *access_rules;

	/* a header has the value of a secret: not to be sent to another host */
	bool		carries_secret;
} HttpRequest;

/* The URL to send it to, which only http/ and what judges it may know. */
static inline const char *
pgnet_request_target(const HttpRequest *request)
{
	return request->endpoint ? request->endpoint->url : request->url;
}

/* The value of the first field of that name, in any case; or NULL. */
extern const char *pgnet_headers_find(const Field *headers, int nheaders,
									  const char *name);

/*
 * May a request of that method be sent twice without doing more than once
 * would?  Does not throw.
 */
extern bool pgnet_method_is_idempotent(const char *method);

/*
 * What is wrong with one part of a request, as a palloc'd sentence without a
 * period, or NULL when nothing is.  The same words serve the error at the
 * call and the response of a bad row.
 */
extern char *pgnet_method_problem(const char *method);
extern char *pgnet_url_length_problem(size_t length);
extern char *pgnet_body_problem(const char *method, bool has_body);
extern char *pgnet_header_problem(const Field *header);
extern char *pgnet_timeout_problem(int timeout_ms);
extern char *pgnet_options_problem(const HttpOptions *options);

/* The version called "1.0", "1.1" or "2"; NULL, or what is wrong as above. */
extern char *pgnet_http_version_parse(const char *name, HttpVersion *version);
extern const char *pgnet_http_version_name(HttpVersion version);

#endif							/* PGNET_EXCHANGE_H */
