/*
 * Signed tokens: nobody has the private key of this public one, so that no input may be verified.
 * Each input is also the payload of a token.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <weir/base64.h>

#include "jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
                          "MCowBQYDK2VwAyEABFYihs6V9AIA7xZuclxKYurv4L8qHhSdFQTSHnwLv2Q=\n"
                          "-----END PUBLIC KEY-----\n";

static struct weir_http_token_keys *load(void)
{
	struct weir_http_token_keys *keys;
	char path[64];
	int fd = memfd_create("key", MFD_CLOEXEC);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (fd < 0 || write(fd, pem, sizeof pem - 1) < 0 ||
	        weir_http_token_keys_load(path, &keys) < 0)
		abort();
	close(fd);
	return keys;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char head[] = "eyJhbGciOiJFZERTQSJ9.", tail[] = ".AAAA";
	static const struct http_jwt_rules rules = {"me", "api", "sub", 0};
	static struct weir_http_token_keys *keys;
	char user[WEIR_HTTP_TOKEN_USER_MAX + 1];
	if (!keys)
		keys = load();
	if (http_jwt_verify(keys, weir_span(data, size), &rules, 0, user) == NULL)
		abort();
	char *text = malloc(sizeof head + WEIR_BASE64_ENCODED(size) + sizeof tail);
	if (!text)
		abort();
	memcpy(text, head, sizeof head - 1);
	size_t used =
	        sizeof head - 1 + weir_base64_encode(weir_span(data, size), text + sizeof head - 1);
	memcpy(text + used, tail, sizeof tail - 1);
	if (!http_jwt_verify(keys, weir_span(text, used + sizeof tail - 1), &rules, 0, user))
		abort();
	free(text);
	return 0;
}
