/*
 * decoder.c -- fuzzes src/http/decoder.c: a body in a content coding.
 */
#include "postgres.h"

#include "exchange.h"
#include "fuzz.h"
#include "http/decoder.h"

#define BODY_LIMIT ((size_t) 64 * 1024)
#define MEMORY_LIMIT ((size_t) 256 * 1024)

/* What became of a body. */
typedef struct Decoded
{
	TransferBody body;
	const char *problem;
} Decoded;

static Decoded decode(BodyBudget *budget, ContentCoding coding,
					  const char *bytes, size_t length, size_t piece);

/*
 * A string, the value of Content-Encoding; a byte, the size of pieces; the
 * rest, the body.  In pieces or not, the same comes out.
 */
void
fuzz_decoder(const uint8 *data, size_t size)
{
	const char *value = fuzz_string(&data, &size);
	Field		field = {.name = "Content-Encoding", .value = value};
	Account		account = {.limit[PGNET_POOL_RESPONSE_BYTES] = MEMORY_LIMIT};
	BodyBudget	budget;
	ContentCoding coding;
	Decoded		whole;
	Decoded		pieces;

	if (value == NULL || size == 0)
		return;
	coding = pgnet_coding_of(&field, 1);
	if (coding == PGNET_CODING_NONE)
		return;
	pgnet_body_budget_init(&budget, &account);
	whole = decode(&budget, coding, (const char *) data + 1, size - 1, size);
	pieces = decode(&budget, coding, (const char *) data + 1, size - 1,
					data[0] % 16 + 1);

	FUZZ_CHECK(whole.body.length <= BODY_LIMIT);
	FUZZ_CHECK(whole.body.broken == pieces.body.broken);
	FUZZ_CHECK((whole.problem == NULL) == (pieces.problem == NULL));
	if (!whole.body.broken && whole.problem == NULL)
	{
		FUZZ_CHECK(whole.body.length == pieces.body.length);
		FUZZ_CHECK(whole.body.length == 0 ||
				   memcmp(whole.body.bytes, pieces.body.bytes,
						  whole.body.length) == 0);
	}
	pgnet_body_free(&whole.body);
	pgnet_body_free(&pieces.body);
	FUZZ_CHECK(account.used[PGNET_POOL_RESPONSE_BYTES] == 0);
}

/* Decode, in pieces of this size. */
static Decoded
decode(BodyBudget *budget, ContentCoding coding, const char *bytes,
	   size_t length, size_t piece)
{
	static Party role;
	static Party lane;
	static Holder holder = {.role = &role, .lane = &lane};
	Decoded		decoded = {
		.body = {
			.limit = BODY_LIMIT,
			.budget = budget,
			.receiver.holder = &holder
		}
	};
	Decoder		decoder = {0};
	bool		taken = true;

	for (size_t at = 0; at < length && taken; at += piece)
		taken = pgnet_decoder_take(&decoder, coding, &decoded.body, bytes + at,
								   Min(piece, length - at));
	decoded.problem = pgnet_decoder_problem(&decoder);
	FUZZ_CHECK(taken == (!decoded.body.broken && decoder.problem == NULL));
	pgnet_decoder_free(&decoder, &decoded.body);
	pgnet_body_budget_leave(budget, &decoded.body.receiver);
	return decoded;
}
