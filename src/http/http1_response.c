/*
 * http1_response.c -- a response of HTTP/1.1, as bytes arrive (RFC 9112).
 *
 * Runs in: workers.
 *
 * What can be read in two ways is refused: a proxy may have read it the other
 * way, so that its end is not where we see it (RFC 9112, section 11).  In all
 * else it is as lenient as libcurl 7.88 was, whose words the errors are.
 */
#include "postgres.h"

#include <ctype.h>

#include "common/int.h"
#include "http/http1_response.h"

/* More responses that are only interim ones than any server sends. */
#define MAX_INTERIM_RESPONSES 100

/* Names of transfer codings are shorter. */
#define MAX_CODING_BYTES 32

/* How far it has come. */
typedef enum ResponseState
{
	IN_STATUS_LINE,
	IN_FIELDS,
	IN_BODY,					/* whose length is known */
	IN_BODY_TO_END,				/* of the connection */
	IN_CHUNKS,
	IN_TRAILERS,
	IS_COMPLETE,
	IS_STOPPED,
	IS_FAILED
} ResponseState;

static void fail_cut_short(Http1Response *response);
static bool step(Http1Response *response, Http1Input *input);
static bool take_status_line(Http1Response *response, Http1Input *input);
static bool begins_like_http(Http1Response *response, const Http1Input *input);
static bool read_status_line(Http1Response *response, Http1Text line);
static bool read_version(Http1Response *response, Http1Text *line);
static bool read_status(Http1Response *response, Http1Text line);
static bool has_no_body(const Http1Response *response);
static bool is_interim(const Http1Response *response);
static bool take_fields(Http1Response *response, Http1Input *input);
static bool read_field(Http1Response *response, Http1Text line);
static bool read_framing(Http1Response *response, Http1Text name,
						 Http1Text value);
static bool read_content_length(Http1Response *response, Http1Text value);
static bool read_transfer_codings(Http1Response *response, Http1Text value);
static bool fail_unknown_coding(Http1Response *response, Http1Text coding);
static void read_persistence(Http1Response *response, Http1Text name,
							 Http1Text value);
static bool end_head(Http1Response *response, Http1Input *input);
static bool has_one_framing(Http1Response *response);
static void begin_body(Http1Response *response, Http1Input *input);
static bool take_body(Http1Response *response, Http1Input *input);
static bool take_chunks(Http1Response *response, Http1Input *input);
static bool take_counted(Http1Response *response, Http1Input *input,
						 uint64 *remaining);
static bool deliver(Http1Response *response, Http1Input *input, size_t length);
static void complete(Http1Response *response, const Http1Input *input);
static bool stop(Http1Response *response);
static bool fail(Http1Response *response, HttpProblem problem,
				 const char *detail);
static bool next_element(Http1Text *list, Http1Text *element);
static bool read_number(Http1Text digits, int64 *number);
static bool is(Http1Text text, const char *word);
static bool is_token(Http1Text text);

/* Begin. */
void
pgnet_http1_response_init(Http1Response *response)
{
	response->state = IN_STATUS_LINE;
	response->content_length = -1;
}

/* Take bytes. */
Http1Status
pgnet_http1_response_take(Http1Response *response, const char *bytes,
						  size_t length, size_t *taken)
{
	Http1Input	input = {bytes, bytes + length};

	response->begun |= length > 0;
	response->paused = false;
	while (step(response, &input))
		;
	*taken = input.at - bytes;

	if (response->error.problem != PGNET_NO_PROBLEM)
		response->state = IS_FAILED;
	if (response->state == IS_COMPLETE)
		return PGNET_HTTP1_COMPLETE;
	if (response->state == IS_STOPPED)
		return PGNET_HTTP1_STOPPED;
	if (response->state == IS_FAILED)
		return PGNET_HTTP1_FAILED;
	return response->paused ? PGNET_HTTP1_PAUSED : PGNET_HTTP1_MORE;
}

/* The connection has ended. */
Http1Status
pgnet_http1_response_end(Http1Response *response,
						 const HttpError *stream_error)
{
	bool		is_clean = stream_error == NULL ||
		stream_error->problem == PGNET_NO_PROBLEM;

	if (response->state == IS_STOPPED)
		return PGNET_HTTP1_STOPPED;
	if (response->state == IN_BODY_TO_END && is_clean)
		response->state = IS_COMPLETE;
	if (response->state == IS_COMPLETE)
		return PGNET_HTTP1_COMPLETE;
	if (response->state == IS_FAILED)
		return PGNET_HTTP1_FAILED;
	if (is_clean)
		fail_cut_short(response);
	else if (response->state == IN_BODY_TO_END &&
			 strstr(stream_error->detail, "unexpected eof") != NULL)
		/* by anybody: RFC 9112, section 9.8 */
		(void) fail(response, PGNET_PROBLEM_PARTIAL,
					"the TLS connection ended without close_notify");
	else
		response->error = *stream_error;
	response->state = IS_FAILED;
	return PGNET_HTTP1_FAILED;
}

/* Free what it has. */
void
pgnet_http1_response_free(Http1Response *response)
{
	pgnet_http1_lines_free(&response->lines);
}

/* The end came too early (RFC 9112, section 8). */
static void
fail_cut_short(Http1Response *response)
{
	if (!response->begun)
		(void) fail(response, PGNET_PROBLEM_NOTHING, "");
	else if (response->state == IN_STATUS_LINE ||
			 response->state == IN_FIELDS)
		(void) fail(response, PGNET_PROBLEM_CUT_HEADERS, "");
	else if (response->state == IN_BODY)
		pgnet_error_set(&response->error, PGNET_PROBLEM_PARTIAL,
						"transfer closed with " UINT64_FORMAT
						" bytes remaining to read",
						response->remaining);
	else
		(void) fail(response, PGNET_PROBLEM_PARTIAL,
					"transfer closed with outstanding read data remaining");
}

/* Take what belongs together; false: there is no more to be done now. */
static bool
step(Http1Response *response, Http1Input *input)
{
	switch ((ResponseState) response->state)
	{
		case IN_STATUS_LINE:
			return take_status_line(response, input);
		case IN_FIELDS:
		case IN_TRAILERS:
			return take_fields(response, input);
		case IN_BODY:
		case IN_BODY_TO_END:
			return take_body(response, input);
		case IN_CHUNKS:
			return take_chunks(response, input);
		case IS_COMPLETE:
		case IS_STOPPED:
		case IS_FAILED:
			break;
	}
	return false;
}

/* Take a status line (RFC 9112, section 4). */
static bool
take_status_line(Http1Response *response, Http1Input *input)
{
	ResponseSink *sink = response->sink;
	Http1Text	line;

	/* a line of something else may never end */
	if (!begins_like_http(response, input))
		return fail(response, PGNET_PROBLEM_PROTOCOL,
					"Received HTTP/0.9 when not allowed");
	if (!pgnet_http1_line_find(&response->lines, input, true,
							   response->max_head_bytes, &line,
							   &response->error) ||
		!read_status_line(response, line))
		return false;
	pgnet_http1_line_forget(&response->lines);

	response->state = IN_FIELDS;
	response->has_no_body = has_no_body(response);
	response->content_length = -1;
	response->codings = 0;
	response->chunked = response->persists = false;
	if (!sink->operations->begin(sink,
								 response->minor_version == 0 ? "1.0" : "1.1",
								 response->status))
		return stop(response);
	return true;
}

/* Does it, as far as it has come (RFC 9112, section 2.3)? */
static bool
begins_like_http(Http1Response *response, const Http1Input *input)
{
	static const char name[] = {'H', 'T', 'T', 'P', '/'};
	size_t		held = Min(response->lines.held_length, sizeof(name));
	size_t		length = Min(sizeof(name) - held,
							 (size_t) (input->end - input->at));

	return length == 0 || memcmp(&name[held], input->at, length) == 0;
}

/* Read version and status; the reason phrase says nothing. */
static bool
read_status_line(Http1Response *response, Http1Text line)
{
	pgnet_http1_trim(&line);
	if (!read_version(response, &line))
		return fail(response, PGNET_PROBLEM_PROTOCOL,
					"Unsupported HTTP version in response");
	if (!read_status(response, line))
		return fail(response, PGNET_PROBLEM_PROTOCOL,
					"Unsupported response code in HTTP response");
	return true;
}

/*
 * Read the version and the blanks behind it.  Whoever says 1.2 can be talked
 * to as with 1.1 (RFC 9110, section 2.5).
 */
static bool
read_version(Http1Response *response, Http1Text *line)
{
	const size_t length = strlen("HTTP/1.1");

	if (line->length <= length || line->bytes[length] != ' ' ||
		memcmp(line->bytes, "HTTP/1.", length - 1) != 0 ||
		!pgnet_http1_is_digit(line->bytes[length - 1]))
		return false;
	response->minor_version = line->bytes[length - 1] - '0';
	line->bytes += length;
	line->length -= length;
	pgnet_http1_trim(line);
	return true;
}

/* Read the status: three digits, and a blank or nothing. */
static bool
read_status(Http1Response *response, Http1Text line)
{
	int			status = 0;

	if (line.length < 3 ||
		(line.length > 3 && !pgnet_http1_is_blank(line.bytes[3])))
		return false;
	for (int i = 0; i < 3; i++)
	{
		if (!pgnet_http1_is_digit(line.bytes[i]))
			return false;
		status = status * 10 + (line.bytes[i] - '0');
	}
	if (status < 100)
		return false;
	response->status = status;
	return true;
}

/*
 * Does its status, or the request, say that there is no body (RFC 9112,
 * section 6.3)?  101 was never asked for; what follows it is taken for its
 * body, as by libcurl.
 */
static bool
has_no_body(const Http1Response *response)
{
	int			status = response->status;

	return response->to_head || is_interim(response) ||
		status == 204 || status == 304 ||
		(response->to_connect && status >= 200 && status <= 299);
}

/* Does another response follow it (RFC 9110, section 15.2)? */
static bool
is_interim(const Http1Response *response)
{
	return response->status < 200 && response->status != 101;
}

/* Take a field, or the end of the section (RFC 9112, section 5). */
static bool
take_fields(Http1Response *response, Http1Input *input)
{
	bool		is_trailer = response->state == IN_TRAILERS;
	Http1Text	line;

	if (!pgnet_http1_line_find(&response->lines, input, false,
							   response->max_head_bytes, &line,
							   &response->error))
		return false;
	if (*line.bytes == '\r' || *line.bytes == '\n')
	{
		pgnet_http1_line_forget(&response->lines);
		if (!is_trailer)
			return end_head(response, input);
		complete(response, input);
		return false;
	}
	if (!read_field(response, line))
		return false;
	pgnet_http1_line_forget(&response->lines);
	return true;
}

/* Read a field. */
static bool
read_field(Http1Response *response, Http1Text line)
{
	ResponseSink *sink = response->sink;
	const char *line_break = memchr(line.bytes, '\n', line.length);
	const char *colon = memchr(line.bytes, ':', line_break - line.bytes);
	Http1Text	name;
	Http1Text	value;

	/* it would go on with the status line (RFC 9112, section 2.2) */
	if (pgnet_http1_is_blank(*line.bytes))
		return fail(response, PGNET_PROBLEM_REPLY,
					"Header section begins with white space");
	if (colon == NULL)
		return fail(response, PGNET_PROBLEM_REPLY, "Header without colon");
	if (colon == line.bytes)
		return fail(response, PGNET_PROBLEM_REPLY, "Header without name");
	name.length = colon - line.bytes;
	if (line_break != line.bytes + line.length - 1 &&
		!pgnet_http1_line_join(&response->lines, &line, &response->error))
		return false;

	name.bytes = line.bytes;
	value.bytes = line.bytes + name.length + 1;
	value.length = line.length - name.length - 1;
	pgnet_http1_trim(&value);
	if (response->state == IN_FIELDS && !response->has_no_body &&
		!read_framing(response, name, value))
		return false;
	if (response->state == IN_FIELDS)
		read_persistence(response, name, value);
	if (!sink->operations->field(sink, name.bytes, name.length, value.bytes,
								 value.length))
		return stop(response);
	return true;
}

/*
 * Read a field that says where the body ends.  One with white space in front
 * of the colon may have been one to a proxy (RFC 9112, section 5.1).
 */
static bool
read_framing(Http1Response *response, Http1Text name, Http1Text value)
{
	Http1Text	trimmed = name;
	bool		is_length;
	bool		is_coding;

	pgnet_http1_trim(&trimmed);
	is_length = is(trimmed, "Content-Length");
	is_coding = is(trimmed, "Transfer-Encoding");
	if ((is_length || is_coding) && trimmed.length != name.length)
		return fail(response, PGNET_PROBLEM_REPLY,
					is_length ?
						"White space behind the name Content-Length" :
						"White space behind the name Transfer-Encoding");
	if (is_length)
		return read_content_length(response, value);
	if (is_coding)
		return read_transfer_codings(response, value);
	return true;
}

/* Read a length; it may be there several times (RFC 9110, section 8.6). */
static bool
read_content_length(Http1Response *response, Http1Text value)
{
	Http1Text	element;
	int64		length = -1;

	while (next_element(&value, &element))
	{
		if (!read_number(element, &length))
			break;
		if (response->content_length >= 0 &&
			response->content_length != length)
			return fail(response, PGNET_PROBLEM_REPLY,
						"Content-Length has two different values");
		response->content_length = length;
	}
	if (length < 0)
		return fail(response, PGNET_PROBLEM_REPLY,
					"Invalid Content-Length: value");
	return true;
}

/*
 * Read transfer codings; we ask for none but chunked (RFC 9112, section 7),
 * and "identity" was once a name for none.
 */
static bool
read_transfer_codings(Http1Response *response, Http1Text value)
{
	Http1Text	coding;

	while (next_element(&value, &coding))
	{
		response->codings++;
		if (is(coding, "chunked"))
			response->chunked = true;
		else if (!is(coding, "identity"))
			return fail_unknown_coding(response, coding);
	}
	return true;
}

/* It is none that we know; do not print what is no name. */
static bool
fail_unknown_coding(Http1Response *response, Http1Text coding)
{
	if (coding.length <= MAX_CODING_BYTES && is_token(coding))
		pgnet_error_set(&response->error, PGNET_PROBLEM_CODING,
						"transfer coding %.*s is not supported",
						(int) coding.length, coding.bytes);
	else
		pgnet_error_set(&response->error, PGNET_PROBLEM_CODING,
						"its transfer coding is not supported");
	return false;
}

/*
 * Read whether others may follow (RFC 9112, section 9.3).  Proxies may say it
 * by an older name.
 */
static void
read_persistence(Http1Response *response, Http1Text name, Http1Text value)
{
	Http1Text	option;

	if (!is(name, "Connection") &&
		!(response->by_proxy && is(name, "Proxy-Connection")))
		return;
	while (next_element(&value, &option))
	{
		response->closes |= is(option, "close");
		response->persists |= is(option, "keep-alive");
	}
}

/* The header section is over: what comes next? */
static bool
end_head(Http1Response *response, Http1Input *input)
{
	ResponseSink *sink = response->sink;

	if (response->has_no_body)
		response->content_length = 0;
	else if (!has_one_framing(response))
		return false;
	if (!sink->operations->head(sink, response->content_length))
		return stop(response);
	if (!is_interim(response))
		begin_body(response, input);
	else if (++response->interim > MAX_INTERIM_RESPONSES)
		return fail(response, PGNET_PROBLEM_REPLY,
					"Too many interim responses");
	else
		response->state = IN_STATUS_LINE;
	return true;
}

/*
 * Is it said once at most where the body ends?  Both ways together are a known
 * attack (RFC 9112, section 6.3).
 */
static bool
has_one_framing(Http1Response *response)
{
	if (response->codings > 1)
		return fail(response, PGNET_PROBLEM_CODING,
					"more than one transfer coding is not supported");
	if (response->chunked && response->content_length >= 0)
		return fail(response, PGNET_PROBLEM_REPLY,
					"Both Transfer-Encoding and Content-Length");
	return true;
}

/* Find out what the body is like (RFC 9112, section 6.3). */
static void
begin_body(Http1Response *response, Http1Input *input)
{
	if (response->content_length == 0)
		complete(response, input);
	else if (response->chunked)
		response->state = IN_CHUNKS;
	else if (response->content_length > 0)
	{
		response->state = IN_BODY;
		response->remaining = response->content_length;
	}
	else
		response->state = IN_BODY_TO_END;
}

/* Take some of a body without a frame. */
static bool
take_body(Http1Response *response, Http1Input *input)
{
	if (response->state == IN_BODY_TO_END)
		return input->at < input->end &&
			deliver(response, input, input->end - input->at);
	if (!take_counted(response, input, &response->remaining))
		return false;
	if (response->remaining == 0)
		complete(response, input);
	return true;
}

/* Take some of one that comes in chunks (RFC 9112, section 7.1). */
static bool
take_chunks(Http1Response *response, Http1Input *input)
{
	Http1Chunks *chunks = &response->chunks;

	switch (pgnet_http1_chunks_take(chunks, input, &response->error))
	{
		case PGNET_CHUNKS_DATA:
			return take_counted(response, input, &chunks->remaining);
		case PGNET_CHUNKS_END:
			response->state = IN_TRAILERS;
			return true;
		case PGNET_CHUNKS_MORE:
		case PGNET_CHUNKS_FAILED:
			break;
	}
	return false;
}

/* Take some of what has a length; false: there is none, or it was not taken. */
static bool
take_counted(Http1Response *response, Http1Input *input, uint64 *remaining)
{
	size_t		length = Min((size_t) (input->end - input->at), *remaining);

	if (length == 0 || !deliver(response, input, length))
		return false;
	*remaining -= length;
	return true;
}

/* Hand some of the body over; false: it was not taken. */
static bool
deliver(Http1Response *response, Http1Input *input, size_t length)
{
	ResponseSink *sink = response->sink;

	switch (sink->operations->body(sink, input->at, length))
	{
		case PGNET_SINK_TAKEN:
			input->at += length;
			return true;
		case PGNET_SINK_PAUSED:
			response->paused = true;
			return false;
		case PGNET_SINK_STOPPED:
			break;
	}
	return stop(response);
}

/* It is over; may others follow it (RFC 9112, sections 6.1 and 9.3)? */
static void
complete(Http1Response *response, const Http1Input *input)
{
	response->state = IS_COMPLETE;
	response->keep_alive = !response->closes &&
		(response->minor_version > 0 ||
		 (response->persists && !response->chunked)) &&
		response->status != 101 &&
		/* nobody asked for what is behind it (section 9.2) */
		input->at == input->end;
}

/* The sink wants no more. */
static bool
stop(Http1Response *response)
{
	response->state = IS_STOPPED;
	return false;
}

/* It is no response. */
static bool
fail(Http1Response *response, HttpProblem problem, const char *detail)
{
	pgnet_error_set(&response->error, problem, "%s", detail);
	return false;
}

/*
 * Take the next element from a list with commas between (RFC 9110, section
 * 5.6.1); what follows it is left.
 */
static bool
next_element(Http1Text *list, Http1Text *element)
{
	do
	{
		const char *comma;

		if (list->length == 0)
			return false;
		comma = memchr(list->bytes, ',', list->length);
		*element = *list;
		if (comma != NULL)
			element->length = comma++ - list->bytes;
		else
			comma = list->bytes + list->length;
		list->length -= comma - list->bytes;
		list->bytes = comma;
		pgnet_http1_trim(element);
	} while (element->length == 0);
	return true;
}

/* Read a decimal number; -1 when it is none, or too large. */
static bool
read_number(Http1Text digits, int64 *number)
{
	int64		result = 0;

	*number = -1;
	for (size_t i = 0; i < digits.length; i++)
		if (!pgnet_http1_is_digit(digits.bytes[i]) ||
			pg_mul_s64_overflow(result, 10, &result) ||
			pg_add_s64_overflow(result, digits.bytes[i] - '0', &result))
			return false;
	*number = result;
	return true;
}

/* Is it this word, in any case? */
static bool
is(Http1Text text, const char *word)
{
	return strlen(word) == text.length &&
		pg_strncasecmp(text.bytes, word, text.length) == 0;
}

/* Is it a token (RFC 9110, section 5.6.2)? */
static bool
is_token(Http1Text text)
{
	for (size_t i = 0; i < text.length; i++)
		if (!isalnum((unsigned char) text.bytes[i]) &&
			strchr("!#$%&'*+-.^_`|~", text.bytes[i]) == NULL)
			return false;
	return text.length > 0;
}
