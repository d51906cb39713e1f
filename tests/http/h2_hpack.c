/* HPACK beside the model: blocks of an encoder, blocks of anything, and the bounds of the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "allocation.h"
#include "drain.h"
#include "hpack_model.h"

static void expect_agreement(struct hpack_pair *pair, struct weir_span block)
{
	const char *difference = hpack_pair_decode(pair, block);
	if (difference)
		fail_msg("%s, in a block of %zu bytes", difference, block.size);
}

/* -- blocks of an encoder ---------------------------------------------------------------------- */

enum {
	FIELDS_MAX = 12,
	TEXT_MAX = 600,
};

/* Names and values that come again, and some that do not; of the bytes of one kind. */
static size_t random_text(struct dice *dice, char *to, unsigned kind)
{
	size_t size = dice_throw(dice, 20) ? dice_throw(dice, 30) : dice_throw(dice, TEXT_MAX);
	unsigned variety = dice_throw(dice, 3) ? 3 : 256;
	for (size_t i = 0; i < size; i++)
		to[i] = (char)(kind == 0 ? 'a' + dice_throw(dice, variety) % 26
		                         : dice_throw(dice, 256));
	return size;
}

static void encode_and_compare(
        struct dice *dice, nghttp2_hd_deflater *deflater, struct hpack_pair *pair, unsigned fields)
{
	static char text[FIELDS_MAX][2][TEXT_MAX];
	static uint8_t block[HPACK_BLOCK_MAX];
	nghttp2_nv list[FIELDS_MAX];
	for (unsigned i = 0; i < fields; i++) {
		size_t name = random_text(dice, text[i][0], 0);
		size_t value = random_text(dice, text[i][1], dice_throw(dice, 2));
		list[i] = (nghttp2_nv){(uint8_t *)text[i][0], (uint8_t *)text[i][1], name, value,
		        dice_throw(dice, 8) ? NGHTTP2_NV_FLAG_NONE : NGHTTP2_NV_FLAG_NO_INDEX};
	}
	ssize_t size = nghttp2_hd_deflate_hd(deflater, block, sizeof block, list, fields);
	assert_true(size >= 0);
	expect_agreement(pair, weir_span(block, (size_t)size));
	assert_false(pair->broken);
}

static void fields_of_an_encoder_are_the_models(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 40; seed++) {
		struct dice dice = {.state = seed};
		struct hpack_pair pair;
		nghttp2_hd_deflater *deflater;
		hpack_pair_begin(&pair);
		assert_int_equal(nghttp2_hd_deflate_new(&deflater, H2_HPACK_TABLE_MAX), 0);
		for (unsigned i = 0; i < 150; i++) {
			/* Table size updates: the table becomes empty, smaller, larger again. */
			if (dice_throw(&dice, 20) == 0)
				nghttp2_hd_deflate_change_table_size(
				        deflater, dice_throw(&dice, 6) * 819);
			encode_and_compare(
			        &dice, deflater, &pair, dice_throw(&dice, FIELDS_MAX + 1));
		}
		nghttp2_hd_deflate_del(deflater);
		hpack_pair_end(&pair);
	}
}

/* An encoder uses the code where that is shorter: short symbols surround the one in question. */
static void every_symbol_has_its_code(void **state)
{
	(void)state;
	struct hpack_pair pair;
	nghttp2_hd_deflater *deflater;
	hpack_pair_begin(&pair);
	assert_int_equal(nghttp2_hd_deflate_new(&deflater, 0), 0);
	for (unsigned symbol = 0; symbol < 256; symbol++) {
		for (unsigned before = 20; before < 40; before++) {
			uint8_t value[64], block[128];
			memset(value, '0', sizeof value);
			value[before] = value[before + 1] = (uint8_t)symbol;
			nghttp2_nv nv = {(uint8_t *)"x", value, 1, sizeof value, 0};
			ssize_t size = nghttp2_hd_deflate_hd(deflater, block, sizeof block, &nv, 1);
			assert_true(size > 0 && size < 64);
			expect_agreement(&pair, weir_span(block, (size_t)size));
			assert_false(pair.broken);
			assert_memory_equal(pair.fields.data + pair.fields.size - sizeof value,
			        value, sizeof value);
		}
	}
	nghttp2_hd_deflate_del(deflater);
	hpack_pair_end(&pair);
}

/* -- blocks of anything ------------------------------------------------------------------------ */

static uint8_t *put_integer(
        struct dice *dice, uint8_t *to, unsigned high, unsigned bits, unsigned value)
{
	unsigned most = (1u << bits) - 1;
	if (value < most) {
		*to++ = (uint8_t)(high | value);
		return to;
	}
	*to++ = (uint8_t)(high | most);
	for (value -= most; value >= 128; value >>= 7)
		*to++ = (uint8_t)(value | 128);
	*to++ = (uint8_t)value;
	/* Digits that say nothing are allowed, up to a number of them. */
	if (dice_throw(dice, 16) == 0) {
		to[-1] |= 128;
		for (unsigned more = dice_throw(dice, 6); more; more--)
			*to++ = 128;
		*to++ = (uint8_t)(dice_throw(dice, 8) == 0);
	}
	return to;
}

/* Some are no code at all, and some have a size that the block does not have. */
static uint8_t *put_string(struct dice *dice, uint8_t *to)
{
	unsigned size = dice_throw(dice, 12) ? dice_throw(dice, 24) : dice_throw(dice, 300);
	bool huffman = dice_throw(dice, 2);
	unsigned ones = dice_throw(dice, 4);
	to = put_integer(dice, to, huffman ? 0x80 : 0, 7, size + !dice_throw(dice, 200));
	for (unsigned i = 0; i < size; i++)
		*to++ = (uint8_t)(dice_throw(dice, 4) < ones ? 0xff : dice_throw(dice, 256));
	if (huffman && size)
		to[-1] |= (uint8_t)((1u << dice_throw(dice, 9)) - 1);
	return to;
}

static uint8_t *put_field(struct dice *dice, uint8_t *to)
{
	static const struct {
		uint8_t high, bits;
	} literals[] = {{0x40, 6}, {0x40, 6}, {0x40, 6}, {0, 4}, {0x10, 4}};
	unsigned kind = dice_throw(dice, 10);
	unsigned index = dice_throw(dice, 3) ? dice_throw(dice, 70) : dice_throw(dice, 190);
	if (dice_throw(dice, 400) == 0) /* a table size update, out of its place */
		return put_integer(dice, to, 0x20, 5, dice_throw(dice, 5000));
	if (kind >= sizeof literals / sizeof *literals)
		return put_integer(dice, to, 0x80, 7, index ? index : 2);
	bool named = dice_throw(dice, 2);
	to = put_integer(dice, to, literals[kind].high, literals[kind].bits, named ? index : 0);
	if (!named || index == 0)
		to = put_string(dice, to);
	return put_string(dice, to);
}

static struct weir_span random_block(struct dice *dice)
{
	static uint8_t block[HPACK_BLOCK_MAX];
	uint8_t *to = block;
	while (dice_throw(dice, 12) == 0)
		to = put_integer(
		        dice, to, 0x20, 5, dice_throw(dice, 3) ? 4096 : dice_throw(dice, 4200));
	for (unsigned fields = dice_throw(dice, 16); fields; fields--)
		to = put_field(dice, to);
	size_t size = (size_t)(to - block);
	if (size && dice_throw(dice, 20) == 0)
		size = dice_throw(dice, (unsigned)size);
	return weir_span(block, size);
}

/* Behind a fault the connection ends, and so both begin anew. */
static void faults_are_the_models(void **state)
{
	(void)state;
	struct dice dice = {.state = 7};
	struct hpack_pair pair;
	unsigned broken = 0, good = 0;
	hpack_pair_begin(&pair);
	for (unsigned i = 0; i < 60000; i++) {
		expect_agreement(&pair, random_block(&dice));
		broken += pair.broken;
		good += !pair.broken && pair.fields.size;
		if (!pair.broken)
			continue;
		hpack_pair_end(&pair);
		hpack_pair_begin(&pair);
	}
	hpack_pair_end(&pair);
	/* The blocks are no use if nearly all of them are of one sort. */
	assert_true(broken > 5000 && good > 5000);
}

static void strings_of_any_bytes_are_the_models(void **state)
{
	(void)state;
	struct dice dice = {.state = 11};
	struct hpack_pair pair;
	unsigned good = 0;
	hpack_pair_begin(&pair);
	for (unsigned i = 0; i < 200000; i++) {
		uint8_t block[64] = {0, 1, 'x'}, *to = block + 3;
		unsigned size = dice_throw(&dice, 12), ones = dice_throw(&dice, 4);
		*to++ = (uint8_t)(0x80 | size);
		for (unsigned n = 0; n < size; n++)
			*to++ = (uint8_t)(dice_throw(&dice, 4) < ones ? 0xff
			                                              : dice_throw(&dice, 256));
		if (size)
			to[-1] |= (uint8_t)((1u << dice_throw(&dice, 9)) - 1);
		expect_agreement(&pair, weir_span(block, (size_t)(to - block)));
		good += !pair.broken;
		if (!pair.broken)
			continue;
		hpack_pair_end(&pair);
		hpack_pair_begin(&pair);
	}
	hpack_pair_end(&pair);
	assert_true(good > 20000 && good < 180000);
}

/* -- the table --------------------------------------------------------------------------------- */

/* Entries of all sizes follow each other, so that text moves at all fillings. */
static void a_full_table_evicts_as_the_model_does(void **state)
{
	(void)state;
	struct dice dice = {.state = 3};
	struct hpack_pair pair;
	unsigned full = 0;
	hpack_pair_begin(&pair);
	for (unsigned i = 0; i < 20000; i++) {
		uint8_t block[5000], *to = block;
		unsigned most = i / 1000 % 4 == 0 ? 5 : i / 1000 % 4 == 1 ? 60 : 4100;
		unsigned size = dice_throw(&dice, most);
		if (most > 4000 && size % 8 == 0) /* about as large as the table */
			size = H2_HPACK_TABLE_MAX - H2_HPACK_FIELD_EXTRA - dice_throw(&dice, 3);
		/* The name is new, or that of an entry that may have to go. */
		unsigned index = dice_throw(&dice, 2) && pair.ours.count
		                         ? 62 + dice_throw(&dice, pair.ours.count)
		                         : 0;
		to = put_integer(&dice, to, 0x40, 6, index);
		if (!index) {
			*to++ = 1;
			*to++ = (uint8_t)('a' + i % 26);
		}
		to = put_integer(&dice, to, 0, 7, size);
		memset(to, (int)('a' + i % 23), size);
		to += size;
		/* And all that are there are looked at. */
		for (unsigned n = 0; n < pair.ours.count && i % 16 == 0; n++)
			to = put_integer(&dice, to, 0x80, 7, 62);
		expect_agreement(&pair, weir_span(block, (size_t)(to - block)));
		if (pair.broken) {
			hpack_pair_end(&pair);
			hpack_pair_begin(&pair);
		}
		full += pair.ours.size > H2_HPACK_TABLE_MAX * 3 / 4;
	}
	hpack_pair_end(&pair);
	assert_true(full > 5000);
}

static void any_allocation_may_fail(void **state)
{
	(void)state;
	for (unsigned good = 0;; good++) {
		struct h2_hpack hpack;
		struct h2_hpack_reader reader = {.huffman = NULL}; /* no string is coded */
		struct h2_field field;
		char room[H2_HPACK_ROOM(64)];
		unsigned stored = 0;
		h2_hpack_init(&hpack);
		fail_allocation_after(good, false);
		enum h2_hpack_result result = H2_HPACK_FIELD;
		for (unsigned i = 0; i < 60 && result == H2_HPACK_FIELD; i++) {
			char block[64];
			int size = snprintf(
			        block, sizeof block, "\x40%c%03u%cvalue of some size", 3, i, 18);
			assert_true(
			        h2_hpack_begin(&hpack, weir_span(block, (size_t)size), &reader));
			result = h2_hpack_next(&hpack, &reader, room, &field);
			stored += result == H2_HPACK_FIELD;
		}
		bool failed = stop_failing_allocations();
		assert_int_equal(result, failed ? H2_HPACK_NO_MEMORY : H2_HPACK_FIELD);
		assert_int_equal(hpack.count, stored);
		h2_hpack_finish(&hpack);
		if (!failed)
			break;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(fields_of_an_encoder_are_the_models),
	        cmocka_unit_test(every_symbol_has_its_code),
	        cmocka_unit_test(faults_are_the_models),
	        cmocka_unit_test(strings_of_any_bytes_are_the_models),
	        cmocka_unit_test(a_full_table_evicts_as_the_model_does),
	        cmocka_unit_test(any_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
