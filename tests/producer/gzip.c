/*
 * gzip: the ratio, what cannot be compressed, blocks and their sizes, and no buffer where there is
 * room. The levels of gzip and zstd.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include <weir/sources.h>
#include <weir/transformers.h>

#include "allocation.h"
#include "producer_internal.h"
#include "decode.h"
#include "drain.h"
#include "loop_internal.h"

enum {
	SIZE = 300 * 1000,
	ROOM = 72 * 1024
};

static struct weir_loop *loop;
static char text[SIZE];
static char noise[SIZE];

/* Words as a language has them: few are frequent, many are rare. */
static void fill_prose(char *to, size_t size)
{
	struct dice dice = {.state = 99};
	size_t at = 0;
	while (at < size) {
		unsigned rank =
		        dice_throw(&dice, 1 + dice_throw(&dice, 1 + dice_throw(&dice, 4000)));
		struct dice word = {.state = rank * 7919u + 17};
		unsigned letters = 2 + dice_throw(&word, 8);
		for (unsigned i = 0; i < letters && at < size; i++)
			to[at++] = "etaoinshrdlucmfw"[dice_throw(&word, 16)];
		if (at < size)
			to[at++] = dice_throw(&dice, 12) ? ' ' : '\n';
	}
}

static int set_up(void **state)
{
	(void)state;
	struct dice dice = {.state = 5};
	fill_prose(text, SIZE);
	for (size_t i = 0; i < SIZE; i++)
		noise[i] = (char)dice_throw(&dice, 256);
	return weir_loop_create(&loop);
}

static int tear_down(void **state)
{
	(void)state;
	weir_loop_destroy(loop);
	return 0;
}

static size_t zlib_size(const char *data, size_t size)
{
	static char to[SIZE + 1000];
	z_stream stream = {.next_in = (Bytef *)data,
	        .avail_in = (uInt)size,
	        .next_out = (Bytef *)to,
	        .avail_out = sizeof to};
	assert_int_equal(deflateInit2(&stream, 1, Z_DEFLATED, 31, 8, 0), Z_OK);
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	deflateEnd(&stream);
	return stream.total_out;
}

/* The compressed size of what a child yields, after it was checked. */
static size_t shrink(struct weir_span bytes, size_t step, struct drain drained)
{
	struct probe probe = {.loop = loop, .bytes = bytes, .step = step, .kind = PROBE_COPY};
	struct weir_buffer decoded = {0};
	bool whole;
	drained.loop = loop;
	assert_null(drain(&drained, weir_produce_gzip(probe_create(&probe))));
	assert_int_equal(drained.end, WEIR_DONE);
	assert_true(decode_gzip(weir_buffer_span(&drained.bytes), false, &decoded, &whole));
	assert_true(whole && weir_span_equal(bytes, weir_buffer_span(&decoded)));
	size_t size = drained.bytes.size;
	weir_buffer_finish(&decoded);
	drain_free(&drained);
	return size;
}

static void the_ratio_is_that_of_zlib(void **state)
{
	(void)state;
	size_t ours = shrink(weir_span(text, SIZE), 0, (struct drain){.room = ROOM});
	size_t theirs = zlib_size(text, SIZE);
	print_message("# %zu bytes, zlib -1 %zu\n", ours, theirs);
	/*
	 * Both do without history from block to block; ISA-L is the better one by more than that
	 * costs.
	 */
	bool isal = strcmp(compressor_name, "isal") == 0;
	assert_true(ours * 100 <= theirs * (isal ? 103 : 105));
}

static void a_child_in_bits_is_compressed_as_well(void **state)
{
	(void)state;
	size_t whole = shrink(weir_span(text, SIZE), 0, (struct drain){.room = ROOM});
	size_t bits = shrink(weir_span(text, SIZE), 77, (struct drain){.room = ROOM});
	assert_int_equal(whole, bits);
}

static void noise_grows_by_little(void **state)
{
	(void)state;
	size_t size = shrink(weir_span(noise, SIZE), 0, (struct drain){.room = ROOM});
	size_t blocks = SIZE / COMPRESSOR_BLOCK_SIZE + 1;
	assert_true(size < blocks * compressor_bound(SIZE / blocks) + 100);
}

static void a_small_room_costs_no_more_than_small_blocks(void **state)
{
	(void)state;
	size_t theirs = zlib_size(text, 20000);
	size_t ours = shrink(weir_span(text, 20000), 0, (struct drain){.room = 100});
	assert_true(ours * 10 <= theirs * 14);
}

/* A stream with room enough allocates nothing once the loop has its compressor and arena. */
static void no_memory_is_taken_for_a_stream_with_room(void **state)
{
	(void)state;
	struct weir_piece pieces[8];
	struct weir_output out;
	const char *inputs[] = {text, noise};
	for (int i = 0; i < 2; i++) {
		shrink(weir_span(text, 100), 0, (struct drain){.room = ROOM});
		struct weir_producer *gzip =
		        weir_produce_gzip(weir_produce_borrowed(inputs[i], SIZE));
		enum weir_more more = WEIR_MORE;
		fail_allocation_after(0, true);
		while (more == WEIR_MORE) {
			output_init(&out, loop, pieces, 8, ROOM);
			more = weir_producer_more(gzip, &out);
			arena_reset(loop_arena(loop));
		}
		stop_failing_allocations();
		assert_int_equal(more, WEIR_DONE);
		weir_producer_close(gzip, WEIR_CLOSE_DONE);
	}
}

/* The size of the text at a level, after it was checked. */
static size_t shrink_at(bool zstd, unsigned level)
{
	struct weir_span bytes = weir_span(text, SIZE);
	struct weir_producer *child = weir_produce_borrowed(text, SIZE);
	struct drain drained = {.loop = loop, .room = ROOM};
	struct weir_buffer decoded = {0};
	bool whole;
	weir_loop_turn(loop, 0);
	assert_null(drain(&drained, zstd ? weir_produce_zstd_level(child, level)
	                                 : weir_produce_gzip_level(child, level)));
	assert_int_equal(drained.end, WEIR_DONE);
	struct weir_span packed = weir_buffer_span(&drained.bytes);
	assert_true(zstd ? decode_zstd(packed, &decoded, &whole)
	                 : decode_gzip(packed, false, &decoded, &whole));
	assert_true(whole && weir_span_equal(bytes, weir_buffer_span(&decoded)));
	size_t size = packed.size;
	weir_buffer_finish(&decoded);
	drain_free(&drained);
	return size;
}

static void a_higher_level_makes_less(void **state)
{
	(void)state;
	for (int zstd = 0; zstd <= 1; zstd++) {
		size_t sizes[12];
		for (unsigned level = 0; level < 12; level++)
			sizes[level] = shrink_at(zstd, level);
		print_message("# levels 1, 4, 7, 9: %zu, %zu, %zu, %zu bytes\n", sizes[1], sizes[4],
		        sizes[7], sizes[9]);
		assert_true(sizes[4] < sizes[1] && sizes[7] < sizes[4] && sizes[9] <= sizes[7]);
		assert_int_equal(sizes[0], sizes[1]);
		assert_int_equal(sizes[10], sizes[9]);
		assert_int_equal(sizes[11], sizes[9]);
	}
	assert_int_equal(shrink_at(false, 1),
	        shrink(weir_span(text, SIZE), 0, (struct drain){.room = ROOM}));
}

static void an_empty_body_is_a_whole_stream(void **state)
{
	(void)state;
	assert_int_equal(shrink(weir_span(text, 0), 0, (struct drain){.room = ROOM}), 20);
	assert_int_equal(shrink(weir_span(text, 0), 0, (struct drain){.room = 1}), 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_ratio_is_that_of_zlib),
	        cmocka_unit_test(a_child_in_bits_is_compressed_as_well),
	        cmocka_unit_test(noise_grows_by_little),
	        cmocka_unit_test(a_small_room_costs_no_more_than_small_blocks),
	        cmocka_unit_test(no_memory_is_taken_for_a_stream_with_room),
	        cmocka_unit_test(a_higher_level_makes_less),
	        cmocka_unit_test(an_empty_body_is_a_whole_stream),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
