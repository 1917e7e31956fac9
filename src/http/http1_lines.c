/*
 * http1_lines.c -- the lines of the header sections of a response of HTTP/1.1.
 *
 * Runs in: workers.
 *
 * A line is looked at where it is; only one that has not come as a whole, or
 * has to be joined, is copied.
 */
#include "postgres.h"

#include "http/header_section.h"
#include "http/http1_lines.h"

/* The room for a line at first. */
#define FIRST_LINE_BYTES 256

static bool find_line_break(Http1Lines *lines, Http1Input *input,
							size_t max_bytes, HttpError *error);
static bool is_empty_line(const Http1Lines *lines, const char *begin,
						  const char *end);
static bool is_clean(Http1Text line, HttpError *error);
static bool hold(Http1Lines *lines, Http1Text text, HttpError *error);

/* Find one; what has come of it is kept when its end is not there yet. */
bool
pgnet_http1_line_find(Http1Lines *lines, Http1Input *input, bool is_alone,
					  size_t max_bytes, Http1Text *line, HttpError *error)
{
	const char *begin = input->at;
	bool		found = false;

	while (!found)
	{
		if (lines->ended && input->at < input->end &&
			!pgnet_http1_is_blank(*input->at))
			found = true;
		else if (!find_line_break(lines, input, max_bytes, error))
			break;
		else
			found = is_alone || is_empty_line(lines, begin, input->at);
	}
	if (error->problem != PGNET_NO_PROBLEM)
		return false;
	*line = (Http1Text) {begin, input->at - begin};
	if (!found || lines->held_length > 0)
	{
		if (!hold(lines, *line, error))
			return false;
		*line = (Http1Text) {lines->held, lines->held_length};
	}
	return found && is_clean(*line, error);
}

/* Join its lines, with a blank in place of each break. */
bool
pgnet_http1_line_join(Http1Lines *lines, Http1Text *line, HttpError *error)
{
	const char *from;
	const char *end;
	char	   *to;

	if (lines->held_length == 0 && !hold(lines, *line, error))
		return false;
	from = to = lines->held;
	end = from + lines->held_length;
	while (from < end)
	{
		const char *line_break = memchr(from, '\n', end - from);
		Http1Text	piece = {from, line_break - from};

		from = line_break + 1;
		pgnet_http1_trim(&piece);
		if (piece.length == 0)
			continue;
		if (to > lines->held)
			*to++ = ' ';
		memmove(to, piece.bytes, piece.length);
		to += piece.length;
	}
	*line = (Http1Text) {lines->held, to - lines->held};
	return true;
}

/* The next one begins. */
void
pgnet_http1_line_forget(Http1Lines *lines)
{
	lines->held_length = 0;
	lines->ended = false;
}

/* End. */
void
pgnet_http1_lines_free(Http1Lines *lines)
{
	free(lines->held);
	*lines = (Http1Lines) {0};
}

/* Go behind the next line break, or to the end of the input. */
static bool
find_line_break(Http1Lines *lines, Http1Input *input, size_t max_bytes,
				HttpError *error)
{
	size_t		length = input->end - input->at;
	const char *found;

	if (length == 0)
		return false;
	found = memchr(input->at, '\n', length);
	lines->ended = found != NULL;
	if (found != NULL)
		length = found + 1 - input->at;
	input->at += length;
	lines->bytes += length;
	lines->count += lines->ended;
	if (lines->bytes > max_bytes || lines->count > PGNET_MAX_HEADER_LINES)
	{
		pgnet_error_set(error, PGNET_PROBLEM_HEADERS_TOO_LARGE, "%s", "");
		return false;
	}
	return lines->ended;
}

/* Is a line empty, of which this is what came in this input? */
static bool
is_empty_line(const Http1Lines *lines, const char *begin, const char *end)
{
	char		first = lines->held_length > 0 ? *lines->held : *begin;
	size_t		length = lines->held_length + (end - begin);

	return first == '\n' || (first == '\r' && length == 2);
}

/*
 * Has a line no characters that others take for an end (RFC 9112, section 2.2;
 * RFC 9110, section 5.5)?
 */
static bool
is_clean(Http1Text line, HttpError *error)
{
	const char *end = line.bytes + line.length;
	const char *at = line.bytes;

	if (memchr(line.bytes, '\0', line.length) != NULL)
	{
		pgnet_error_set(error, PGNET_PROBLEM_REPLY, "Nul byte in header");
		return false;
	}
	while ((at = memchr(at, '\r', end - at)) != NULL)
		if (*++at != '\n')
		{
			pgnet_error_set(error, PGNET_PROBLEM_REPLY,
							"Carriage return in header");
			return false;
		}
	return true;
}

/* Keep some of a line. */
static bool
hold(Http1Lines *lines, Http1Text text, HttpError *error)
{
	size_t		needed = lines->held_length + text.length;

	if (needed > lines->held_room)
	{
		size_t		room = Max(FIRST_LINE_BYTES, needed * 2);
		char	   *held = realloc(lines->held, room);

		if (held == NULL)
		{
			pgnet_error_set(error, PGNET_PROBLEM_MEMORY, "%s", "");
			return false;
		}
		lines->held = held;
		lines->held_room = room;
	}
	if (text.length > 0)
		memcpy(lines->held + lines->held_length, text.bytes, text.length);
	lines->held_length = needed;
	return true;
}
