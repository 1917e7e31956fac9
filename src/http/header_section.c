/*
 * header_section.c -- the header fields of an answer, while they arrive.
 *
 * Runs in: workers.
 *
 * libcurl keeps them too, but compares each name with all others whenever one
 * is asked for (lib/headers.c), and has checked by then what is looked at
 * here: a line of a field has a colon, and no NUL.
 */
#include "postgres.h"

#include <ctype.h>

#include "allocate.h"
#include "http/header_section.h"

/* The fields there is room for at first. */
#define FIRST_ROOM 16

static bool is_status_line(const HeaderSection *section, const char *line,
						   size_t length);
static bool has_version(const char *line, size_t length);
static bool add_field(HeaderSection *section, MemoryContext context,
					  const char *line, size_t length);
static bool continue_field(HeaderSection *section, MemoryContext context,
						   const char *line, size_t length);
static bool make_room(HeaderSection *section, MemoryContext context);
static void trim(const char **text, size_t *length);
static inline bool is_blank(char c);
static inline bool is_space(char c);

/* Take a line. */
bool
pgnet_header_section_take(HeaderSection *section, MemoryContext context,
						  const char *line, size_t length)
{
	bool		status = is_status_line(section, line, length);

	section->bytes += length;
	section->lines++;
	section->too_large = section->bytes > section->max_bytes ||
		section->lines > PGNET_MAX_HEADER_LINES;
	if (section->too_large)
		return false;
	if (status)
	{
		pgnet_header_section_clear(section);
		section->begun = true;
		section->no_http = !has_version(line, length);
	}
	/* what comes after the end is a trailer, whose fields are not kept */
	if (status || section->complete || length == 0)
		return true;
	section->complete = *line == '\r' || *line == '\n';
	if (section->complete)
		return true;
	if (is_blank(*line) && section->nfields > 0)
		return continue_field(section, context, line, length);
	return add_field(section, context, line, length);
}

/* Begin the next section; the room stays. */
void
pgnet_header_section_clear(HeaderSection *section)
{
	section->nfields = 0;
	section->long_value = NULL;
	section->begun = section->complete = false;
}

/* Does another section begin? */
static bool
is_status_line(const HeaderSection *section, const char *line, size_t length)
{
	return (!section->begun || section->complete) && length >= 5 &&
		memcmp(line, "HTTP/", 5) == 0;
}

/*
 * Does a status line say which HTTP (RFC 9112, section 2.3)?  libcurl reads on
 * behind as many digits as there are.
 */
static bool
has_version(const char *line, size_t length)
{
	size_t		end = 6;

	if (length < end || !isdigit((unsigned char) line[5]))
		return false;
	if (length > 7 && line[6] == '.' && isdigit((unsigned char) line[7]))
		end = 8;
	return end < length && is_blank(line[end]);
}

/* Add a field: name, colon, value (RFC 9112, section 5). */
static bool
add_field(HeaderSection *section, MemoryContext context, const char *line,
		  size_t length)
{
	const char *colon;
	const char *value;
	size_t		name_length;
	char	   *copy;

	trim(&line, &length);
	colon = memchr(line, ':', length);
	if (colon == NULL || colon == line)
		return true;
	name_length = colon - line;
	value = colon + 1;
	length -= name_length + 1;
	trim(&value, &length);

	copy = pgnet_allocate(context, name_length + length + 2);
	if (copy == NULL || !make_room(section, context))
		return false;
	memcpy(copy, line, name_length);
	copy[name_length] = '\0';
	memcpy(copy + name_length + 1, value, length);
	copy[name_length + 1 + length] = '\0';
	section->long_value = NULL;
	section->fields[section->nfields++] = (Field) {
		.name = copy,
		.value = copy + name_length + 1
	};
	return true;
}

/*
 * A line that goes on with the field before it (RFC 9112, section 5.2).  A
 * value that grows so gets room for twice as much, since there may be hundreds
 * of such lines.
 */
static bool
continue_field(HeaderSection *section, MemoryContext context, const char *line,
			   size_t length)
{
	const char **value = &section->fields[section->nfields - 1].value;
	size_t		before = section->long_length;
	size_t		after;

	trim(&line, &length);
	if (length == 0)
		return true;
	if (section->long_value == NULL)
		before = strlen(*value);
	after = before + 1 + length;
	if (section->long_value == NULL || after >= section->long_room)
	{
		char	   *longer = pgnet_allocate(context, after * 2);

		if (longer == NULL)
			return false;
		memcpy(longer, *value, before);
		section->long_value = longer;
		section->long_room = after * 2;
	}
	section->long_value[before] = ' ';
	memcpy(section->long_value + before + 1, line, length);
	section->long_value[after] = '\0';
	section->long_length = after;
	*value = section->long_value;
	return true;
}

/* Make room for one more field. */
static bool
make_room(HeaderSection *section, MemoryContext context)
{
	int			room = Max(section->room * 2, FIRST_ROOM);
	Field	   *wider;

	if (section->nfields < section->room)
		return true;
	wider = pgnet_allocate(context, sizeof(Field) * room);
	if (wider == NULL)
		return false;
	if (section->nfields > 0)
		memcpy(wider, section->fields, sizeof(Field) * section->nfields);
	section->fields = wider;
	section->room = room;
	return true;
}

/* White space around a value is no part of it (RFC 9110, section 5.5). */
static void
trim(const char **text, size_t *length)
{
	while (*length > 0 && is_space(**text))
	{
		(*text)++;
		(*length)--;
	}
	while (*length > 0 && is_space((*text)[*length - 1]))
		(*length)--;
}

/* Is this white space within a line? */
static inline bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* That, or the end of a line? */
static inline bool
is_space(char c)
{
	return is_blank(c) || c == '\r' || c == '\n';
}
