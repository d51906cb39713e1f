/*
 * The cache of compressed files: its bounds, forms that are being sent, and how replies fill it.
 * The replies from it are tested in tests/web/test_compressed_cache.py.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <sys/stat.h>

#include <weir/error.h>
#include <weir/limits.h>
#include <weir/loop.h>
#include <weir/sources.h>
#include <weir/transformers.h>

#include "allocation.h"
#include "clock.h"
#include "decode.h"
#include "drain.h"
#include "files.h"
#include "with_loop.h"

enum {
	FORM = 16 * 1024,
	BYTES_MAX = 16 * FORM,
};

static struct weir_http_compressed_cache *cache_of(size_t bytes, unsigned entries)
{
	struct weir_http_compressed_cache *cache;
	assert_int_equal(weir_http_compressed_cache_create(bytes, entries, &cache), 0);
	return cache;
}

static struct compressed_key key_of(unsigned number)
{
	return (struct compressed_key){.inode = number};
}

static void add(struct weir_http_compressed_cache *cache, unsigned number, size_t size, int64_t now)
{
	struct compressed_form *form = NULL;
	struct compressed_key key = key_of(number);
	char *bytes = calloc(1, size);
	memset(bytes, (int)number, size);
	assert_int_equal(compressed_form_append(cache, &form, weir_span(bytes, size)), 0);
	compressed_cache_add(cache, form, &key, now);
	free(bytes);
}

static struct compressed_form *find(struct weir_http_compressed_cache *cache, unsigned number)
{
	struct compressed_key key = key_of(number);
	return compressed_cache_find(cache, &key, 0);
}

static bool has(struct weir_http_compressed_cache *cache, unsigned number)
{
	struct compressed_form *form = find(cache, number);
	if (form)
		compressed_form_release(form);
	return form;
}

static void the_form_used_longest_ago_gives_way(void **state)
{
	(void)state;
	struct weir_http_compressed_cache *cache = cache_of(BYTES_MAX, 0);
	for (unsigned i = 1; i <= 16; i++)
		add(cache, i, FORM, 0);
	assert_true(has(cache, 1));
	add(cache, 17, FORM, 0);
	assert_true(has(cache, 1));
	assert_false(has(cache, 2));
	for (unsigned i = 3; i <= 17; i++)
		assert_true(has(cache, i));
	weir_http_compressed_cache_release(cache);
}

static void the_number_of_forms_is_bounded(void **state)
{
	(void)state;
	struct weir_http_compressed_cache *cache = cache_of(BYTES_MAX, 3);
	for (unsigned i = 1; i <= 5; i++)
		add(cache, i, 10, 0);
	assert_false(has(cache, 1));
	assert_false(has(cache, 2));
	assert_true(has(cache, 3) && has(cache, 4) && has(cache, 5));
	weir_http_compressed_cache_release(cache);
}

/* Its memory would not be free if it gave way. */
static void a_form_that_is_being_sent_counts_and_stays(void **state)
{
	(void)state;
	struct weir_http_compressed_cache *cache = cache_of(BYTES_MAX, 0);
	struct compressed_form *sent[16], *form = NULL;
	for (unsigned i = 0; i < 16; i++) {
		add(cache, i + 1, FORM, 0);
		sent[i] = find(cache, i + 1);
	}
	assert_int_equal(compressed_form_append(cache, &form, WEIR_SPAN("x")), WEIR_E_LIMIT);
	assert_null(form);
	struct compressed_key key = key_of(1);
	compressed_cache_drop(cache, &key);
	assert_false(has(cache, 1));
	assert_int_equal(sent[0]->data[FORM - 1], 1);
	assert_int_equal(compressed_form_append(cache, &form, WEIR_SPAN("x")), WEIR_E_LIMIT);
	compressed_form_release(sent[0]);
	add(cache, 17, FORM, 0);
	for (unsigned i = 1; i < 16; i++) {
		assert_true(has(cache, i + 1));
		compressed_form_release(sent[i]);
	}
	weir_http_compressed_cache_release(cache);
}

static void forms_that_are_being_made_are_bounded(void **state)
{
	(void)state;
	static const char bytes[BYTES_MAX];
	struct weir_http_compressed_cache *cache = cache_of(BYTES_MAX, 0);
	struct compressed_form *forms[5] = {NULL};
	int error = 0;
	/* One takes an eighth at most, all together a quarter. */
	assert_int_equal(compressed_form_append(cache, &forms[0],
	                         weir_span(bytes, BYTES_MAX / WEIR_HTTP_COMPRESSED_PART + 1)),
	        WEIR_E_LIMIT);
	for (unsigned i = 0; i < 5; i++)
		error = compressed_form_append(cache, &forms[i], weir_span(bytes, FORM));
	assert_int_equal(error, WEIR_E_LIMIT);
	assert_null(forms[4]);
	compressed_form_abandon(cache, forms[0]);
	assert_int_equal(compressed_form_append(cache, &forms[4], weir_span(bytes, FORM)), 0);
	for (unsigned i = 1; i < 5; i++)
		compressed_form_abandon(cache, forms[i]);
	assert_false(compressed_cache_expire(cache, 0));
	weir_http_compressed_cache_release(cache);
}

static void forms_that_nobody_asks_for_are_given_up(void **state)
{
	(void)state;
	struct weir_http_compressed_cache *cache = cache_of(BYTES_MAX, 0);
	struct compressed_key key = key_of(1);
	add(cache, 1, 10, 0);
	add(cache, 2, 10, 0);
	compressed_form_release(compressed_cache_find(cache, &key, 10));
	assert_true(compressed_cache_expire(cache, WEIR_HTTP_COMPRESSED_IDLE_MS));
	assert_false(has(cache, 2));
	assert_false(compressed_cache_expire(cache, WEIR_HTTP_COMPRESSED_IDLE_MS + 10));
	assert_false(has(cache, 1));
	weir_http_compressed_cache_release(cache);
}

static void of_two_forms_with_one_key_the_first_stays(void **state)
{
	(void)state;
	struct weir_http_compressed_cache *cache = cache_of(BYTES_MAX, 0);
	add(cache, 1, 10, 0);
	add(cache, 1, 20, 0);
	struct compressed_form *form = find(cache, 1);
	assert_int_equal(form->size, 10);
	compressed_form_release(form);
	weir_http_compressed_cache_release(cache);
}

static void a_growing_form_without_memory_is_given_up(void **state)
{
	(void)state;
	static const char bytes[FORM + 1];
	struct weir_http_compressed_cache *cache = cache_of(BYTES_MAX, 0);
	struct compressed_form *form = NULL;
	assert_int_equal(compressed_form_append(cache, &form, WEIR_SPAN("x")), 0);
	fail_allocation_after(0, true);
	int error = compressed_form_append(cache, &form, weir_span(bytes, sizeof bytes));
	stop_failing_allocations();
	assert_int_equal(error, -ENOMEM);
	assert_null(form);
	assert_false(compressed_cache_expire(cache, 0));
	weir_http_compressed_cache_release(cache);
}

/* -- filling ----------------------------------------------------------------------------------- */

static char text[200 * 1000];

/* A file as the tree would give it, in memory. */
static struct weir_file file_in_memory(void)
{
	fill_text(text, sizeof text, 3);
	return (struct weir_file){.fd = -1,
	        .inode = 7,
	        .size = sizeof text,
	        .settled = true,
	        .content = weir_span(text, sizeof text)};
}

static struct weir_producer *filling_of(struct weir_loop *loop,
        struct weir_http_compressed_cache *cache, struct weir_file *file, bool *filling)
{
	struct probe probe = {.loop = loop, .bytes = weir_span(text, sizeof text)};
	struct compressed_key key = compressed_key_of(file, COMPRESSED_GZIP, 1);
	return compressed_fill_create(
	        weir_produce_gzip(probe_create(&probe)), cache, loop, file, &key, filling);
}

/* In a turn of its own: the budget of input is one turn's. */
static void drain_whole(struct drain *drained, struct weir_producer *producer)
{
	weir_loop_turn(drained->loop, 0);
	assert_null(drain(drained, producer));
}

/* The form of the file; NULL: there is none. */
static struct compressed_form *form_of(
        struct weir_http_compressed_cache *cache, const struct weir_file *file)
{
	struct compressed_key key = compressed_key_of(file, COMPRESSED_GZIP, 1);
	return compressed_cache_find(cache, &key, 0);
}

static void what_passes_is_what_the_cache_gets(void **state)
{
	static const size_t rooms[] = {0, 1, 100, 5000, 72 * 1024, 1 << 20};
	for (unsigned i = 0; i < sizeof rooms / sizeof *rooms; i++) {
		struct weir_http_compressed_cache *cache = cache_of(0, 0);
		struct weir_file file = file_in_memory();
		struct drain drained = {.loop = *state, .room = rooms[i]};
		bool filling;
		drain_whole(&drained, filling_of(*state, cache, &file, &filling));
		assert_int_equal(drained.end, WEIR_DONE);
		assert_false(filling);
		struct compressed_form *form = form_of(cache, &file);
		assert_non_null(form);
		assert_int_equal(form->size, drained.bytes.size);
		assert_int_equal(form->capacity, form->size);
		assert_memory_equal(form->data, drained.bytes.data, form->size);
		compressed_form_release(form);
		drain_free(&drained);
		weir_http_compressed_cache_release(cache);
	}
	assert_int_equal(probes_open, 0);
}

static void a_reply_that_ends_early_leaves_nothing(void **state)
{
	struct weir_http_compressed_cache *cache = cache_of(0, 0);
	struct weir_file file = file_in_memory();
	for (size_t stop_at = 1; stop_at < 40000; stop_at += 7001) {
		struct drain drained = {.loop = *state, .room = 1000, .stop_at = stop_at};
		bool filling;
		drain_whole(&drained, filling_of(*state, cache, &file, &filling));
		assert_false(filling);
		assert_null(form_of(cache, &file));
		drain_free(&drained);
	}
	assert_false(compressed_cache_expire(cache, 0));
	weir_http_compressed_cache_release(cache);
}

static void a_child_that_fails_leaves_nothing(void **state)
{
	struct weir_http_compressed_cache *cache = cache_of(0, 0);
	struct weir_file file = file_in_memory();
	struct probe probe = {.loop = *state, .bytes = weir_span(text, sizeof text), .fails = true};
	struct drain drained = {.loop = *state, .room = 1000};
	bool filling;
	struct compressed_key key = compressed_key_of(&file, COMPRESSED_GZIP, 1);
	drain_whole(&drained, compressed_fill_create(weir_produce_gzip(probe_create(&probe)), cache,
	                              *state, &file, &key, &filling));
	assert_int_equal(drained.end, WEIR_FAILED);
	assert_null(form_of(cache, &file));
	assert_false(compressed_cache_expire(cache, 0));
	drain_free(&drained);
	weir_http_compressed_cache_release(cache);
}

/* A copy that cannot be made costs the client nothing. */
static void without_room_for_the_copy_the_reply_is_whole(void **state)
{
	struct weir_http_compressed_cache *cache = cache_of(BYTES_MAX, 0);
	struct weir_file file = file_in_memory();
	struct drain drained = {.loop = *state, .room = 5000};
	bool filling;
	drain_whole(&drained, filling_of(*state, cache, &file, &filling));
	assert_int_equal(drained.end, WEIR_DONE);
	assert_true(drained.bytes.size > BYTES_MAX / WEIR_HTTP_COMPRESSED_PART);
	assert_null(form_of(cache, &file));
	assert_false(compressed_cache_expire(cache, 0));
	drain_free(&drained);
	weir_http_compressed_cache_release(cache);
}

static void a_file_that_changes_meanwhile_leaves_nothing(void **state)
{
	for (int change = 0; change < 2; change++) {
		struct weir_http_compressed_cache *cache = cache_of(0, 0);
		struct weir_file file = file_in_memory();
		struct stat status;
		file.fd = file_of(weir_span(text, sizeof text));
		file.content = weir_span(NULL, 0);
		assert_int_equal(fstat(file.fd, &status), 0);
		file.mtime = status.st_mtim;
		file.ctime = status.st_ctim;
		file.inode = status.st_ino;
		bool filling;
		struct weir_producer *producer = filling_of(*state, cache, &file, &filling);
		if (change) {
			usleep(20 * 1000);
			assert_int_equal(pwrite(file.fd, "x", 1, 0), 1);
		}
		struct drain drained = {.loop = *state, .room = 5000};
		drain_whole(&drained, producer);
		struct compressed_form *form = form_of(cache, &file);
		assert_true(change ? !form : !!form);
		if (form)
			compressed_form_release(form);
		drain_free(&drained);
		close(file.fd);
		weir_http_compressed_cache_release(cache);
	}
}

static void a_slow_client_gives_the_copy_up(void **state)
{
	struct weir_http_compressed_cache *cache = cache_of(0, 0);
	struct weir_file file = file_in_memory();
	bool filling;
	struct weir_producer *producer = filling_of(*state, cache, &file, &filling);
	weir_loop_turn(*state, 0);
	assert_true(filling);
	clock_advance(WEIR_HTTP_COMPRESSED_FILL_MS + 1000);
	for (int i = 0; i < 300 && filling; i++)
		weir_loop_turn(*state, 0);
	assert_false(filling);
	struct drain drained = {.loop = *state, .room = 5000};
	drain_whole(&drained, producer);
	assert_int_equal(drained.end, WEIR_DONE);
	assert_null(form_of(cache, &file));
	drain_free(&drained);
	weir_http_compressed_cache_release(cache);
}

/* -- threads ----------------------------------------------------------------------------------- */

static void *use(void *context)
{
	struct weir_http_compressed_cache *cache = context;
	for (unsigned i = 0; i < 3000; i++) {
		unsigned number = i * 7 % 40;
		struct compressed_form *form = find(cache, number);
		if (form) {
			if (form->data[form->size - 1] != (char)number)
				return cache;
			compressed_form_release(form);
		} else {
			char bytes[1000];
			struct compressed_key key = key_of(number);
			memset(bytes, (int)number, sizeof bytes);
			if (compressed_form_append(cache, &form, weir_span(bytes, sizeof bytes)) ==
			        0)
				compressed_cache_add(cache, form, &key, i);
		}
		if (i % 100 == 0)
			compressed_cache_expire(cache, i);
	}
	return NULL;
}

static void threads_share_it(void **state)
{
	(void)state;
	struct weir_http_compressed_cache *cache = cache_of(BYTES_MAX, 20);
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use, cache), 0);
	for (int i = 0; i < 3; i++) {
		void *wrong;
		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
	weir_http_compressed_cache_release(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_form_used_longest_ago_gives_way),
	        cmocka_unit_test(the_number_of_forms_is_bounded),
	        cmocka_unit_test(a_form_that_is_being_sent_counts_and_stays),
	        cmocka_unit_test(forms_that_are_being_made_are_bounded),
	        cmocka_unit_test(forms_that_nobody_asks_for_are_given_up),
	        cmocka_unit_test(of_two_forms_with_one_key_the_first_stays),
	        cmocka_unit_test(a_growing_form_without_memory_is_given_up),
	        cmocka_unit_test(what_passes_is_what_the_cache_gets),
	        cmocka_unit_test(a_reply_that_ends_early_leaves_nothing),
	        cmocka_unit_test(a_child_that_fails_leaves_nothing),
	        cmocka_unit_test(without_room_for_the_copy_the_reply_is_whole),
	        cmocka_unit_test(a_file_that_changes_meanwhile_leaves_nothing),
	        cmocka_unit_test(a_slow_client_gives_the_copy_up),
	        cmocka_unit_test(threads_share_it),
	};
	return cmocka_run_group_tests_name("compressed cache", tests, make_loop, destroy_loop);
}
