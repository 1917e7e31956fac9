/*
 * setup.c -- one step of a request as options of a libcurl handle.
 *
 * Runs in: workers.
 *
 * The environment of the server decides nothing: proxies, .netrc, cookies and
 * the like are off unless set here.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "utils/palloc.h"

#include "allocate.h"
#include "compat.h"
#include "http/decoder.h"
#include "http/method.h"
#include "http/route.h"
#include "http/setup.h"
#include "http/trust.h"
#include "policy/header_rules.h"

/* What a body that fits needs no larger buffer than; libcurl's least. */
#define SMALL_BODY_BYTES ((size_t) 16 * 1024)

static bool set_url(Setup *setup, const HttpRequest *request, const Hop *hop);
static bool set_basics(Setup *setup, const Hop *hop,
					   const HttpDefaults *defaults);
static bool set_version(Setup *setup, const HttpRequest *request,
						const Hop *hop, const HttpDefaults *defaults);
static bool set_tls(Setup *setup, const HttpRequest *request,
					const HttpDefaults *defaults);
static bool set_client_certificate(Setup *setup, const char *pem);
static bool set_reuse(Setup *setup, const Hop *hop,
					  const HttpDefaults *defaults);
static bool set_method(Setup *setup, const HttpRequest *request,
					   const Hop *hop);
static bool sends_body(const HttpRequest *request, const Hop *hop);
static bool set_header_lines(Setup *setup, const HttpRequest *request,
							 const Hop *hop, const HttpDefaults *defaults);
static bool add_header(Setup *setup, const HttpRequest *request,
					   const Field *header);
static bool add_header_line(Setup *setup, const HttpRequest *request,
							const char *name, const char *separator,
							const char *value);
static bool is_https(const char *url);

#define SET(option, value) PGNET_SETUP(setup, option, value)

/* An option of the request, or else of all requests. */
#define OPTION(name) \
	(request->options.name != PGNET_UNSET ? request->options.name : \
											defaults->options.name)

/* Remember the first that is refused. */
bool
pgnet_setup_taken(Setup *setup, CURLcode result, const char *option)
{
	if (result == CURLE_OK)
		return true;
	setup->refused = result;
	setup->refused_option = option;
	return false;
}

/* Set all that does not concern how the answer is received. */
bool
pgnet_setup_hop(Setup *setup, const HttpRequest *request, const Hop *hop,
				const HttpDefaults *defaults)
{
	return set_url(setup, request, hop) &&
		set_basics(setup, hop, defaults) &&
		set_version(setup, request, hop, defaults) &&
		pgnet_route_set(setup, request, defaults) &&
		(!is_https(hop->url) || set_tls(setup, request, defaults)) &&
		set_reuse(setup, hop, defaults) &&
		set_method(setup, request, hop) &&
		set_header_lines(setup, request, hop, defaults);
}

/* Free what libcurl borrowed. */
void
pgnet_setup_free(Setup *setup)
{
	pgnet_parsed_url_end(setup->url);
	setup->url = NULL;
	while (setup->header_lines != NULL)
	{
		struct curl_slist *line = setup->header_lines;

		setup->header_lines = line->next;
		pfree(line);
	}
	curl_slist_free_all(setup->connect_to);
	setup->last_line = setup->connect_to = NULL;
}

/*
 * The URL, parsed if that was done before; then its normal form is known.  One
 * with a secret is not remembered.
 */
static bool
set_url(Setup *setup, const HttpRequest *request, const Hop *hop)
{
	if (request->endpoint == NULL || !request->endpoint->has_secret_url)
		setup->url = pgnet_parsed_urls_find(setup->urls, hop->url);
	if (setup->url == NULL)
		return SET(CURLOPT_URL, hop->url);
	return SET(CURLOPT_URL, setup->url->normal) &&
		SET(CURLOPT_CURLU, setup->url->handle);
}

/*
 * What is off, and how long libcurl may take to have a connection, which it
 * divides among the addresses of the host.  The timeout of the whole request
 * is ours (deadlines.c).
 */
static bool
set_basics(Setup *setup, const Hop *hop, const HttpDefaults *defaults)
{
	const char *user_agent = defaults->user_agent;

	if (*user_agent == '\0')
		user_agent = NULL;
	return
#ifdef PGNET_CURL_PROTOCOLS_STR
		SET(CURLOPT_PROTOCOLS_STR, "http,https") &&
#else
		SET(CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS) &&
#endif
#ifdef PGNET_CURL_QUICK_EXIT
		/* a resolver that hangs must not hold up the end of its transfer */
		SET(CURLOPT_QUICK_EXIT, 1L) &&
#endif
		SET(CURLOPT_NOSIGNAL, 1L) &&
		SET(CURLOPT_USERAGENT, user_agent) &&
		SET(CURLOPT_CONNECTTIMEOUT_MS, (long) hop->connect_timeout_ms);
}

/*
 * The version of HTTP.  HTTP/2 is negotiated within TLS only, so waiting to
 * learn whether a connection can be shared makes no sense for http.
 */
static bool
set_version(Setup *setup, const HttpRequest *request, const Hop *hop,
			const HttpDefaults *defaults)
{
	HttpVersion version = request->options.http_version;
	bool		https = is_https(hop->url);

	if (version == PGNET_HTTP_UNSET)
		version = defaults->options.http_version;
	setup->http2 = version == PGNET_HTTP_2 && https;
	if (setup->http2)
		return SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_2TLS) &&
			SET(CURLOPT_PIPEWAIT, PGNET_CURL_PIPEWAIT) &&
			SET(CURLOPT_BUFFERSIZE, PGNET_CURL_HTTP2_BUFFER_SIZE);
	return SET(CURLOPT_HTTP_VERSION,
			   (long) (version == PGNET_HTTP_1_0 ? CURL_HTTP_VERSION_1_0 :
												   CURL_HTTP_VERSION_1_1));
}

/* Whom to talk to, and how. */
static bool
set_tls(Setup *setup, const HttpRequest *request, const HttpDefaults *defaults)
{
	static const long versions[] = {
		[PGNET_TLS_1_0] = CURL_SSLVERSION_TLSv1_0,
		[PGNET_TLS_1_1] = CURL_SSLVERSION_TLSv1_1,
		[PGNET_TLS_1_2] = CURL_SSLVERSION_TLSv1_2,
		[PGNET_TLS_1_3] = CURL_SSLVERSION_TLSv1_3
	};

	const HttpEndpoint *endpoint = request->endpoint;
	const char *authorities = endpoint ? endpoint->ca_certificates : NULL;
	const char *certificate = endpoint ? endpoint->client_certificate : NULL;

	return SET(CURLOPT_SSLVERSION, versions[defaults->tls_min_version]) &&
		(authorities != NULL ? pgnet_trust_set_own(setup, authorities) :
							   pgnet_trust_set(setup, defaults)) &&
		(certificate == NULL || set_client_certificate(setup, certificate));
}

/*
 * Who we are; certificate and key are in one text.  libcurl keeps it for as
 * long as the connection, which is only used again with the same.
 */
static bool
set_client_certificate(Setup *setup, const char *pem)
{
	struct curl_blob blob = {
		.data = unconstify(char *, pem),
		.len = strlen(pem),
		.flags = CURL_BLOB_COPY
	};

	return SET(CURLOPT_SSLCERT_BLOB, &blob) && SET(CURLOPT_SSLKEY_BLOB, &blob);
}

/*
 * May the connection be a kept one, and is it kept afterwards?  Only one that
 * connections.c can look at: it knows no Unix socket, and sees the TLS session
 * with the host, not that with an https:// proxy before it.
 */
static bool
set_reuse(Setup *setup, const Hop *hop, const HttpDefaults *defaults)
{
	bool		tls_to_proxy = setup->by_proxy && is_https(defaults->proxy);
	bool		tls_in_tls = is_https(hop->url) && tls_to_proxy;

	setup->tls = is_https(hop->url) || tls_to_proxy;
	return (!setup->fresh || SET(CURLOPT_FRESH_CONNECT, 1L)) &&
		((!setup->to_unix_socket && !tls_in_tls) ||
		 SET(CURLOPT_FORBID_REUSE, 1L));
}

/* The method, and the body if there is one. */
static bool
set_method(Setup *setup, const HttpRequest *request, const Hop *hop)
{
	const char *body = request->body ? request->body : "";

	if (sends_body(request, hop))
	{
		/* libcurl reads the body from our memory, which stays */
		if (!SET(CURLOPT_POST, 1L) ||
			!SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body_len) ||
			(request->body_len < SMALL_BODY_BYTES &&
			 !SET(CURLOPT_UPLOAD_BUFFERSIZE, (long) SMALL_BODY_BYTES)) ||
			!SET(CURLOPT_POSTFIELDS, body))
			return false;
		return strcmp(hop->method, "POST") == 0 ||
			SET(CURLOPT_CUSTOMREQUEST, hop->method);
	}
	if (strcmp(hop->method, "HEAD") == 0)
		return SET(CURLOPT_NOBODY, 1L);
	return strcmp(hop->method, "GET") == 0 ||
		SET(CURLOPT_CUSTOMREQUEST, hop->method);
}

/* Does a body go with it?  With some methods always, if an empty one. */
static bool
sends_body(const HttpRequest *request, const Hop *hop)
{
	return hop->with_body &&
		(request->body != NULL || pgnet_method_expects_body(hop->method));
}

/*
 * The header fields.  Who wants a part of something cannot decode it: it would
 * be a part of what is coded (RFC 9110, section 14.1.2).
 */
static bool
set_header_lines(Setup *setup, const HttpRequest *request, const Hop *hop,
				 const HttpDefaults *defaults)
{
	bool		has_content_type = false;
	bool		asks_for_codings = OPTION(decompress);
	bool		body = sends_body(request, hop);

	for (int i = 0; i < request->nheaders; i++)
	{
		const Field *header = &request->headers[i];

		if (pgnet_header_is_libcurls(header->name) ||
			!pgnet_hop_sends(hop, request, header->name))
			continue;
		if (pg_strcasecmp(header->name, "Content-Type") == 0)
			has_content_type = true;
		if (pg_strcasecmp(header->name, "Accept-Encoding") == 0 ||
			pg_strcasecmp(header->name, "Range") == 0)
			asks_for_codings = false;
		if (!add_header(setup, request, header))
			return false;
	}

	/*
	 * What libcurl would add by itself: a content type of HTML forms, and a
	 * wait of a second for servers that do not know "100 Continue".
	 */
	if ((body && !has_content_type &&
		 !add_header_line(setup, request, "Content-Type", ":", "")) ||
		(body && request->body_len > 0 &&
		 !add_header_line(setup, request, "Expect", ":", "")) ||
		(asks_for_codings &&
		 !add_header_line(setup, request, "Accept-Encoding", ": ",
						  PGNET_CODINGS)))
		return false;
	return setup->header_lines == NULL ||
		SET(CURLOPT_HTTPHEADER, setup->header_lines);
}

/*
 * Add one field; "Name;" tells libcurl to send one without a value, and
 * without one, blanks apart, "Name:" to send none.
 */
static bool
add_header(Setup *setup, const HttpRequest *request, const Field *header)
{
	const char *value = header->value + strspn(header->value, " \t");

	return add_header_line(setup, request, header->name,
						   *value == '\0' ? ";" : ": ", value);
}

/*
 * Add one line, as curl_slist_append() does, which would look for the end of
 * the list and have two pieces of memory for each from malloc().
 */
static bool
add_header_line(Setup *setup, const HttpRequest *request, const char *name,
				const char *separator, const char *value)
{
	size_t		name_length = strlen(name);
	size_t		separator_length = strlen(separator);
	size_t		value_length = strlen(value);
	struct curl_slist *line;
	char	   *end;

	line = pgnet_allocate(request->context,
						  sizeof(*line) + name_length + separator_length +
							  value_length + 1);
	if (line == NULL)
		return pgnet_setup_taken(setup, CURLE_OUT_OF_MEMORY,
								 "CURLOPT_HTTPHEADER");
	line->next = NULL;
	line->data = end = (char *) (line + 1);
	memcpy(end, name, name_length + 1);
	end += name_length;
	memcpy(end, separator, separator_length + 1);
	end += separator_length;
	memcpy(end, value, value_length + 1);
	if (setup->last_line == NULL)
		setup->header_lines = line;
	else
		setup->last_line->next = line;
	setup->last_line = line;
	return true;
}

/* Is this an https URL? */
static bool
is_https(const char *url)
{
	return pg_strncasecmp(url, "https:", 6) == 0;
}
