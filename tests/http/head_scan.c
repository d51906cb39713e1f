/* The scanner of request heads, and its agreement with the parser, however the bytes are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "head.h"

static const char *const valid[] = {
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "\r\nGET / HTTP/1.0\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.0\r\n\r\n",
        "POST /a/long/path?with=a&query=x HTTP/1.1\r\nHost: example.org:8080\r\n"
        "X-Tab: a\tb\tc\td\te\tf\tg\th\ti\r\nX-Text: \xc3\xa4\xc3\xb6\xc3\xbc\xff\xfe\r\n"
        "Empty:\r\nContent-Length: 12\r\n\r\n",
        "GET http://[::1]:80/?x HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n",
};

#define VALID_COUNT (sizeof valid / sizeof *valid)

struct result {
	enum http_scan scan;
	size_t used;
};

/* The bytes in pieces of `piece`, each a block of memory of its own. */
static struct result scan_in_pieces(const char *data, size_t size, size_t piece)
{
	struct http_head_scan scan = {0};
	struct result result = {WEIR_HTTP_SCAN_MORE, 0};
	while (result.used < size && result.scan == WEIR_HTTP_SCAN_MORE) {
		size_t part = size - result.used < piece ? size - result.used : piece, used;
		char *copy = malloc(part);
		assert_non_null(copy);
		memcpy(copy, data + result.used, part);
		result.scan = http_head_scan(&scan, weir_span(copy, part), &used);
		free(copy);
		result.used += used;
	}
	return result;
}

static void valid_heads(void **state)
{
	static struct weir_http_request request;
	(void)state;
	for (size_t i = 0; i < VALID_COUNT; i++) {
		struct weir_span head = weir_span_of(valid[i]);
		assert_int_equal(http_head_parse(head, &request), 0);
		struct result whole = scan_in_pieces(head.data, head.size, head.size);
		assert_int_equal(whole.scan, WEIR_HTTP_SCAN_COMPLETE);
		assert_int_equal(whole.used, head.size);
	}
}

static void every_prefix_needs_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < VALID_COUNT; i++) {
		for (size_t size = 1; size < strlen(valid[i]); size++) {
			struct result prefix = scan_in_pieces(valid[i], size, size);
			assert_int_equal(prefix.scan, WEIR_HTTP_SCAN_MORE);
			assert_int_equal(prefix.used, size);
		}
	}
}

static void every_cut_is_alike(void **state)
{
	(void)state;
	for (size_t i = 0; i < VALID_COUNT; i++) {
		char twice[1024];
		size_t size = strlen(valid[i]);
		memcpy(twice, valid[i], size);
		memcpy(twice + size, valid[i], size);
		for (size_t piece = 1; piece <= 2 * size; piece++) {
			struct result cut = scan_in_pieces(twice, 2 * size, piece);
			assert_int_equal(cut.scan, WEIR_HTTP_SCAN_COMPLETE);
			assert_int_equal(cut.used, size);
		}
		for (size_t first = 0; first <= size; first++) {
			struct http_head_scan scan = {0};
			size_t used;
			enum http_scan got = http_head_scan(&scan, weir_span(twice, first), &used);
			assert_int_equal(used, first);
			if (first == size) {
				assert_int_equal(got, WEIR_HTTP_SCAN_COMPLETE);
				continue;
			}
			assert_int_equal(got, WEIR_HTTP_SCAN_MORE);
			got = http_head_scan(
			        &scan, weir_span(twice + first, 2 * size - first), &used);
			assert_int_equal(got, WEIR_HTTP_SCAN_COMPLETE);
			assert_int_equal(used, size - first);
		}
	}
}

static void malformed(void **state)
{
	static const struct {
		const char *what, *data;
		size_t size, used;
	} cases[] = {
	        {"a TLS ClientHello", "\x16\x03\x01\x02", 4, 0},
	        {"a space", " GET", 4, 0},
	        {"LF at the start", "\nGET", 4, 0},
	        {"NUL at the start", "\0", 1, 0},
	        {"an obs-text byte at the start", "\xff", 1, 0},
	        {"CR without LF at the start", "\rG", 2, 1},
	        {"two CRs at the start", "\r\r\n", 3, 1},
	        {"three empty lines", "\r\n\r\n\r\n", 6, 4},
	        {"bare LF in the request line", "GET / HTTP/1.1\nHost", 19, 14},
	        {"bare CR in the request line", "GET /\r HTTP/1.1\r\n", 17, 6},
	        {"NUL in the request line", "GET /\0abcdefghijkl", 18, 5},
	        {"LF at the start of a field", "GET / HTTP/1.1\r\n\nabcdefghi", 26, 16},
	        {"NUL at the start of a field", "GET / HTTP/1.1\r\n\0abcdefghi", 26, 16},
	        {"NUL in a field", "GET / HTTP/1.1\r\nA: b\0", 21, 20},
	        {"CR CR LF at the end", "GET / HTTP/1.1\r\n\r\r\n", 19, 17},
	        {"bare CR in a field", "GET / HTTP/1.1\r\nabcdefghijkl\rm", 30, 29},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		for (size_t piece = 1; piece <= cases[i].size; piece++) {
			struct result got = scan_in_pieces(cases[i].data, cases[i].size, piece);
			if (got.scan != WEIR_HTTP_SCAN_MALFORMED || got.used != cases[i].used)
				fail_msg("%s: %d at %zu in pieces of %zu", cases[i].what, got.scan,
				        got.used, piece);
		}
	}
}

static void malformed_is_sticky(void **state)
{
	struct http_head_scan scan = {0};
	size_t used = 9;
	(void)state;
	assert_int_equal(http_head_scan(&scan, WEIR_SPAN("\n"), &used), WEIR_HTTP_SCAN_MALFORMED);
	assert_int_equal(http_head_scan(&scan, WEIR_SPAN("GET / HTTP/1.0\r\n\r\n"), &used),
	        WEIR_HTTP_SCAN_MALFORMED);
	assert_int_equal(used, 0);
}

static void request_line_done(void **state)
{
	struct http_head_scan scan = {0};
	size_t used;
	(void)state;
	http_head_scan(&scan, WEIR_SPAN("\r\nGET / HTTP/1.1\r"), &used);
	assert_false(scan.request_line_done);
	http_head_scan(&scan, WEIR_SPAN("\n"), &used);
	assert_true(scan.request_line_done);
	http_head_scan(&scan, WEIR_SPAN("A: b\r\n\r\n"), &used);
	assert_false(scan.request_line_done);
	http_head_scan(&scan, weir_span(NULL, 0), &used);
	assert_int_equal(used, 0);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* If the parser accepts a head, the scanner finds it complete at its end, and not before. */
static void mutations_agree(void **state)
{
	static struct weir_http_request request;
	static const char bytes[] = "\r\n\r\n\0\t :,;=/?#%[]aA0\x7f\xff";
	uint32_t seed = 2463534242u;
	unsigned accepted = 0;
	(void)state;
	for (unsigned round = 0; round < 200000; round++) {
		const char *from = valid[next_random(&seed) % VALID_COUNT];
		size_t size = strlen(from);
		char *copy = malloc(size + 1);
		assert_non_null(copy);
		memcpy(copy, from, size);
		for (unsigned edits = 1 + next_random(&seed) % 2; edits; edits--) {
			size_t at = next_random(&seed) % size;
			uint32_t kind = next_random(&seed) % 3;
			if (kind == 0)
				memmove(copy + at, copy + at + 1, --size - at);
			else
				copy[at] = kind == 1
				                   ? bytes[next_random(&seed) % (sizeof bytes - 1)]
				                   : (char)next_random(&seed);
		}
		char *exact = realloc(copy, size);
		assert_non_null(exact);
		int status = http_head_parse(weir_span(exact, size), &request);
		struct result scan = scan_in_pieces(exact, size, 1 + next_random(&seed) % 40);
		accepted += status == 0;
		if (status == 0 && (scan.scan != WEIR_HTTP_SCAN_COMPLETE || scan.used != size))
			fail_msg("accepted by the parser only: \"%.*s\"", (int)size, exact);
		if (scan.scan == WEIR_HTTP_SCAN_MALFORMED && status == 0)
			fail_msg("refused by the scanner only: \"%.*s\"", (int)size, exact);
		free(exact);
	}
	assert_true(accepted > 1000);
}

/* By the byte, no line is ever skipped as a whole. */
static void random_lines_are_scanned_alike_by_the_byte(void **state)
{
	static const char *const parts[] = {"\r\n", "\r\n", "\r\n", "a", "A: b", "abcdefgh",
	        "abcdefghijklmnopqrstuvwxyz", "\t", "\x01\x0e", "\xff\xfe", "\r", "\n"};
	uint32_t seed = 2463534242u;
	unsigned complete = 0, refused = 0;
	(void)state;
	for (unsigned round = 0; round < 100000; round++) {
		char text[512] = "G";
		size_t size = 1;
		for (unsigned left = next_random(&seed) % 16; left; left--) {
			/* Broken ends of lines seldom, or hardly a head would get far. */
			unsigned choice = next_random(&seed) % 96;
			const char *part = parts[choice < 2 ? 10 + choice : choice % 10];
			memcpy(text + size, part, strlen(part));
			size += strlen(part);
		}
		if (next_random(&seed) % 16 == 0)
			text[next_random(&seed) % size] = 0;
		struct result by_byte = scan_in_pieces(text, size, 1);
		struct result whole = scan_in_pieces(text, size, size);
		struct result cut = scan_in_pieces(text, size, 1 + next_random(&seed) % 24);
		assert_int_equal(whole.scan, by_byte.scan);
		assert_int_equal(whole.used, by_byte.used);
		assert_int_equal(cut.scan, by_byte.scan);
		assert_int_equal(cut.used, by_byte.used);
		complete += whole.scan == WEIR_HTTP_SCAN_COMPLETE;
		refused += whole.scan == WEIR_HTTP_SCAN_MALFORMED;
	}
	assert_true(complete > 1000 && refused > 1000);
}

/* The state after some bytes is that after each of them by itself. */
static void the_state_is_that_of_the_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < VALID_COUNT; i++)
		for (size_t size = 1; size < strlen(valid[i]); size++) {
			struct http_head_scan whole = {0}, by_byte = {0};
			size_t used;
			http_head_scan(&whole, weir_span(valid[i], size), &used);
			for (size_t at = 0; at < size; at++)
				http_head_scan(&by_byte, weir_span(valid[i] + at, 1), &used);
			assert_int_equal(whole.state, by_byte.state);
			assert_int_equal(whole.empty_lines, by_byte.empty_lines);
			assert_int_equal(whole.request_line_done, by_byte.request_line_done);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(valid_heads),
	        cmocka_unit_test(every_prefix_needs_more),
	        cmocka_unit_test(every_cut_is_alike),
	        cmocka_unit_test(malformed),
	        cmocka_unit_test(malformed_is_sticky),
	        cmocka_unit_test(request_line_done),
	        cmocka_unit_test(mutations_agree),
	        cmocka_unit_test(random_lines_are_scanned_alike_by_the_byte),
	        cmocka_unit_test(the_state_is_that_of_the_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
