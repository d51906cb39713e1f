/* Chunked: the bytes on the wire, exactly, where the room allows one form only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <weir/sources.h>
#include <weir/transformers.h>

#include "drain.h"

static struct weir_loop *loop;
static unsigned calls;
static char two_lines[] = "A: 1\r\nB: 2\r\n";

static int set_up(void **state)
{
	(void)state;
	calls = 0;
	return weir_loop_create(&loop);
}

static int tear_down(void **state)
{
	(void)state;
	weir_loop_destroy(loop);
	return 0;
}

static size_t put_trailers(void *context, char *text, size_t room)
{
	const char *trailers = context;
	calls++;
	assert_int_equal(room, WEIR_TRAILERS_MAX);
	memcpy(text, trailers, strlen(trailers));
	return strlen(trailers);
}

static void expect(struct weir_producer *chunked, size_t room, const char *expected)
{
	struct drain drained = {.loop = loop, .room = room};
	assert_null(drain(&drained, chunked));
	assert_int_equal(drained.bytes.size, strlen(expected));
	assert_memory_equal(drained.bytes.data, expected, strlen(expected));
	drain_free(&drained);
}

static void one_answer_is_one_chunk(void **state)
{
	(void)state;
	struct probe probe = {.loop = loop, .bytes = WEIR_SPAN("a weir stands here"), .step = 10};
	expect(weir_produce_chunked(probe_create(&probe), NULL, NULL), 2000,
	        "a\r\na weir sta\r\n8\r\nnds here\r\n0\r\n\r\n");
	expect(weir_produce_chunked(weir_produce_copied("x", 1), NULL, NULL), 1,
	        "1\r\nx\r\n0\r\n\r\n");
}

static void an_empty_body_is_the_last_chunk_only(void **state)
{
	(void)state;
	expect(weir_produce_chunked(weir_produce_copied("", 0), NULL, NULL), 2000, "0\r\n\r\n");
	expect(weir_produce_chunked(weir_produce_copied("", 0), NULL, NULL), 1, "0\r\n\r\n");
}

static void an_answer_of_nothing_is_no_chunk(void **state)
{
	(void)state;
	struct probe probe = {.loop = loop, .bytes = WEIR_SPAN("abc"), .waits = true, .step = 2};
	expect(weir_produce_chunked(probe_create(&probe), NULL, NULL), 2000,
	        "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
}

static void trailers_stand_behind_the_last_chunk(void **state)
{
	(void)state;
	static const size_t rooms[] = {1, 300, 2000, 72 * 1024};
	for (int i = 0; i < 4; i++)
		expect(weir_produce_chunked(weir_produce_copied("abc", 3), put_trailers, two_lines),
		        rooms[i], "3\r\nabc\r\n0\r\nA: 1\r\nB: 2\r\n\r\n");
	assert_int_equal(calls, 4);
}

static void trailers_as_long_as_allowed(void **state)
{
	(void)state;
	char line[WEIR_TRAILERS_MAX + 1];
	char expected[WEIR_TRAILERS_MAX + 20] = "0\r\n";
	memset(line, 'x', sizeof line);
	memcpy(line, "A: ", 3);
	memcpy(line + WEIR_TRAILERS_MAX - 2, "\r\n", 3);
	strcat(expected, line);
	strcat(expected, "\r\n");
	expect(weir_produce_chunked(weir_produce_copied("", 0), put_trailers, line), 5, expected);
	expect(weir_produce_chunked(weir_produce_copied("", 0), put_trailers, line), 5000,
	        expected);
}

/* A child that fails must not look complete: no last chunk, no trailers. */
static void a_failure_is_left_open(void **state)
{
	(void)state;
	struct probe probe = {.loop = loop, .bytes = WEIR_SPAN("abc"), .fails = true};
	struct drain drained = {.loop = loop, .room = 2000};
	assert_null(drain(
	        &drained, weir_produce_chunked(probe_create(&probe), put_trailers, two_lines)));
	assert_int_equal(drained.end, WEIR_FAILED);
	assert_int_equal(drained.bytes.size, strlen("3\r\nabc\r\n"));
	assert_int_equal(calls, 0);
	drain_free(&drained);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	        TEST(one_answer_is_one_chunk),
	        TEST(an_empty_body_is_the_last_chunk_only),
	        TEST(an_answer_of_nothing_is_no_chunk),
	        TEST(trailers_stand_behind_the_last_chunk),
	        TEST(trailers_as_long_as_allowed),
	        TEST(a_failure_is_left_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
