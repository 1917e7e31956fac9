/*
 * basic_auth.c -- user and password of a URL, as a field says them.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "common/base64.h"

#include "http/basic_auth.h"

#define SCHEME "Basic "

static CURLUcode decode(CURLU *handle, CURLUPart part, CURLUcode missing,
						char **value);
static char *write_down(const char *user, const char *password);

/* Of the two, one that is missing is empty. */
CURLUcode
pgnet_basic_auth(CURLU *handle, char **credentials)
{
	char	   *user = NULL;
	char	   *password = NULL;
	CURLUcode	code = decode(handle, CURLUPART_USER, CURLUE_NO_USER, &user);

	*credentials = NULL;
	if (code == CURLUE_OK)
		code = decode(handle, CURLUPART_PASSWORD, CURLUE_NO_PASSWORD,
					  &password);
	if (code == CURLUE_OK && (user != NULL || password != NULL))
	{
		*credentials = write_down(user ? user : "", password ? password : "");
		if (*credentials == NULL)
			code = CURLUE_OUT_OF_MEMORY;
	}
	curl_free(user);
	curl_free(password);
	return code;
}

/* Read a part without its escapes, or one of a NUL; NULL if it is missing. */
static CURLUcode
decode(CURLU *handle, CURLUPart part, CURLUcode missing, char **value)
{
	char	   *encoded = NULL;
	CURLUcode	code = curl_url_get(handle, part, &encoded, 0);
	int			length = 0;

	if (code == missing)
		return CURLUE_OK;
	if (code != CURLUE_OK)
		return code;
	*value = curl_easy_unescape(NULL, encoded, 0, &length);
	curl_free(encoded);
	if (*value == NULL)
		return CURLUE_OUT_OF_MEMORY;
	return strlen(*value) == (size_t) length ? CURLUE_OK : CURLUE_URLDECODE;
}

/* RFC 7617, section 2; NULL: no memory. */
static char *
write_down(const char *user, const char *password)
{
	size_t		user_length = strlen(user);
	size_t		length = user_length + 1 + strlen(password);
	int			room = pg_b64_enc_len((int) length);
	char	   *pair = malloc(length + 1);
	char	   *credentials = malloc(strlen(SCHEME) + room + 1);
	char	   *end;

	if (pair == NULL || credentials == NULL)
	{
		free(pair);
		free(credentials);
		return NULL;
	}
	memcpy(pair, user, user_length + 1);
	pair[user_length] = ':';
	strcpy(pair + user_length + 1, password);
	strcpy(credentials, SCHEME);
	end = credentials + strlen(SCHEME);
	/* bytes are char up to PostgreSQL 17, uint8 from 18 on */
	end += pg_b64_encode((const void *) pair, (int) length, end, room);
	*end = '\0';
	free(pair);
	return credentials;
}
