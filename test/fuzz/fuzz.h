/*
 * fuzz.h -- what the targets of make fuzz share.
 *
 * A target takes bytes as a user or a server may send them, hands them to our
 * code, and checks what must be true of the result.
 */
#ifndef PGNET_FUZZ_H
#define PGNET_FUZZ_H

#include "postgres.h"

/* Take a string that ends with a NUL or with the input; NULL: no more input. */
extern char *fuzz_string(const uint8 **data, size_t *size);

/* Is this text the database could hold? */
extern bool fuzz_is_text(const char *text);

/* This must hold: if not, the input is kept as a finding. */
#define FUZZ_CHECK(condition) \
	do { \
		if (!(condition)) \
			fuzz_failed(#condition, __FILE__, __LINE__); \
	} while (0)
extern void fuzz_failed(const char *condition, const char *file,
						int line) pg_attribute_noreturn();

/* The targets; each may allocate as it likes, and must not throw. */
extern void fuzz_url(const uint8 *data, size_t size);
extern void fuzz_endpoint(const uint8 *data, size_t size);
extern void fuzz_headers(const uint8 *data, size_t size);
extern void fuzz_body(const uint8 *data, size_t size);
extern void fuzz_decoder(const uint8 *data, size_t size);
extern void fuzz_request(const uint8 *data, size_t size);
extern void fuzz_http1(const uint8 *data, size_t size);
extern void fuzz_http2(const uint8 *data, size_t size);
extern void fuzz_dns(const uint8 *data, size_t size);
extern void fuzz_tls(const uint8 *data, size_t size);
extern void fuzz_date(const uint8 *data, size_t size);

#endif							/* PGNET_FUZZ_H */
