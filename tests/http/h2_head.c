/*
 * Heads of HTTP/2: a field section becomes the request that the head of HTTP/1.1 with the same
 * meaning becomes, or is refused with the same status. Each section is decoded three times on one
 * connection, so that its fields come as literals, from the table, and with what is known of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>

#include "h2_head.h"
#include "head.h"

static struct h2_head head;
static struct weir_http_request request;

enum {
	FIELDS_MAX = 110,
};

/* Lines "name: value", as they are sent; the name of a pseudo-header field has a colon in front. */
static unsigned fields_of(const char *lines, nghttp2_nv *ret)
{
	unsigned count = 0;
	for (const char *at = lines; *at; at = strchr(at, '\n') + 1) {
		const char *colon = strstr(at + 1, ": "), *end = strchr(at, '\n');
		assert_true(colon && colon < end && count < FIELDS_MAX);
		ret[count++] = (nghttp2_nv){(uint8_t *)(uintptr_t)at,
		        (uint8_t *)(uintptr_t)colon + 2, (size_t)(colon - at),
		        (size_t)(end - colon - 2), NGHTTP2_NV_FLAG_NONE};
	}
	return count;
}

struct codec {
	nghttp2_hd_deflater *deflater;
	struct h2_hpack hpack;
};

static struct codec codec_begin(void)
{
	static struct h2_huffman huffman;
	struct codec codec;
	h2_huffman_init(&huffman);
	head.huffman = &huffman;
	assert_int_equal(nghttp2_hd_deflate_new(&codec.deflater, H2_HPACK_TABLE_MAX), 0);
	h2_hpack_init(&codec.hpack);
	return codec;
}

static void codec_end(struct codec *codec)
{
	nghttp2_hd_deflate_del(codec->deflater);
	h2_hpack_finish(&codec->hpack);
}

static struct weir_span encode(struct codec *codec, const char *lines)
{
	static uint8_t block[WEIR_HTTP_HEAD_MAX];
	nghttp2_nv fields[FIELDS_MAX];
	unsigned count = fields_of(lines, fields);
	ssize_t size = nghttp2_hd_deflate_hd(codec->deflater, block, sizeof block, fields, count);
	assert_true(size >= 0);
	return weir_span(block, (size_t)size);
}

static void expect_span(struct weir_span ours, struct weir_span other)
{
	assert_int_equal(!ours.data, !other.data);
	assert_true(weir_span_equal(ours, other));
}

/* The text of the whole request is in the head, so that one copy moves it. */
static void expect_within(struct weir_span span)
{
	if (span.data)
		assert_true(span.data >= head.text &&
		            span.data + span.size <= head.text + head.text_size);
}

static void expect_same_field(const struct weir_http_request *other, unsigned i)
{
	unsigned same = 0;
	for (unsigned k = 0; k < other->field_count; k++)
		same += weir_span_equal_nocase(request.fields[i].name, other->fields[k].name) &&
		        weir_span_equal(request.fields[i].value, other->fields[k].value) &&
		        request.known[i] == other->known[k];
	assert_true(same >= 1);
	expect_within(request.fields[i].name);
	expect_within(request.fields[i].value);
}

static void expect_same(const struct weir_http_request *other)
{
	assert_int_equal(request.method, other->method);
	assert_int_equal(request.minor, other->minor);
	assert_int_equal(request.has_query, other->has_query);
	assert_int_equal(request.has_length, other->has_length);
	assert_int_equal(request.chunked, other->chunked);
	assert_int_equal(request.keep_alive, other->keep_alive);
	assert_int_equal(request.expect_continue, other->expect_continue);
	assert_int_equal(request.length, other->length);
	expect_span(request.method_name, other->method_name);
	expect_span(request.target, other->target);
	expect_span(request.path, other->path);
	expect_span(request.query, other->query);
	expect_span(request.host, other->host);
	expect_within(request.method_name);
	expect_within(request.target);
	expect_within(request.path);
	expect_within(request.query);
	expect_within(request.host);
	assert_int_equal(request.field_count, other->field_count);
	for (unsigned i = 0; i < request.field_count; i++)
		expect_same_field(other, i);
	for (unsigned known = 1; known < WEIR_HTTP_KNOWN_COUNT; known++)
		expect_span(weir_http_request_known(&request, known),
		        weir_http_request_known(other, known));
}

/* `text` is the head of HTTP/1.1; where it is refused, so is the section. */
static void expect(const char *lines, const char *text)
{
	struct codec codec = codec_begin();
	struct weir_http_request other;
	int status = http_head_parse(weir_span_of(text), &other);
	for (unsigned time = 0; time < 3; time++) {
		struct weir_span block = encode(&codec, lines);
		enum h2_decoded decoded = h2_head_decode(&head, &codec.hpack, block, &request);
		assert_int_equal(decoded, status ? H2_DECODED_REFUSED : H2_DECODED);
		if (status)
			assert_int_equal(head.status, status);
		else
			expect_same(&other);
	}
	codec_end(&codec);
}

static void expect_malformed(const char *lines)
{
	struct codec codec = codec_begin();
	for (unsigned time = 0; time < 3; time++) {
		struct weir_span block = encode(&codec, lines);
		if (h2_head_decode(&head, &codec.hpack, block, &request) != H2_DECODED_MALFORMED)
			fail_msg("not malformed:\n%s", lines);
	}
	/* The next head is none the worse for it. */
	assert_int_equal(h2_head_decode(&head, &codec.hpack,
	                         encode(&codec, ":method: GET\n:scheme: http\n:path: /\n"
	                                        ":authority: a\n"),
	                         &request),
	        H2_DECODED);
	codec_end(&codec);
}

#define GET ":method: GET\n:scheme: https\n"
#define HEAD GET ":path: /\n:authority: a\n"
#define TEXT "GET / HTTP/1.1\r\nHost: a\r\n"

static void requests_are_those_of_http_1(void **state)
{
	(void)state;
	expect(HEAD, TEXT "\r\n");
	expect(GET ":path: /a/b?c=d?e\n:authority: example.org:8080\naccept: */*\n",
	        "GET /a/b?c=d?e HTTP/1.1\r\nHost: example.org:8080\r\nAccept: */*\r\n\r\n");
	expect(GET ":path: /a?\n:authority: a\n", "GET /a? HTTP/1.1\r\nHost: a\r\n\r\n");
	expect(GET ":path: /\nhost: b\n", "GET / HTTP/1.1\r\nHost: b\r\n\r\n");
	expect(HEAD "host: A\n", TEXT "\r\n");
	expect(":method: OPTIONS\n:scheme: http\n:path: *\n:authority: a\n",
	        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
	expect(":method: BREW\n:scheme: http\n:path: /\n:authority: [::1]:1\n",
	        "BREW / HTTP/1.1\r\nHost: [::1]:1\r\n\r\n");
	expect(":method: CONNECT\n:authority: a:443\n",
	        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n");
	expect(":method: CONNECT\n:protocol: websocket\n:scheme: https\n:path: /chat\n"
	       ":authority: a\nsec-websocket-version: 13\n",
	        "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	        "Sec-WebSocket-Version: 13\r\n\r\n");
	assert_true(head.upgrades);
}

static void fields_are_those_of_http_1(void **state)
{
	(void)state;
	expect(HEAD "x-a: \nx-b: \xc3\xa4\tb\nte: Trailers\nuser-agent: a long one, with more\n",
	        TEXT "X-A:\r\nX-B: \xc3\xa4\tb\r\nTE: Trailers\r\n"
	             "User-Agent: a long one, with more\r\n\r\n");
	expect(HEAD "cookie: a=b\n", TEXT "Cookie: a=b\r\n\r\n");
	expect(HEAD "cookie: a=b\ncookie: c=d\naccept: x\ncookie: \n",
	        TEXT "Accept: x\r\nCookie: a=b; c=d; \r\n\r\n");
	expect(HEAD "accept: a\naccept: b\n", TEXT "Accept: a\r\nAccept: b\r\n\r\n");
	expect(HEAD "content-length: 12\nexpect: 100-continue\n",
	        TEXT "Content-Length: 12\r\nExpect: 100-continue\r\n\r\n");
	expect(HEAD "accept: x\npriority: u=1, i\n", TEXT "Accept: x\r\nPriority: u=1, i\r\n\r\n");
	assert_int_equal(head.priority.urgency, 1);
	assert_true(head.priority.incremental);
}

static void statuses_are_those_of_http_1(void **state)
{
	char lines[WEIR_HTTP_TARGET_MAX * 2], text[WEIR_HTTP_TARGET_MAX * 2];
	(void)state;
	expect(GET ":path: /\n:authority: a@b\n", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n");
	expect(GET ":path: /\nhost: a:x\n", "GET / HTTP/1.1\r\nHost: a:x\r\n\r\n");
	expect(GET ":path: /\n", "GET / HTTP/1.1\r\n\r\n");
	expect(":method: CONNECT\n:authority: a\n", "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n");
	expect(HEAD "content-length: x\n", TEXT "Content-Length: x\r\n\r\n");
	expect(HEAD "content-length: 1\ncontent-length: 1\n",
	        TEXT "Content-Length: 1\r\nContent-Length: 1\r\n\r\n");
	expect(HEAD "expect: more\n", TEXT "Expect: more\r\n\r\n");
	for (unsigned other = 0; other < 2; other++) {
		const char *method = other ? "BREW" : "GET";
		snprintf(lines, sizeof lines,
		        ":method: %s\n:scheme: http\n:authority: a\n:path: /%0*u\n", method,
		        WEIR_HTTP_TARGET_MAX, 0u);
		snprintf(text, sizeof text, "%s /%0*u HTTP/1.1\r\nHost: a\r\n\r\n", method,
		        WEIR_HTTP_TARGET_MAX, 0u);
		expect(lines, text);
	}
}

static void what_is_too_large_is_refused(void **state)
{
	static char lines[3 * WEIR_HTTP_HEAD_MAX];
	(void)state;
	for (unsigned fields = 95; fields < 98; fields++) {
		size_t size = (size_t)snprintf(lines, sizeof lines, "%s", HEAD);
		for (unsigned i = 0; i < fields; i++)
			size += (size_t)snprintf(lines + size, sizeof lines - size, "x-%u: y\n", i);
		struct codec codec = codec_begin();
		enum h2_decoded decoded =
		        h2_head_decode(&head, &codec.hpack, encode(&codec, lines), &request);
		/* Four are pseudo-header fields. */
		assert_int_equal(decoded, fields > 96 ? H2_DECODED_REFUSED : H2_DECODED);
		codec_end(&codec);
	}
	for (unsigned more = 0; more < 2; more++) {
		struct codec codec = codec_begin();
		size_t sum = 4 * 32 +
		             strlen(":method"
		                    "GET"
		                    ":scheme"
		                    "https"
		                    ":path"
		                    "/"
		                    ":authority"
		                    "a") +
		             32 + 1;
		snprintf(lines, sizeof lines, HEAD "x: %0*u\n",
		        (int)(WEIR_HTTP_HEAD_MAX - sum + more), 0u);
		assert_int_equal(
		        h2_head_decode(&head, &codec.hpack, encode(&codec, lines), &request),
		        more ? H2_DECODED_REFUSED : H2_DECODED);
		assert_true(!more || head.status == 431);
		codec_end(&codec);
	}
}

/* An entry of the table, again and again: counted to a bound, and then the connection ends. */
static void a_bomb_is_not_decoded_to_its_end(void **state)
{
	static char block[WEIR_HTTP_HEAD_MAX];
	static char value[4000];
	(void)state;
	struct codec codec = codec_begin();
	memset(value, 'v', sizeof value);
	char *to = block;
	to += sprintf(to, "\x40\x01x\x7f%c%c", (char)((sizeof value - 127) % 128 | 128),
	        (char)((sizeof value - 127) / 128));
	memcpy(to, value, sizeof value);
	to += sizeof value;
	size_t references = WEIR_HTTP2_DECODED_MAX / (sizeof value + 33);
	memset(to, 0xbe, references);
	for (unsigned more = 0; more < 2; more++) {
		struct weir_span span =
		        weir_span(block, (size_t)(to - block) + references - 1 + more);
		assert_int_equal(h2_head_decode(&head, &codec.hpack, span, &request),
		        more ? H2_DECODED_BOMB : H2_DECODED_REFUSED);
	}
	codec_end(&codec);
}

static void malformed_sections_are_found(void **state)
{
	static const char *const sections[] = {/* pseudo-header fields */
	        ":scheme: https\n:path: /\n:authority: a\n", GET ":authority: a\n",
	        ":method: GET\n:path: /\n:authority: a\n", HEAD ":path: /\n", HEAD ":method: GET\n",
	        HEAD ":scheme: http\n", HEAD ":authority: a\n", HEAD ":status: 200\n",
	        HEAD ":other: x\n", GET "accept: x\n:path: /\n:authority: a\n",
	        ":method: \n:scheme: http\n:path: /\n:authority: a\n",
	        ":method: G T\n:scheme: http\n:path: /\n:authority: a\n",
	        ":method: GET\n:scheme: \n:path: /\n:authority: a\n",
	        GET ":path: /\n:authority: \n", GET ":path: /\n:authority: a b\n",
	        GET ":path: /\n:authority: a\x7f\n",
	        ":method: CONNECT\n:scheme: http\n:authority: a:1\n",
	        ":method: CONNECT\n:path: /\n:authority: a:1\n", ":method: CONNECT\n",
	        ":method: GET\n:protocol: x\n:scheme: http\n:path: /\n:authority: a\n",
	        ":method: CONNECT\n:protocol: x\n:scheme: http\n:path: /\n",
	        ":method: CONNECT\n:protocol: x y\n:scheme: http\n:path: /\n:authority: a\n",
	        ":method: CONNECT\n:protocol: x\n:scheme: http\n:path: *\n:authority: a\n",
	        HEAD "host: b\n", HEAD "host: a\nhost: a\n",
	        /* paths */
	        GET ":path: \n:authority: a\n", GET ":path: a\n:authority: a\n",
	        GET ":path: *\n:authority: a\n", GET ":path: /a b\n:authority: a\n",
	        GET ":path: /a#b\n:authority: a\n", GET ":path: /?a#b\n:authority: a\n",
	        GET ":path: /a?b?c d\n:authority: a\n", GET ":path: /\x01\n:authority: a\n",
	        GET ":path: /0123456789abcdef\x80\n:authority: a\n",
	        GET ":path: /?0123456789abcdef\x7f\n:authority: a\n",
	        ":method: OPTIONS\n:scheme: http\n:path: **\n:authority: a\n",
	        /* names and values */
	        HEAD "Accept: x\n", HEAD "a b: x\n", HEAD "a\x80: x\n", HEAD "x:y: z\n",
	        HEAD "x:  y\n", HEAD "x: y \n", HEAD "x: \ty\n", HEAD "x: a\x01\n",
	        HEAD "x: 0123456789abcdef\x7f\n", HEAD "x: 0123456789abcdefg\rh\n",
	        HEAD "x: a\x1f"
	             "bc\n",
	        HEAD "te: gzip\n", HEAD "te: \n",
	        /* of the connection */
	        HEAD "connection: close\n", HEAD "upgrade: x\n", HEAD "keep-alive: 1\n",
	        HEAD "proxy-connection: x\n", HEAD "transfer-encoding: chunked\n"};
	(void)state;
	for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
		expect_malformed(sections[i]);
}

static void trailers_are_lines(void **state)
{
	struct weir_span lines;
	(void)state;
	struct codec codec = codec_begin();
	for (unsigned time = 0; time < 2; time++) {
		struct weir_span block = encode(&codec, "digest: abc\nx-empty: \ncookie: a\n");
		assert_int_equal(
		        h2_head_decode_trailers(&head, &codec.hpack, block, &lines), H2_DECODED);
		assert_true(weir_span_equal(
		        lines, WEIR_SPAN("digest: abc\r\nx-empty: \r\ncookie: a\r\n")));
		block = encode(&codec, "digest: abc\n:path: /\n");
		assert_int_equal(h2_head_decode_trailers(&head, &codec.hpack, block, &lines),
		        H2_DECODED_MALFORMED);
		block = encode(&codec, "digest: abc \n");
		assert_int_equal(h2_head_decode_trailers(&head, &codec.hpack, block, &lines),
		        H2_DECODED_MALFORMED);
	}
	char many[1024], *to = many;
	for (unsigned i = 0; i <= WEIR_HTTP_TRAILERS_IN_MAX; i++)
		to += sprintf(to, "x-%u: y\n", i);
	assert_int_equal(h2_head_decode_trailers(&head, &codec.hpack, encode(&codec, many), &lines),
	        H2_DECODED_REFUSED);
	codec_end(&codec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(requests_are_those_of_http_1),
	        cmocka_unit_test(fields_are_those_of_http_1),
	        cmocka_unit_test(statuses_are_those_of_http_1),
	        cmocka_unit_test(what_is_too_large_is_refused),
	        cmocka_unit_test(a_bomb_is_not_decoded_to_its_end),
	        cmocka_unit_test(malformed_sections_are_found),
	        cmocka_unit_test(trailers_are_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
