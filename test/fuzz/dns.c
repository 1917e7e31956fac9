/*
 * dns.c -- fuzzes src/http/resolver.c, what it is made of, and c-ares: what
 * name servers answer.
 *
 * Each channel gets our socket functions, because dev/fuzz wraps the function
 * that makes channels.  A socket is one end of a pair, and the other end
 * answers what was asked as soon as it is.
 */
#include "postgres.h"

#include <ares.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuzz.h"
#include "http/poller.h"
#include "http/resolver.h"
#include "http/timers.h"

#define MAX_FD 1024
#define HEADER_BYTES 12
#define TCP_LENGTH_BYTES 2
#define MAX_MESSAGE_BYTES 2048

/* What to do with a question; each record begins with a byte of them. */
#define RECORD_MIRROR 0x01		/* repeat the question, so that it fits */
#define RECORD_SILENCE 0x02		/* do not answer */
#define RECORD_TWICE 0x04		/* answer two times */
#define RECORD_CUT 0x08			/* over TCP: send half, and the end */
#define RECORD_OTHER_ID 0x10	/* answer another question */

typedef struct Record
{
	uint8		kind;
	const uint8 *bytes;			/* a header but for its id, and the rest */
	size_t		length;
} Record;

/* The other ends of sockets, and where those believe to be connected to. */
static int	peers[MAX_FD];
static struct sockaddr_storage addresses[MAX_FD];
static bool is_stream[MAX_FD];

/* What is left to be answered. */
static const uint8 *records;
static size_t records_size;

static Poller poller;
static Timers timers;
static Account account;

extern int	__wrap_ares_init_options(ares_channel *channel,
									 struct ares_options *options, int mask);
extern int	__real_ares_init_options(ares_channel *channel,
									 struct ares_options *options, int mask);

static Resolver *create_resolver(void);
static void look_up(Resolver *resolver, Lookup *lookups, int count,
					const char *host, IpVersion ip_version);
static void changed(Lookup *lookup);
static void check_lookup(const Lookup *lookup, IpVersion ip_version);
static ares_socket_t open_pair(int family, int type, int protocol, void *arg);
static int	close_pair(ares_socket_t fd, void *arg);
static int	note_address(ares_socket_t fd, const struct sockaddr *address,
						 ares_socklen_t length, void *arg);
static ares_ssize_t receive(ares_socket_t fd, void *bytes, size_t size,
							int flags, struct sockaddr *address,
							ares_socklen_t *length, void *arg);
static ares_ssize_t answer(ares_socket_t fd, const struct iovec *pieces,
						   int npieces, void *arg);
static bool next_record(Record *record);
static size_t write_answer(const Record *record, const uint8 *question,
						   size_t length, uint8 *bytes);
static void send_answer(int fd, const Record *record, uint8 *bytes,
						size_t length);

/*
 * A byte that chooses the host and the families, and records for the answers.
 * Two lookups share them, and a third may find what was kept.
 */
void
fuzz_dns(const uint8 *data, size_t size)
{
	static const char *const hosts[] = {"a.test", "b", "c.test.", "d.e.f.test"};
	static Resolver *resolver = NULL;
	static Party role;
	static Party lane;
	static Holder holder = {.role = &role, .lane = &lane};
	Lookup		lookups[3] = {0};
	const char *host;
	IpVersion	ip_version;

	if (size == 0)
		return;
	if (resolver == NULL)
		resolver = create_resolver();
	host = hosts[data[0] % lengthof(hosts)];
	ip_version = (IpVersion) (data[0] / lengthof(hosts) % 3);
	records = data + 1;
	records_size = size - 1;
	for (int i = 0; i < (int) lengthof(lookups); i++)
	{
		lookups[i].changed = changed;
		lookups[i].holder = &holder;
	}

	look_up(resolver, lookups, 2, host, ip_version);
	pgnet_lookup_start(resolver, &lookups[2], host, ip_version);
	if (lookups[2].complete && lookups[2].naddresses > 0)
		FUZZ_CHECK(lookups[2].naddresses == lookups[0].naddresses);
	check_lookup(&lookups[2], ip_version);
	for (int i = 0; i < (int) lengthof(lookups); i++)
		pgnet_lookup_end(resolver, &lookups[i]);
	pgnet_resolver_forget(resolver, host);
	FUZZ_CHECK(account.used[PGNET_POOL_LOOKUPS] == 0);
	FUZZ_CHECK(pgnet_timers_due_ms(&timers) == -1);
}

/* One for all inputs, as in the worker. */
static Resolver *
create_resolver(void)
{
	const char *error;
	Resolver   *resolver;

	FUZZ_CHECK(pgnet_poller_init(&poller));
	pgnet_timers_init(&timers);
	account.nroles = 1;
	resolver = pgnet_resolver_create(&poller, &timers, &account, &error);
	FUZZ_CHECK(resolver != NULL);
	return resolver;
}

/* Start lookups, and go on until nothing happens without time. */
static void
look_up(Resolver *resolver, Lookup *lookups, int count, const char *host,
		IpVersion ip_version)
{
	for (int i = 0; i < count; i++)
		pgnet_lookup_start(resolver, &lookups[i], host, ip_version);
	while (pgnet_poller_run(&poller) > 0)
		pgnet_resolver_go_on(resolver);
	for (int i = 0; i < count; i++)
	{
		check_lookup(&lookups[i], ip_version);
		FUZZ_CHECK(lookups[i].complete == lookups[0].complete);
		FUZZ_CHECK(lookups[i].naddresses == lookups[0].naddresses);
	}
}

/* LookupChanged: it has addresses, or is complete. */
static void
changed(Lookup *lookup)
{
	FUZZ_CHECK(lookup->complete || lookup->naddresses > 0);
}

/* A lookup has addresses of the families asked for, or an error, or waits. */
static void
check_lookup(const Lookup *lookup, IpVersion ip_version)
{
	FUZZ_CHECK(lookup->naddresses <= PGNET_MAX_ADDRESSES);
	FUZZ_CHECK(lookup->complete == (lookup->state == NULL));
	FUZZ_CHECK((lookup->error.problem != PGNET_NO_PROBLEM) ==
			   (lookup->complete && lookup->naddresses == 0));
	if (lookup->error.problem != PGNET_NO_PROBLEM)
	{
		FUZZ_CHECK(lookup->error.problem == PGNET_PROBLEM_RESOLVE_HOST);
		FUZZ_CHECK(strncmp(lookup->error.detail, "Could not resolve host: ",
						   24) == 0);
	}
	for (int i = 0; i < lookup->naddresses; i++)
	{
		int			family = lookup->addresses[i].u.any.sa_family;

		FUZZ_CHECK(family == AF_INET ? ip_version != PGNET_IP_V6 :
									   family == AF_INET6 &&
					   ip_version != PGNET_IP_V4);
	}
}

/* In place of ares_init_options(): the same, with our sockets. */
int
__wrap_ares_init_options(ares_channel *channel, struct ares_options *options,
						 int mask)
{
	static const struct ares_socket_functions functions = {
		.asocket = open_pair,
		.aclose = close_pair,
		.aconnect = note_address,
		.arecvfrom = receive,
		.asendv = answer,
	};
	int			status = __real_ares_init_options(channel, options, mask);

	if (status == ARES_SUCCESS)
		ares_set_socket_functions(*channel, &functions, NULL);
	return status;
}

/* A socket for questions; c-ares finds routes with others, by protocol. */
static ares_socket_t
open_pair(int family, int type, int protocol, void *arg)
{
	int			pair[2];

	if (protocol != 0)
	{
		errno = EAFNOSUPPORT;
		return ARES_SOCKET_BAD;
	}
	FUZZ_CHECK(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, pair) == 0);
	FUZZ_CHECK(pair[0] < MAX_FD);
	peers[pair[0]] = pair[1];
	is_stream[pair[0]] = type == SOCK_STREAM;
	return pair[0];
}

static int
close_pair(ares_socket_t fd, void *arg)
{
	close(peers[fd]);
	return close(fd);
}

static int
note_address(ares_socket_t fd, const struct sockaddr *address,
			 ares_socklen_t length, void *arg)
{
	memcpy(&addresses[fd], address, length);
	return 0;
}

/* What there is to read comes from where the socket is connected to. */
static ares_ssize_t
receive(ares_socket_t fd, void *bytes, size_t size, int flags,
		struct sockaddr *address, ares_socklen_t *length, void *arg)
{
	if (address != NULL)
		memcpy(address, &addresses[fd], *length);
	return recv(fd, bytes, size, flags);
}

/* A question is sent: answer it. */
static ares_ssize_t
answer(ares_socket_t fd, const struct iovec *pieces, int npieces, void *arg)
{
	static uint8 bytes[TCP_LENGTH_BYTES + MAX_MESSAGE_BYTES];
	size_t		skipped = is_stream[fd] ? TCP_LENGTH_BYTES : 0;
	size_t		sent = 0;
	Record		record;

	for (int i = 0; i < npieces; i++)
		sent += pieces[i].iov_len;
	/* c-ares may send several in one call, which gets one answer */
	if (pieces[0].iov_len >= skipped + HEADER_BYTES && next_record(&record))
	{
		size_t		length = write_answer(&record,
										  (uint8 *) pieces[0].iov_base + skipped,
										  pieces[0].iov_len - skipped,
										  bytes + TCP_LENGTH_BYTES);

		send_answer(fd, &record, bytes, length);
	}
	return sent;
}

/* The next record: its kind, two bytes with the length of the rest, the rest. */
static bool
next_record(Record *record)
{
	size_t		length;

	if (records_size < 3)
		return false;
	record->kind = records[0];
	length = records[1] << 8 | records[2];
	record->bytes = records + 3;
	record->length = Min(length, records_size - 3);
	records += 3 + record->length;
	records_size -= 3 + record->length;
	return (record->kind & RECORD_SILENCE) == 0;
}

/* Write the answer that a record stands for; its length. */
static size_t
write_answer(const Record *record, const uint8 *question, size_t length,
			 uint8 *bytes)
{
	size_t		header = Min(record->length, HEADER_BYTES - 2);
	size_t		rest = record->length - header;
	size_t		at = HEADER_BYTES;

	memset(bytes, 0, HEADER_BYTES);
	memcpy(bytes, question, 2);
	memcpy(bytes + 2, record->bytes, header);
	if ((record->kind & RECORD_OTHER_ID) != 0)
		bytes[0]++;
	if ((record->kind & RECORD_MIRROR) != 0)
	{
		/* one question, and that one */
		bytes[4] = 0;
		bytes[5] = 1;
		memcpy(bytes + at, question + at, length - at);
		at = length;
	}
	rest = Min(rest, MAX_MESSAGE_BYTES - at);
	memcpy(bytes + at, record->bytes + header, rest);
	return at + rest;
}

/* Send it, behind room for its length. */
static void
send_answer(int fd, const Record *record, uint8 *bytes, size_t length)
{
	int			peer = peers[fd];
	const uint8 *begin = bytes + TCP_LENGTH_BYTES;

	if (is_stream[fd])
	{
		bytes[0] = (uint8) (length >> 8);
		bytes[1] = (uint8) length;
		begin = bytes;
		length += TCP_LENGTH_BYTES;
	}
	if (is_stream[fd] && (record->kind & RECORD_CUT) != 0)
	{
		(void) send(peer, begin, length / 2, MSG_NOSIGNAL);
		shutdown(peer, SHUT_WR);
		return;
	}
	(void) send(peer, begin, length, MSG_NOSIGNAL);
	if ((record->kind & RECORD_TWICE) != 0)
		(void) send(peer, begin, length, MSG_NOSIGNAL);
}
