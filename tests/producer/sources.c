/*
 * The sources except the file: their bytes for any room, how they wait, and their close.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/sources.h>

#include "allocation.h"
#include "decode.h"
#include "drain.h"
#include "producer_internal.h"

enum {
	SIZE = 20000
};

static struct weir_loop *loop;
static char text[SIZE];

static const char *const lines[] = {"Received: from a weir", "", "x", NULL};
static const char lines_text[] = "Received: from a weir\r\n\r\nx\r\n";

static int set_up(void **state)
{
	(void)state;
	fill_text(text, sizeof text, 7);
	return weir_loop_create(&loop);
}

static int tear_down(void **state)
{
	(void)state;
	weir_loop_destroy(loop);
	return 0;
}

static unsigned closes;

static void on_release(void *context)
{
	(void)context;
	closes++;
}

/* A counter to `end`, as items and as a generator; waits before every fifth. */
struct count {
	unsigned at;
	unsigned end;
	bool waited;
	struct weir_producer *producer;
	struct weir_task task;
	char item[8];
};

static void on_close(void *context, enum weir_close_reason why)
{
	(void)why;
	weir_loop_cancel(loop, &((struct count *)context)->task);
	free(context);
	closes++;
}

static void count_run(struct weir_task *task)
{
	weir_wake(WEIR_CONTAINER(task, struct count, task)->producer);
}

static enum weir_more count_next(void *context, struct weir_span *ret_item)
{
	struct count *count = context;
	memset(count->item, '#', sizeof count->item); /* the item before is gone now */
	if (count->at % 5 == 4 && !count->waited && count->producer) {
		count->waited = true;
		weir_loop_defer(loop, &count->task);
		return WEIR_WAIT;
	}
	count->waited = false;
	if (count->at == count->end)
		return WEIR_DONE;
	count->at++;
	size_t size = (size_t)snprintf(count->item, sizeof count->item, "%u,", count->at);
	*ret_item = weir_span(count->item, count->at % 7 ? size : 0);
	return WEIR_MORE;
}

static enum weir_more count_more(void *context, struct weir_output *out)
{
	struct weir_span item;
	enum weir_more more = count_next(context, &item);
	if (more == WEIR_MORE && item.size && !weir_output_copy(out, item.data, 1))
		return WEIR_FAILED;
	return more;
}

static struct weir_producer *make_iterator(void)
{
	struct count *count = calloc(1, sizeof *count);
	if (!count)
		return NULL;
	count->end = 300;
	count->task.run = count_run;
	struct weir_producer *producer = weir_produce_iterator(count_next, on_close, count);
	if (producer)
		count->producer = producer;
	return producer;
}

static struct weir_producer *make_generator(void)
{
	struct count *count = calloc(1, sizeof *count);
	if (!count)
		return NULL;
	count->end = 9;
	return weir_produce_generator(count_more, on_close, count);
}

static struct weir_producer *make_borrowed(void)
{
	return weir_produce_borrowed(text, SIZE);
}

static struct weir_producer *make_copied(void)
{
	return weir_produce_copied(text, SIZE);
}

static struct weir_producer *make_owned(void)
{
	char *copy = malloc(SIZE);
	if (!copy)
		return NULL;
	memcpy(copy, text, SIZE);
	return weir_produce_owned(copy, SIZE);
}

static struct weir_producer *make_format(void)
{
	return weir_produce_format("%.*s", SIZE, text);
}

static struct weir_producer *make_lines(void)
{
	return weir_produce_lines(lines, "\r\n");
}

static struct weir_producer *make_buffers(void)
{
	struct weir_span spans[] = {weir_span(text, 10), weir_span(NULL, 0),
	        weir_span(text + 10, 9000), weir_span(text + 9010, SIZE - 9010)};
	return weir_produce_buffers(spans, 4, on_release, NULL);
}

static struct weir_producer *make_stream(void)
{
	int ends[2];
	if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0)
		abort();
	if (write(ends[1], text, SIZE) != SIZE)
		abort();
	close(ends[1]);
	return weir_produce_stream(loop, ends[0]);
}

static struct {
	const char *name;
	struct weir_producer *(*make)(void);
	struct weir_span expected;
} sources[] = {
        {"borrowed", make_borrowed, {text, SIZE}},
        {"copied", make_copied, {text, SIZE}},
        {"owned", make_owned, {text, SIZE}},
        {"format", make_format, {text, SIZE}},
        {"lines", make_lines, {lines_text, sizeof lines_text - 1}},
        {"buffers", make_buffers, {text, SIZE}},
        {"stream", make_stream, {text, SIZE}},
        {"iterator", make_iterator, {NULL, 0}},
        {"generator", make_generator, {"12345689", 8}},
};
enum {
	SOURCES = sizeof sources / sizeof *sources
};

static struct weir_span count_text(void)
{
	static char bytes[3000];
	size_t size = 0;
	for (unsigned i = 1; i <= 300; i++)
		if (i % 7)
			size += (size_t)snprintf(bytes + size, sizeof bytes - size, "%u,", i);
	return weir_span(bytes, size);
}

static void every_source_in_every_room(void **state)
{
	static const size_t rooms[] = {1, 2, 300, 72 * 1024, 0};
	static const unsigned free_pieces[] = {1, 2, 128, 0};
	(void)state;
	for (int i = 0; i < SOURCES; i++)
		for (int r = 0; r < 5; r++)
			for (int p = 0; p < 4; p++) {
				struct drain drained = {
				        .loop = loop, .room = rooms[r], .pieces = free_pieces[p]};
				const char *wrong = drain(&drained, sources[i].make());
				if (wrong || drained.end != WEIR_DONE)
					fail_msg("%s: %s", sources[i].name, wrong);
				struct weir_span expected = sources[i].expected;
				if (!expected.data)
					expected = count_text();
				if (!weir_span_equal(weir_buffer_span(&drained.bytes), expected))
					fail_msg("%s: wrong bytes", sources[i].name);
				drain_free(&drained);
			}
}

static void closing_early_frees_and_tells(void **state)
{
	(void)state;
	for (int i = 0; i < SOURCES; i++)
		for (size_t stop = 1; stop < 40; stop++) {
			struct drain drained = {.loop = loop, .room = 3, .stop_at = stop};
			closes = 0;
			assert_null(drain(&drained, sources[i].make()));
			if (sources[i].make == make_buffers || sources[i].make == make_iterator)
				assert_int_equal(closes, 1);
			drain_free(&drained);
		}
}

static void without_memory_nothing_leaks(void **state)
{
	(void)state;
	for (int i = 0; i < SOURCES; i++)
		for (unsigned good = 0, failed = 1; failed; good++) {
			struct drain drained = {.room = 700};
			assert_int_equal(weir_loop_create(&drained.loop), 0);
			fail_allocation_after(good, false);
			closes = 0;
			struct weir_producer *producer =
			        sources[i].make == make_iterator || sources[i].make == make_stream
			                ? NULL /* these know the loop of the other tests */
			                : sources[i].make();
			const char *wrong = producer ? drain(&drained, producer) : NULL;
			failed = stop_failing_allocations();
			assert_null(wrong);
			if (sources[i].make == make_buffers)
				assert_int_equal(closes, 1);
			drain_free(&drained);
			weir_loop_destroy(drained.loop);
		}
}

static void without_memory_what_was_given_is_given_back(void **state)
{
	(void)state;
	int ends[2];
	struct count *count = calloc(1, sizeof *count);
	char *owned = malloc(10);
	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	closes = 0;
	fail_allocation_after(0, true);
	struct weir_producer *made[] = {weir_produce_owned(owned, 10),
	        weir_produce_stream(loop, ends[0]),
	        weir_produce_iterator(count_next, on_close, count), make_buffers(), make_lines()};
	stop_failing_allocations();
	for (int i = 0; i < 5; i++)
		assert_null(made[i]);
	assert_int_equal(closes, 2);
	assert_int_equal(fcntl(ends[0], F_GETFD), -1);
	close(ends[1]);
}

static void a_stream_closes_its_descriptor(void **state)
{
	(void)state;
	int ends[2];
	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	struct weir_producer *stream = weir_produce_stream(loop, ends[0]);
	struct drain first = {.loop = loop, .room = 100, .stop_at = 5};
	assert_int_equal(write(ends[1], "first", 5), 5);
	assert_null(drain(&first, stream)); /* closes the reading end */
	assert_int_equal(first.bytes.size, 5);
	drain_free(&first);
	assert_int_equal(write(ends[1], "x", 1), -1);
	close(ends[1]);
}

static void a_stream_closed_while_it_waits_is_watched_no_more(void **state)
{
	(void)state;
	struct weir_piece pieces[4];
	struct weir_output out;
	for (int round = 0; round < 3; round++) { /* the descriptors get the same numbers again */
		int ends[2];
		assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
		struct weir_producer *stream = weir_produce_stream(loop, ends[0]);
		output_init(&out, loop, pieces, 4, 100);
		assert_int_equal(weir_producer_more(stream, &out), WEIR_WAIT);
		assert_int_equal(write(ends[1], "x", 1), 1);
		weir_producer_close(stream, WEIR_CLOSE_ABORTED);
		assert_int_not_equal(fcntl(ends[0], F_GETFD), -1); /* the loop closes it */
		weir_loop_turn(loop, 0);
		assert_int_equal(fcntl(ends[0], F_GETFD), -1);
		close(ends[1]);
	}
}

static void a_stream_is_woken_by_bytes_and_by_the_end(void **state)
{
	(void)state;
	int ends[2];
	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	struct weir_producer *stream = weir_produce_stream(loop, ends[0]);
	struct drain drained = {.loop = loop, .room = 100};
	pid_t writer = fork();
	if (writer == 0) {
		usleep(20000);
		ssize_t put = write(ends[1], "later", 5);
		usleep(20000);
		_exit(put == 5 ? 0 : 1);
	}
	close(ends[1]);
	assert_null(drain(&drained, stream));
	assert_int_equal(drained.end, WEIR_DONE);
	assert_true(drained.waits >= 1);
	assert_memory_equal(drained.bytes.data, "later", 5);
	assert_int_equal(waitpid(writer, NULL, 0), writer);
	drain_free(&drained);
}

static void a_descriptor_that_cannot_be_read_fails(void **state)
{
	(void)state;
	struct drain drained = {.loop = loop, .room = 100};
	assert_null(drain(&drained, weir_produce_stream(loop, open("/", O_RDONLY | O_CLOEXEC))));
	assert_int_equal(drained.end, WEIR_FAILED);
	drain_free(&drained);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_source_in_every_room),
	        cmocka_unit_test(closing_early_frees_and_tells),
	        cmocka_unit_test(without_memory_nothing_leaks),
	        cmocka_unit_test(without_memory_what_was_given_is_given_back),
	        cmocka_unit_test(a_stream_closes_its_descriptor),
	        cmocka_unit_test(a_stream_closed_while_it_waits_is_watched_no_more),
	        cmocka_unit_test(a_stream_is_woken_by_bytes_and_by_the_end),
	        cmocka_unit_test(a_descriptor_that_cannot_be_read_fails),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
