/*
 * search_list.c -- the names that a host may stand for.
 *
 * Runs in: workers.
 *
 * c-ares has a search list as well, but looks for each family alone: of a host
 * without IPv6 it would find that of another one in the next domain.  And it
 * asks for all names on one channel: see dns.c.
 */
#include "postgres.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "http/search_list.h"

#define RESOLV_CONF "/etc/resolv.conf"

/* Of a longer file the rest is ignored. */
#define MAX_FILE_BYTES 65536

#define BLANKS " \t\r"

/* What the C library bounds it by. */
#define MAX_NDOTS 15

static char *read_file(void);
static void read_line(SearchList *list, char *line);
static void read_domains(SearchList *list, char *words, int max_domains);
static void read_options(SearchList *list, char *words);
static void use_own_domain(SearchList *list);
static void join(const char *host, const char *domain, char *name);

/* Read it as the C library does: the last of several lists counts. */
bool
pgnet_search_list_read(SearchList *list)
{
	char	   *rest;
	char	   *line;

	*list = (SearchList) {.ndots = 1};
	list->text = read_file();
	if (list->text == NULL)
		return false;
	for (char *next = list->text; (line = strtok_r(next, "\n", &rest)) != NULL;
		 next = NULL)
		read_line(list, line);
	if (list->ndomains == 0)
		use_own_domain(list);
	return true;
}

/* Free what it has. */
void
pgnet_search_list_free(SearchList *list)
{
	free(list->text);
	*list = (SearchList) {0};
}

/* Find a name: see resolv.conf(5), search and ndots. */
bool
pgnet_search_list_name(const SearchList *list, const char *host, int n,
					   char name[PGNET_DNS_NAME_BYTES])
{
	size_t		length = strlen(host);
	bool		as_is_first;
	int			ndots = 0;

	if (length > 0 && host[length - 1] == '.')
	{
		snprintf(name, PGNET_DNS_NAME_BYTES, "%s", host);
		return n == 0;
	}
	for (const char *c = host; *c != '\0'; c++)
		if (*c == '.')
			ndots++;
	as_is_first = ndots >= list->ndots;
	if (n == (as_is_first ? 0 : list->ndomains))
	{
		join(host, "", name);
		return true;
	}
	if (as_is_first)
		n--;
	if (n >= list->ndomains)
		return false;
	join(host, list->domains[n], name);
	return true;
}

/* The file, with room for the name of this machine; without one, nothing. */
static char *
read_file(void)
{
	char	   *text = malloc(MAX_FILE_BYTES);
	int			fd;
	ssize_t		length = 0;
	ssize_t		more;
	char	   *less;

	if (text == NULL)
		return NULL;
	fd = open(RESOLV_CONF, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && length < MAX_FILE_BYTES - 1 &&
		   (more = read(fd, text + length, MAX_FILE_BYTES - 1 - length)) > 0)
		length += more;
	if (fd >= 0)
		close(fd);
	text[length] = '\0';
	less = realloc(text, Max(length + 1, HOST_NAME_MAX + 1));
	return less == NULL ? text : less;
}

/* Read one; comments and unknown words are left out. */
static void
read_line(SearchList *list, char *line)
{
	size_t		length = strcspn(line, BLANKS);
	char	   *words = line + length + strspn(line + length, BLANKS);

	if (length == 6 && strncmp(line, "search", length) == 0)
		read_domains(list, words, PGNET_MAX_DOMAINS);
	else if (length == 6 && strncmp(line, "domain", length) == 0)
		read_domains(list, words, 1);
	else if (length == 7 && strncmp(line, "options", length) == 0)
		read_options(list, words);
}

/* Take these in place of others. */
static void
read_domains(SearchList *list, char *words, int max_domains)
{
	char	   *rest;
	char	   *word;

	list->ndomains = 0;
	for (char *next = words; list->ndomains < max_domains &&
		 (word = strtok_r(next, BLANKS, &rest)) != NULL;
		 next = NULL)
		list->domains[list->ndomains++] = word;
}

/* How many dots does a name have that is tried as it is before others? */
static void
read_options(SearchList *list, char *words)
{
	char	   *rest;
	char	   *word;

	for (char *next = words; (word = strtok_r(next, BLANKS, &rest)) != NULL;
		 next = NULL)
	{
		long		ndots;

		if (strncmp(word, "ndots:", 6) != 0)
			continue;
		ndots = strtol(word + 6, NULL, 10);
		list->ndots = (int) Min(Max(ndots, 0), MAX_NDOTS);
	}
}

/* Without a list it is the domain that this machine is in. */
static void
use_own_domain(SearchList *list)
{
	char	   *dot;

	if (gethostname(list->text, HOST_NAME_MAX + 1) != 0)
		return;
	list->text[HOST_NAME_MAX] = '\0';
	dot = strchr(list->text, '.');
	if (dot != NULL && dot[1] != '\0')
		list->domains[list->ndomains++] = dot + 1;
}

/* Make a name; one that is cut here is too long for c-ares as well. */
static void
join(const char *host, const char *domain, char *name)
{
	if (*domain == '\0' || strcmp(domain, ".") == 0)
		snprintf(name, PGNET_DNS_NAME_BYTES, "%s.", host);
	else
		snprintf(name, PGNET_DNS_NAME_BYTES, "%s.%s%s", host, domain,
				 domain[strlen(domain) - 1] == '.' ? "" : ".");
}
