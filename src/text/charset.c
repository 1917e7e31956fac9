/*
 * charset.c -- the charset of a response body.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "text/charset.h"

/* More than the name of any charset. */
#define NAME_SIZE 64

/* An XML declaration that takes longer is none. */
#define MAX_DECLARATION 256

/*
 * Names the web has and PostgreSQL has not, as its clean_encoding_name()
 * leaves them: no punctuation.  A subset goes by what it is a subset of, as
 * in browsers (WHATWG, Encoding Standard, section 4.2).
 */
static const struct
{
	const char *name;
	int			charset;
} names[] = {
	{"utf8", PG_UTF8},			/* which PostgreSQL has, but most bodies, too */
	{"utf16", PGNET_CHARSET_UTF16LE},
	{"utf16le", PGNET_CHARSET_UTF16LE},
	{"utf16be", PGNET_CHARSET_UTF16BE},
	{"ucs2", PGNET_CHARSET_UTF16LE},
	{"iso10646ucs2", PGNET_CHARSET_UTF16LE},
	{"ascii", PG_UTF8},
	{"usascii", PG_UTF8},
	{"ansix341968", PG_UTF8},
	{"cp819", PG_LATIN1},
	{"ibm819", PG_LATIN1},
	{"iso88598i", PG_ISO_8859_8},
	{"cp1250", PG_WIN1250},
	{"cp1251", PG_WIN1251},
	{"cp1252", PG_WIN1252},
	{"cp1253", PG_WIN1253},
	{"cp1254", PG_WIN1254},
	{"cp1255", PG_WIN1255},
	{"cp1256", PG_WIN1256},
	{"cp1257", PG_WIN1257},
	{"cp1258", PG_WIN1258},
	{"cp866", PG_WIN866},
	{"ibm866", PG_WIN866},
	{"iso885911", PG_WIN874},
	{"tis620", PG_WIN874},
	{"gb2312", PG_GBK},
	{"gb231280", PG_GBK},
	{"cp936", PG_GBK},
	{"xgbk", PG_GBK},
	{"cp950", PG_BIG5},
	{"big5hkscs", PG_BIG5},
	{"xsjis", PG_SJIS},
	{"cp932", PG_SJIS},
	{"windows31j", PG_SJIS},
	{"xeucjp", PG_EUC_JP},
	{"cp949", PG_UHC},
	{"ksc5601", PG_UHC},
	{"ksc56011987", PG_UHC},
};

static const char *charset_parameter(const char *content_type, size_t *length);
static const char *xml_encoding(const char *body, size_t size, size_t *length);
static int	charset_called(const char *name, size_t length);
static bool may_be_text(const char *content_type);
static bool begins_with(const char *text, const char *word);

/* Look for a byte order mark. */
int
pgnet_charset_marked(const char *body, size_t size, const char *content_type,
					 size_t *length)
{
	if (size >= 3 && memcmp(body, "\xEF\xBB\xBF", 3) == 0)
	{
		*length = 3;
		return PG_UTF8;
	}
	*length = 2;
	if (size >= 2 && memcmp(body, "\xFF\xFE", 2) == 0 &&
		may_be_text(content_type))
		return PGNET_CHARSET_UTF16LE;
	if (size >= 2 && memcmp(body, "\xFE\xFF", 2) == 0 &&
		may_be_text(content_type))
		return PGNET_CHARSET_UTF16BE;
	return PGNET_CHARSET_NONE;
}

/* Look for a declaration. */
int
pgnet_charset_declared(const char *content_type, const char *body, size_t size)
{
	size_t		length = 0;
	const char *name = NULL;

	if (content_type != NULL)
		name = charset_parameter(content_type, &length);
	if (length == 0)
		name = xml_encoding(body, size, &length);
	return length > 0 ? charset_called(name, length) : PGNET_CHARSET_NONE;
}

/* The value of the charset parameter; *length is 0 when there is none. */
static const char *
charset_parameter(const char *content_type, size_t *length)
{
	const char *value = NULL;
	bool		quoted = false;

	for (const char *c = content_type; *c != '\0' && value == NULL; c++)
	{
		if (*c == '"')
			quoted = !quoted;
		if (*c != ';' || quoted)
			continue;
		while (c[1] == ' ' || c[1] == '\t')
			c++;
		if (begins_with(c + 1, "charset="))
			value = c + 1 + strlen("charset=");
	}
	if (value == NULL)
		return NULL;
	value += strspn(value, "\"'");
	*length = strcspn(value, "\"'; \t");
	return value;
}

/* The encoding that <?xml ... ?> names; *length is 0 when it names none. */
static const char *
xml_encoding(const char *body, size_t size, size_t *length)
{
	char		declaration[MAX_DECLARATION + 1];
	char	   *end;
	char	   *name;

	if (size < 5 || memcmp(body, "<?xml", 5) != 0)
		return NULL;
	strlcpy(declaration, body, Min(size + 1, sizeof(declaration)));
	end = strstr(declaration, "?>");
	name = strstr(declaration, "encoding=");
	if (end == NULL || name == NULL || name > end)
		return NULL;
	name += strlen("encoding=");
	if (*name != '"' && *name != '\'')
		return NULL;
	name++;
	*length = strcspn(name, "\"'");
	return body + (name - declaration);
}

/* The charset of that name; NONE when neither we nor PostgreSQL know it. */
static int
charset_called(const char *name, size_t length)
{
	char		clean[NAME_SIZE];
	size_t		n = 0;
	int			charset;

	for (size_t i = 0; i < length && n < NAME_SIZE - 1; i++)
		if (isalnum((unsigned char) name[i]))
			clean[n++] = pg_ascii_tolower((unsigned char) name[i]);
	clean[n] = '\0';
	for (int i = 0; i < (int) lengthof(names); i++)
		if (strcmp(clean, names[i].name) == 0)
			return names[i].charset;
	charset = pg_char_to_encoding(clean);
	/* which says nothing of what the bytes mean */
	return charset == PG_SQL_ASCII ? PGNET_CHARSET_NONE : charset;
}

/*
 * May a body of this type be text?  Not an image, whose first bytes may look
 * like a mark.
 */
static bool
may_be_text(const char *content_type)
{
	static const char *const binary[] = {
		"image/", "audio/", "video/", "font/", "application/octet-stream",
		"application/zip", "application/gzip", "application/pdf"
	};

	if (content_type == NULL)
		return true;
	for (int i = 0; i < (int) lengthof(binary); i++)
		if (begins_with(content_type, binary[i]))
			return begins_with(content_type, "image/svg");
	return true;
}

/* Does text begin with a word, in any case? */
static bool
begins_with(const char *text, const char *word)
{
	return pg_strncasecmp(text, word, strlen(word)) == 0;
}
