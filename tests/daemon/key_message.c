/* Requests to the key process: it signs handshakes of TLS servers, and no byte else. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <weir/database_secrets.h>

#include "key_message.h"

static struct key_received received;

static struct key_received *request_of(const void *input, size_t size)
{
	received.request = (struct key_request){
	        .magic = KEY_MAGIC, .id = 1, .digest = KEY_SHA256, .input_size = (uint32_t)size};
	memcpy(received.bytes, input, size);
	return &received;
}

static size_t size_of(const struct key_received *request)
{
	return sizeof request->request + request->request.input_size + request->request.name_size +
	       request->request.text_size;
}

static int check(const struct key_received *request)
{
	return key_request_check(request, size_of(request));
}

static struct key_received *tls13(size_t hash)
{
	char input[KEY_INPUT_MAX];
	static const char context[] = "TLS 1.3, server CertificateVerify";
	memset(input, ' ', 64);
	memcpy(input + 64, context, sizeof context);
	memset(input + 64 + sizeof context, 'h', hash);
	return request_of(input, 64 + sizeof context + hash);
}

static struct key_received *tls12(unsigned group, unsigned point)
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
	struct key_received *request;
	(void)state;
	request = tls13(32);
	assert_int_equal(check(request), 0);
	request = tls13(48);
	assert_int_equal(check(request), 0);
	static const unsigned groups[][2] = {{23, 65}, {24, 97}, {25, 133}, {29, 32}, {30, 56}};
	for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
		request = tls12(groups[i][0], groups[i][1]);
		assert_int_equal(check(request), 0);
		request = tls12(groups[i][0], groups[i][1] - 1);
		assert_int_equal(check(request), -EPROTO);
	}
}

/* Every byte of what is no hash and no random value counts. */
static void test_nothing_else_is_signed(void **state)
{
	struct key_received *request;
	(void)state;
	for (size_t i = 0; i < 64 + 34; i++) {
		request = tls13(32);
		request->bytes[i] ^= 1;
		assert_int_equal(check(request), -EPROTO);
	}
	for (size_t i = 64; i < 68; i++) {
		request = tls12(23, 65);
		request->bytes[i] ^= 0x80;
		assert_int_equal(check(request), -EPROTO);
	}
	for (size_t size = 0; size < KEY_INPUT_MAX; size++) {
		request = tls13(32);
		request->request.input_size = (uint32_t)size;
		assert_int_equal(check(request), size == 130 || size == 146 ? 0 : -EPROTO);
	}
	char digest[32] = "a digest of a certificate";
	request = request_of(digest, sizeof digest);
	assert_int_equal(check(request), -EPROTO);
	/* A client signs this. */
	request = tls13(32);
	memcpy(request->bytes + 64 + 9, "client", 6);
	assert_int_equal(check(request), -EPROTO);
}

static void test_malformed_requests_are_refused(void **state)
{
	struct key_received *request = tls13(32);
	size_t size = size_of(request);
	(void)state;
	for (size_t less = 0; less < size; less++)
		assert_int_equal(key_request_check(request, less), -EPROTO);
	assert_int_equal(key_request_check(request, size + 1), -EPROTO);
	request->request.input_size = UINT32_MAX;
	assert_int_equal(key_request_check(request, sizeof *request), -EPROTO);
	request = tls13(32);
	request->request.magic++;
	assert_int_equal(check(request), -EPROTO);
	request = tls13(32);
	request->request.digest = KEY_DIGESTS;
	assert_int_equal(check(request), -EPROTO);
	request = tls13(32);
	request->request.pss = 2;
	assert_int_equal(check(request), -EPROTO);
}

/* Has the name and the text follow the input. */
static struct key_received *with_row(
        struct key_received *request, enum key_kind kind, const char *name, const char *text)
{
	unsigned char *at = request->bytes + request->request.input_size;
	request->request.kind = (uint8_t)kind;
	request->request.name_size = (uint16_t)strlen(name);
	request->request.text_size = (uint32_t)strlen(text);
	memcpy(at, name, strlen(name));
	memcpy(at + strlen(name), text, strlen(text));
	return request;
}

static void test_rows_come_with_a_handshake(void **state)
{
	struct key_received *request;
	(void)state;
	request = with_row(tls13(32), KEY_SIGN_STORED, "example.org", "sealed:x");
	assert_int_equal(check(request), 0);
	assert_true(weir_span_equal(key_request_name(request), WEIR_SPAN("example.org")));
	assert_true(weir_span_equal(key_request_text(request), WEIR_SPAN("sealed:x")));
	request->bytes[64 + 9] = 'c';
	assert_int_equal(check(request), -EPROTO);
	assert_int_equal(check(with_row(tls13(32), KEY_SIGN_STORED, "a", "")), -EPROTO);
	assert_int_equal(check(with_row(tls13(32), KEY_SIGN, "a", "")), -EPROTO);
	assert_int_equal(check(with_row(tls13(32), KEY_SIGN, "", "x")), -EPROTO);
	assert_int_equal(check(with_row(tls13(32), KEY_KINDS, "", "")), -EPROTO);
	request = with_row(tls13(32), KEY_SIGN_STORED, "a", "x");
	request->request.name_size = KEY_NAME_MAX + 1;
	assert_int_equal(check(request), -EPROTO);
	request = with_row(tls13(32), KEY_SIGN_STORED, "a", "x");
	request->request.text_size = KEY_TEXT_MAX;
	assert_int_equal(check(request), 0);
	request->request.text_size++;
	assert_int_equal(check(request), -EPROTO);
}

static void test_secrets_have_a_purpose(void **state)
{
	static const struct {
		const char *input, *text;
		enum key_kind kind;
		int purpose, error;
	} cases[] = {
	        {"secret", "", KEY_SEAL, 0, 0},
	        {"", "", KEY_SEAL, KEY_PURPOSES - 1, 0},
	        {"secret", "", KEY_SEAL, KEY_PURPOSES, -EPROTO},
	        {"secret", "x", KEY_SEAL, 0, -EPROTO},
	        {"", "sealed:x", KEY_UNSEAL, 0, 0},
	        {"", "sealed:x", KEY_UNSEAL, KEY_PURPOSES, -EPROTO},
	        {"", "sealed:x", KEY_UNSEAL, 255, -EPROTO},
	        {"x", "sealed:x", KEY_UNSEAL, 0, -EPROTO},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct key_received *request =
		        with_row(request_of(cases[i].input, strlen(cases[i].input)), cases[i].kind,
		                "name", cases[i].text);
		request->request.purpose = (uint8_t)cases[i].purpose;
		assert_int_equal(check(request), cases[i].error);
	}
	/* Private keys, and what was obtained with them, are of others. */
	for (size_t i = 0; i < KEY_PURPOSES; i++) {
		assert_string_not_equal(key_purposes[i], WEIR_DATABASE_SEAL_CERTIFICATE);
		assert_string_not_equal(key_purposes[i], WEIR_DATABASE_SEAL_ACME);
	}
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
	reply.error = -EPERM;
	assert_int_equal(key_reply_check(&reply, size, 7), -EPROTO);
	reply.error = 1;
	assert_int_equal(key_reply_check(&reply, size, 7), -EPROTO);
	reply.error = 0;
	reply.size = KEY_REPLY_MAX + 1;
	assert_int_equal(key_reply_check(&reply, KEY_REPLY_HEAD + reply.size, 7), -EPROTO);
	reply.size = 0;
	reply.error = -EPERM;
	assert_int_equal(key_reply_check(&reply, KEY_REPLY_HEAD, 7), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_handshakes_are_signed),
	        cmocka_unit_test(test_nothing_else_is_signed),
	        cmocka_unit_test(test_malformed_requests_are_refused),
	        cmocka_unit_test(test_rows_come_with_a_handshake),
	        cmocka_unit_test(test_secrets_have_a_purpose),
	        cmocka_unit_test(test_replies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
