/* Requests to the key process: it signs handshakes of TLS servers, and no byte else. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "key_message.h"

static struct key_request request_of(const void *input, size_t size)
{
	struct key_request request = {
	        .magic = KEY_MAGIC, .id = 1, .digest = KEY_SHA256, .size = (uint32_t)size};
	memcpy(request.input, input, size);
	return request;
}

static int check(const struct key_request *request)
{
	return key_request_check(request, KEY_REQUEST_HEAD + request->size);
}

static struct key_request tls13(size_t hash)
{
	char input[KEY_INPUT_MAX];
	static const char context[] = "TLS 1.3, server CertificateVerify";
	memset(input, ' ', 64);
	memcpy(input + 64, context, sizeof context);
	memset(input + 64 + sizeof context, 'h', hash);
	return request_of(input, 64 + sizeof context + hash);
}

static struct key_request tls12(unsigned group, unsigned point)
{
	unsigned char input[KEY_INPUT_MAX] = {0};
	memset(input, 'r', 64);
	input[64] = 3;
	input[65] = (unsigned char)(group >> 8);
	input[66] = (unsigned char)group;
	input[67] = (unsigned char)point;
	return request_of(input, 68 + point);
}

static void test_handshakes_are_signed(void **state)
{
	struct key_request request;
	(void)state;
	request = tls13(32);
	assert_int_equal(check(&request), 0);
	request = tls13(48);
	assert_int_equal(check(&request), 0);
	static const unsigned groups[][2] = {{23, 65}, {24, 97}, {25, 133}, {29, 32}, {30, 56}};
	for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
		request = tls12(groups[i][0], groups[i][1]);
		assert_int_equal(check(&request), 0);
		request = tls12(groups[i][0], groups[i][1] - 1);
		assert_int_equal(check(&request), -EPROTO);
	}
}

/* Every byte of what is no hash and no random value counts. */
static void test_nothing_else_is_signed(void **state)
{
	struct key_request request;
	(void)state;
	for (size_t i = 0; i < 64 + 34; i++) {
		request = tls13(32);
		request.input[i] ^= 1;
		assert_int_equal(check(&request), -EPROTO);
	}
	for (size_t i = 64; i < 68; i++) {
		request = tls12(23, 65);
		request.input[i] ^= 0x80;
		assert_int_equal(check(&request), -EPROTO);
	}
	for (size_t size = 0; size < KEY_INPUT_MAX; size++) {
		request = tls13(32);
		request.size = (uint32_t)size;
		assert_int_equal(check(&request), size == 130 || size == 146 ? 0 : -EPROTO);
	}
	char digest[32] = "a digest of a certificate";
	request = request_of(digest, sizeof digest);
	assert_int_equal(check(&request), -EPROTO);
	/* A client signs this. */
	request = tls13(32);
	memcpy(request.input + 64 + 9, "client", 6);
	assert_int_equal(check(&request), -EPROTO);
}

static void test_malformed_requests_are_refused(void **state)
{
	struct key_request request = tls13(32);
	size_t size = KEY_REQUEST_HEAD + request.size;
	(void)state;
	for (size_t less = 0; less < size; less++)
		assert_int_equal(key_request_check(&request, less), -EPROTO);
	assert_int_equal(key_request_check(&request, size + 1), -EPROTO);
	request.size = UINT32_MAX;
	assert_int_equal(key_request_check(&request, sizeof request), -EPROTO);
	request = tls13(32);
	request.magic++;
	assert_int_equal(check(&request), -EPROTO);
	request = tls13(32);
	request.digest = KEY_DIGESTS;
	assert_int_equal(check(&request), -EPROTO);
	request = tls13(32);
	request.pss = 2;
	assert_int_equal(check(&request), -EPROTO);
}

static void test_replies(void **state)
{
	struct key_reply reply = {.magic = KEY_MAGIC, .id = 7, .size = 64};
	size_t size = KEY_REPLY_HEAD + reply.size;
	(void)state;
	assert_int_equal(key_reply_check(&reply, size, 7), 0);
	assert_int_equal(key_reply_check(&reply, size, 8), -EPROTO);
	for (size_t less = 0; less < size; less++)
		assert_int_equal(key_reply_check(&reply, less, 7), -EPROTO);
	reply.size = KEY_SIGNATURE_MAX + 1;
	assert_int_equal(key_reply_check(&reply, KEY_REPLY_HEAD + reply.size, 7), -EPROTO);
	reply.size = 0; /* refused */
	assert_int_equal(key_reply_check(&reply, KEY_REPLY_HEAD, 7), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_handshakes_are_signed),
	        cmocka_unit_test(test_nothing_else_is_signed),
	        cmocka_unit_test(test_malformed_requests_are_refused),
	        cmocka_unit_test(test_replies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
