/*
 * The dynamic table of replies and the ids of its fields: byte by byte, and beside decoders of
 * random blocks, whatever sizes the client sets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "allocation.h"
#include "encode_model.h"
#include "encoder.h"

/* -- the table --------------------------------------------------------------------------------- */

static void expect_bytes(const char *block, const char *end, struct weir_span expected)
{
	assert_int_equal(end - block, expected.size);
	assert_memory_equal(block, expected.data, expected.size);
}

static void expect_block(struct weir_span lines, struct weir_span expected)
{
	char block[4096];
	expect_bytes(block, encoder_put_lines(block, lines), expected);
}

/* Both are string literals. */
#define EXPECT_BYTES(block, end, expected) expect_bytes(block, end, WEIR_SPAN(expected))
#define EXPECT_LINES(lines, expected) expect_block(WEIR_SPAN(lines), WEIR_SPAN(expected))

static void a_field_is_inserted_when_it_comes_again(void **state)
{
	(void)state;
	EXPECT_LINES("X: 1\r\n", "\x00\x01x\x01\x31");
	EXPECT_LINES("X: 1\r\n", "\x40\x01x\x01\x31");
	EXPECT_LINES("X: 1\r\n", "\xbe");
	EXPECT_LINES("X: 1\r\n", "\xbe");
	/* A name of the static table. The texts are too short for Huffman's code to help. */
	EXPECT_LINES("Vary: *\r\n", "\x0f\x2c\x01*");
	EXPECT_LINES("Vary: *\r\nX: 1\r\n", "\x7b\x01*\xbf");
	EXPECT_LINES("Vary: *\r\nX: 1\r\n", "\xbe\xbf");
	/* One name with several values; a value that has the code once it is inserted. */
	EXPECT_LINES("X: 2\r\nX: 2\r\nX: 1\r\n", "\x00\x01x\x01\x32\x40\x01x\x01\x32\xc0");
	EXPECT_LINES("X: aaaa\r\n", "\x00\x01x\x04"
	                            "aaaa");
	EXPECT_LINES("X: aaaa\r\n", "\x40\x01x\x83\x18\xc6\x3f");
	EXPECT_LINES("X: aaaa\r\n", "\xbe");
}

/* Between its two occurrences there may be as many others as there are notes. */
static void a_field_is_forgotten_after_many_others(void **state)
{
	(void)state;
	for (unsigned others = H2_TABLE_NOTES - 1; others <= H2_TABLE_NOTES; others++) {
		char block[4096], line[16];
		encoder_put_lines(block, WEIR_SPAN("A: 1\r\n"));
		for (unsigned i = 0; i < others; i++) {
			snprintf(line, sizeof line, "O: %03u%03u\r\n", others, i);
			encoder_put_lines(block, weir_span_of(line));
		}
		encoder_put_lines(block, WEIR_SPAN("A: 1\r\n"));
		assert_int_equal((uint8_t)block[0], others < H2_TABLE_NOTES ? 0x40 : 0);
		encoder_tear_down(state);
	}
}

/* RFC 7541 7.1.3: intermediaries do not insert them either. */
static void fields_with_secrets_are_never_inserted(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		EXPECT_LINES("Set-Cookie: a\r\n", "\x1f\x28\x01"
		                                  "a");
		EXPECT_LINES("X-CSRF-Token: a\r\n", "\x10\x0cx-csrf-token\x01"
		                                    "a");
		struct http_encoded_lines *encoded =
		        h2_encode_lines(&encoder.intern, WEIR_SPAN("set-cookie: a\r\n"));
		char block[64], *end = h2_encode_put_encoded(block, &encoder.table, encoded);
		EXPECT_BYTES(block, end,
		        "\x1f\x28\x01"
		        "a");
		free(encoded);
	}
	assert_int_equal(encoder.table.count, 0);
}

static void encoded_lines_have_the_entries_of_others(void **state)
{
	(void)state;
	char block[64], *end;
	struct weir_span lines = WEIR_SPAN("Vary: *\r\nX: 1\r\nETag: 2\r\n");
	struct http_encoded_lines *encoded = h2_encode_lines(&encoder.intern, lines);
	assert_non_null(encoded);
	EXPECT_LINES("X: 1\r\nX: 1\r\n", "\x00\x01x\x01\x31\x40\x01x\x01\x31");
	end = h2_encode_put_encoded(block, &encoder.table, encoded);
	EXPECT_BYTES(block, end, "\x0f\x2c\x01*\xbe\x0f\x13\x01\x32");
	end = h2_encode_put_encoded(block, &encoder.table, encoded);
	EXPECT_BYTES(block, end, "\x7b\x01*\xbf\x62\x01\x32");
	for (int i = 0; i < 2; i++) {
		end = h2_encode_put_encoded(block, &encoder.table, encoded);
		EXPECT_BYTES(block, end, "\xbf\xc0\xbe");
	}
	/* A later entry moves all of them. */
	EXPECT_LINES("Y: 1\r\nY: 1\r\n", "\x00\x01y\x01\x31\x40\x01y\x01\x31");
	for (int i = 0; i < 2; i++) {
		end = h2_encode_put_encoded(block, &encoder.table, encoded);
		EXPECT_BYTES(block, end, "\xc0\xc1\xbf");
	}
	EXPECT_LINES("ETag: 2\r\n", "\xbf");
	free(encoded);
}

static void the_date_is_inserted_once_a_second(void **state)
{
	(void)state;
	struct h2_encoded_date date = {0};
	char block[64];
	for (int second = 1; second < 3; second++) {
		h2_encode_date(&date, &encoder.intern, second, "Mon, 30 Nov 2026 12:00:00 GMT");
		h2_encode_put_date(block, &encoder.table, &date);
		assert_memory_equal(block, "\x0f\x12\x96", 3);
		h2_encode_put_date(block, &encoder.table, &date);
		assert_memory_equal(block, "\x61\x96", 2);
		for (int i = 0; i < 2; i++) {
			char *end = h2_encode_put_date(block, &encoder.table, &date);
			EXPECT_BYTES(block, end, "\xbe");
		}
	}
	encoder_put_lines(block, WEIR_SPAN("X: 1\r\nX: 1\r\n"));
	EXPECT_BYTES(block, h2_encode_put_date(block, &encoder.table, &date), "\xbf");
}

/* Of the changes between two blocks, the smallest and the last are sent (RFC 7541 4.2). */
static void changes_of_the_size_are_sent(void **state)
{
	static const struct {
		uint32_t sizes[4];
		unsigned count;
		const char *updates;
	} cases[] = {
	        {{0}, 1, "\x20"},
	        {{100}, 1, "\x3f\x45"},
	        {{4096}, 1, ""},
	        {{65536}, 1, ""},
	        {{UINT32_MAX}, 1, ""},
	        {{100, 50, 200}, 3, "\x3f\x13\x3f\xa9\x01"},
	        {{50, 4096}, 2, "\x3f\x13\x3f\xe1\x1f"},
	        {{0, 1 << 20}, 2, "\x20\x3f\xe1\x1f"},
	        {{30, 0}, 2, "\x20"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char block[16];
		size_t size = i == 0 || i == 8 ? 1 : strlen(cases[i].updates);
		for (unsigned n = 0; n < cases[i].count; n++)
			h2_table_set_size(&encoder.table, cases[i].sizes[n]);
		assert_true(encoder.table.resized);
		assert_int_equal(h2_table_put_updates(&encoder.table, block) - block, size);
		assert_memory_equal(block, cases[i].updates, size);
		assert_false(encoder.table.resized);
		assert_true(size <= H2_TABLE_UPDATES_MAX);
		h2_table_finish(&encoder.table);
	}
}

static void a_smaller_table_has_fewer_entries(void **state)
{
	(void)state;
	char block[8192];
	EXPECT_LINES("A: 1\r\nA: 1\r\n", "\x00\x01"
	                                 "a\x01\x31\x40\x01"
	                                 "a\x01\x31");
	EXPECT_LINES("B: 1\r\nB: 1\r\n", "\x00\x01"
	                                 "b\x01\x31\x40\x01"
	                                 "b\x01\x31");
	EXPECT_LINES("A: 1\r\nB: 1\r\n", "\xbf\xbe");
	/* Each counts 34 bytes. */
	h2_table_set_size(&encoder.table, 67);
	EXPECT_BYTES(block, h2_table_put_updates(&encoder.table, block), "\x3f\x24");
	EXPECT_LINES("B: 1\r\n", "\xbe");
	EXPECT_LINES("A: 1\r\n", "\x40\x01"
	                         "a\x01\x31");
	EXPECT_LINES("A: 1\r\n", "\xbe");
	assert_int_equal(encoder.table.count, 1);
	/* One that has no room leaves the others alone. */
	for (int i = 0; i < 3; i++)
		EXPECT_LINES("C: 12345678901234567890123456789012345\r\n",
		        "\x00\x01"
		        "c\x23"
		        "12345678901234567890123456789012345");
	EXPECT_LINES("A: 1\r\n", "\xbe");
	h2_table_set_size(&encoder.table, 0);
	EXPECT_BYTES(block, h2_table_put_updates(&encoder.table, block), "\x20");
	EXPECT_LINES("A: 1\r\nA: 1\r\n", "\x00\x01"
	                                 "a\x01\x31\x00\x01"
	                                 "a\x01\x31");
}

/* Those that the encoder has forgotten stay in the client's table until there is no room. */
static void many_entries_are_forgotten_from_the_oldest(void **state)
{
	(void)state;
	char block[16], lines[32];
	for (unsigned i = 0; i <= H2_TABLE_ENTRIES; i++) {
		snprintf(lines, sizeof lines, "A: %02u\r\nA: %02u\r\n", i, i);
		encoder_put_lines(block, weir_span_of(lines));
	}
	assert_int_equal(encoder.table.count, H2_TABLE_ENTRIES);
	EXPECT_LINES("A: 32\r\nA: 01\r\n", "\xbe\xdd");
	EXPECT_LINES("A: 00\r\nA: 00\r\n", "\x00\x01"
	                                   "a\x02"
	                                   "00\x40\x01"
	                                   "a\x02"
	                                   "00");
	EXPECT_LINES("A: 00\r\nA: 02\r\n", "\xbe\xdd");
}

/* A long line is sent as it is, and so are lines for which there is no memory. */
static void lines_without_an_id_are_literals(void **state)
{
	(void)state;
	char line[H2_INTERN_LINE_MAX + 10], block[2048];
	for (unsigned size = H2_INTERN_LINE_MAX; size <= H2_INTERN_LINE_MAX + 1; size++) {
		memset(line, 'v', size);
		memcpy(line, "X: ", 3);
		for (int i = 0; i < 3; i++)
			encoder_put_lines(block, weir_span(line, size));
		assert_int_equal((uint8_t)block[0], size > H2_INTERN_LINE_MAX ? 0 : 0xbe);
	}
	fail_allocation_after(0, true);
	for (int i = 0; i < 3; i++)
		EXPECT_LINES("Z: 1\r\n", "\x00\x01z\x01\x31");
	assert_null(h2_encode_lines(&encoder.intern, WEIR_SPAN("A: 1\r\n")));
	assert_true(stop_failing_allocations());
	EXPECT_LINES("Z: 1\r\nZ: 1\r\n", "\x00\x01z\x01\x31\x40\x01z\x01\x31");
	/* A table that cannot be made, and that is made later. */
	encoder_tear_down(state);
	EXPECT_LINES("Z: 1\r\n", "\x00\x01z\x01\x31");
	fail_allocation_after(0, true);
	EXPECT_LINES("Z: 1\r\n", "\x00\x01z\x01\x31");
	assert_true(stop_failing_allocations());
	EXPECT_LINES("Z: 1\r\n", "\x40\x01z\x01\x31");
}

/* -- ids --------------------------------------------------------------------------------------- */

/* Lines that nobody asks for are forgotten, and those that come again and again are not. */
static void lines_that_are_used_are_not_forgotten(void **state)
{
	(void)state;
	char line[32];
	uint64_t ids[2] = {0};
	for (unsigned i = 0; i < 100000; i++) {
		struct weir_span used = WEIR_SPAN("Used: 1\r");
		uint32_t hash = h2_intern_hash(used);
		uint64_t id = h2_intern_find(&encoder.intern, used, hash);
		assert_true(i == 0 ? id == 0 : id == ids[0]);
		if (i == 0)
			ids[0] = h2_intern_add(&encoder.intern, used, hash, 40);
		assert_true(h2_id_size(ids[0]) == 40);
		snprintf(line, sizeof line, "Once: %u\r", i);
		hash = h2_intern_hash(weir_span_of(line));
		assert_int_equal(h2_intern_find(&encoder.intern, weir_span_of(line), hash), 0);
		uint64_t other = h2_intern_add(&encoder.intern, weir_span_of(line), hash, 41);
		assert_true(other != ids[0] && other > ids[1]);
		ids[1] = other;
	}
}

/* Ids of another loop, and of one that has ended, are others. */
static void no_loop_gives_an_id_again(void **state)
{
	(void)state;
	static struct h2_intern other = {.huffman = &encoder.huffman};
	uint64_t first = h2_intern_new_id(&encoder.intern, 0), last = 0;
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned n = 0; n < 10000; n++) {
			uint64_t id = h2_intern_new_id(&other, 0);
			assert_true(id != first && id > last);
			last = id;
		}
		memset(&other, 0, sizeof other);
	}
	assert_true(h2_intern_new_id(&encoder.intern, 0) == first + (1 << H2_ID_SIZE_BITS));
}

/* Lines of one set and one hash differ by their bytes. */
static void lines_of_one_hash_are_different_fields(void **state)
{
	(void)state;
	uint64_t a = h2_intern_add(&encoder.intern, WEIR_SPAN("A: 1"), 7, 34);
	uint64_t b = h2_intern_add(&encoder.intern, WEIR_SPAN("B: 1"), 7, 34);
	assert_true(a && b && a != b);
	assert_true(h2_intern_find(&encoder.intern, WEIR_SPAN("A: 1"), 7) == a);
	assert_true(h2_intern_find(&encoder.intern, WEIR_SPAN("B: 1"), 7) == b);
	assert_true(h2_intern_find(&encoder.intern, WEIR_SPAN("A: 12"), 7) == 0);
	assert_true(h2_intern_find(&encoder.intern, WEIR_SPAN("C: 1"), 7) == 0);
}

/* -- beside decoders --------------------------------------------------------------------------- */

static void blocks_are_what_was_meant(unsigned seed, bool starved)
{
	static struct encode_model model;
	struct dice dice = {.state = seed};
	unsigned small = 0, full = 0;
	encode_model_begin(&model);
	model.starved = starved;
	for (unsigned i = 0; i < 4000; i++) {
		encode_model_plan(&model, &dice);
		if (starved && dice_throw(&dice, 2))
			fail_allocation_after(dice_throw(&dice, 3), true);
		encode_model_encode(&model);
		stop_failing_allocations();
		const char *difference = encode_model_check(&model);
		if (difference)
			fail_msg("%s, in block %u of seed %u", difference, i, seed);
		small += model.size < 12;
		full += model.connections[model.connection].table.count == H2_TABLE_ENTRIES;
	}
	encode_model_end(&model);
	/* The table is no use if few blocks are small, and has to be full sometimes. */
	assert_true(small > 200 && full > 10);
}

static void random_blocks_are_what_was_meant(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 20; seed++)
		blocks_are_what_was_meant(seed, false);
}

static void any_allocation_may_fail(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 20; seed++)
		blocks_are_what_was_meant(seed, true);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, encoder_set_up, encoder_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_field_is_inserted_when_it_comes_again),
	        TEST(a_field_is_forgotten_after_many_others),
	        TEST(fields_with_secrets_are_never_inserted),
	        TEST(encoded_lines_have_the_entries_of_others),
	        TEST(the_date_is_inserted_once_a_second),
	        TEST(changes_of_the_size_are_sent),
	        TEST(a_smaller_table_has_fewer_entries),
	        TEST(many_entries_are_forgotten_from_the_oldest),
	        TEST(lines_without_an_id_are_literals),
	        TEST(lines_that_are_used_are_not_forgotten),
	        TEST(no_loop_gives_an_id_again),
	        TEST(lines_of_one_hash_are_different_fields),
	        TEST(random_blocks_are_what_was_meant),
	        TEST(any_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
