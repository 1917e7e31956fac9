/*
 * header_section.c -- the header fields of an answer, while they arrive.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "allocate.h"
#include "http/header_section.h"

/* The fields there is room for at first. */
#define FIRST_ROOM 16

/* What a status line counts for, which is as long in HTTP/2. */
#define STATUS_BYTES (sizeof("HTTP/1.1 200 OK\r\n") - 1)

/* What there is in a line beside name and value. */
#define LINE_BYTES (sizeof(": \r\n") - 1)

static bool count(HeaderSection *section, size_t bytes);
static bool make_room(HeaderSection *section, MemoryContext context);

/* The room stays. */
bool
pgnet_header_section_begin(HeaderSection *section)
{
	pgnet_header_section_clear(section);
	section->begun = true;
	return count(section, STATUS_BYTES);
}

bool
pgnet_header_section_add(HeaderSection *section, MemoryContext context,
						 const char *name, size_t name_length,
						 const char *value, size_t value_length)
{
	char	   *copy;

	if (!count(section, name_length + value_length + LINE_BYTES))
		return false;
	if (section->complete)
		return true;
	copy = pgnet_allocate(context, name_length + value_length + 2);
	if (copy == NULL || !make_room(section, context))
		return false;
	section->fields[section->nfields++] = (Field) {
		.name = copy,
		.value = copy + name_length + 1
	};
	memcpy(copy, name, name_length);
	copy[name_length] = '\0';
	memcpy(copy + name_length + 1, value, value_length);
	copy[name_length + 1 + value_length] = '\0';
	return true;
}

void
pgnet_header_section_end(HeaderSection *section)
{
	section->complete = true;
}

void
pgnet_header_section_clear(HeaderSection *section)
{
	section->nfields = 0;
	section->begun = section->complete = false;
}

/* Count a line; false, then and later, when that is too much. */
static bool
count(HeaderSection *section, size_t bytes)
{
	section->bytes += bytes;
	section->lines++;
	section->too_large |= section->bytes > section->max_bytes ||
		section->lines > PGNET_MAX_HEADER_LINES;
	return !section->too_large;
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
