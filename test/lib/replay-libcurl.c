/*
 * replay-libcurl.c -- send the requests of t/078_differential.pl by libcurl.
 *
 * Each line of standard input is a request: round (1 or 2), name, method, URL,
 * body (- for none), timeout in ms, maximum of redirects, whether to decompress,
 * whether to ask for HTTP/1.0.  Those of a round are sent at once, the second
 * one when the first is over.  Of each, standard output has a line: name, error,
 * status, header lines and body, both in hexadecimal.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if LIBCURL_VERSION_NUM >> 8 != 0x0758
#error "what is recorded is of libcurl 7.88"
#endif

#define MAX_REQUESTS 2000
#define MAX_LINE 4096

typedef struct Text
{
	char	   *bytes;
	size_t		length;
} Text;

typedef struct Request
{
	char		line[MAX_LINE];
	int			round;
	char	   *name;
	Text		head;
	Text		body;
} Request;

static Request requests[MAX_REQUESTS];

static int	read_requests(void);
static CURL *make_handle(Request *request, char *rest);
static size_t take(char *bytes, size_t size, size_t count, void *arg);
static void run_round(CURLM *multi, CURL **handles, int count, int round);
static void print_outcome(CURL *easy, CURLcode result);
static void print_hexadecimal(const Text *text);

int
main(void)
{
	static CURL *handles[MAX_REQUESTS];
	CURLM	   *multi = curl_multi_init();
	int			count = read_requests();

	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 2L * MAX_REQUESTS);
	for (int i = 0; i < count; i++)
	{
		char	   *rest;

		requests[i].round = atoi(strtok_r(requests[i].line, "\t", &rest));
		requests[i].name = strtok_r(NULL, "\t", &rest);
		handles[i] = make_handle(&requests[i], rest);
	}
	run_round(multi, handles, count, 1);
	run_round(multi, handles, count, 2);
	return 0;
}

/* Read them; how many there are. */
static int
read_requests(void)
{
	int			count = 0;

	while (count < MAX_REQUESTS &&
		   fgets(requests[count].line, MAX_LINE, stdin) != NULL)
	{
		char	   *line = requests[count++].line;

		line[strcspn(line, "\n")] = '\0';
	}
	return count;
}

/* A handle that sends a request; rest is its line from the method on. */
static CURL *
make_handle(Request *request, char *rest)
{
	CURL	   *easy = curl_easy_init();
	const char *method = strtok_r(NULL, "\t", &rest);
	const char *url = strtok_r(NULL, "\t", &rest);
	const char *body = strtok_r(NULL, "\t", &rest);

	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, atol(strtok_r(NULL, "\t", &rest)));
	curl_easy_setopt(easy, CURLOPT_MAXREDIRS, atol(strtok_r(NULL, "\t", &rest)));
	if (atoi(strtok_r(NULL, "\t", &rest)))
		curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, atoi(strtok_r(NULL, "\t", &rest)) ?
					 CURL_HTTP_VERSION_1_0 : CURL_HTTP_VERSION_1_1);
	if (strcmp(body, "-") != 0)
		curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, body);
	if (strcmp(method, "HEAD") == 0)
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	else if (strcmp(method, "GET") != 0 && strcmp(method, "POST") != 0)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, &request->head);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, &request->body);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
	return easy;
}

/* Keep bytes. */
static size_t
take(char *bytes, size_t size, size_t count, void *arg)
{
	Text	   *text = arg;

	size *= count;
	text->bytes = realloc(text->bytes, text->length + size + 1);
	if (text->bytes == NULL)
		abort();
	memcpy(text->bytes + text->length, bytes, size);
	text->length += size;
	return size;
}

/* Send those of a round, and print what becomes of them. */
static void
run_round(CURLM *multi, CURL **handles, int count, int round)
{
	int			running = 0;

	for (int i = 0; i < count; i++)
		if (requests[i].round == round)
			curl_multi_add_handle(multi, handles[i]);
	do
	{
		CURLMsg    *message;
		int			left;

		curl_multi_perform(multi, &running);
		while ((message = curl_multi_info_read(multi, &left)) != NULL)
		{
			CURL	   *easy = message->easy_handle;

			print_outcome(easy, message->data.result);
			curl_multi_remove_handle(multi, easy);
			curl_easy_cleanup(easy);
		}
		if (running > 0)
			curl_multi_poll(multi, NULL, 0, 1000, NULL);
	} while (running > 0);
}

/* Print an outcome. */
static void
print_outcome(CURL *easy, CURLcode result)
{
	Request    *request;
	long		status = 0;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &request);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	printf("%s\t%d\t%ld\t", request->name, (int) result, status);
	print_hexadecimal(&request->head);
	printf("\t");
	print_hexadecimal(&request->body);
	printf("\n");
}

/* Print bytes. */
static void
print_hexadecimal(const Text *text)
{
	for (size_t i = 0; i < text->length; i++)
		printf("%02x", (unsigned char) text->bytes[i]);
}
