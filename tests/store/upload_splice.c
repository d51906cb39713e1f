/* Uploads that take from a socket: byte for byte, to the end, to a bound, and not beyond. */
#include "sent.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include <weir/error.h>
#include <weir/limits.h>

struct taking {
	struct sent sent; /* first: the context of the upload's callbacks */
	int takes;
	uint64_t size;
	int end;
	int socket; /* the other end */
	int source; /* the upload's */
};

static int setup(void **state)
{
	scratch_setup(state);
	return weir_tree_open(loop, scratch, NULL, &tree);
}

static int teardown(void **state)
{
	weir_tree_close(tree);
	return scratch_teardown(state);
}

static void on_taken(void *context, uint64_t size, int end)
{
	struct taking *taking = context;
	taking->takes++;
	taking->size = size;
	taking->end = end;
}

static void start(struct taking *taking, const char *path, struct weir_upload_options options)
{
	int pair[2];
	assert_int_equal(
	        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	memset(taking, 0, sizeof *taking);
	assert_int_equal(begin(&taking->sent, path, options), 0);
	taking->socket = pair[1];
	weir_upload_set_source(taking->sent.upload, pair[0], on_taken);
	taking->source = pair[0];
	turn_until(&taking->sent.ready, 1);
	assert_int_equal(taking->sent.ready_error, 0);
}

static void take(struct taking *taking, uint64_t most)
{
	int takes = taking->takes;
	weir_upload_splice(taking->sent.upload, most);
	assert_int_equal(weir_upload_write(taking->sent.upload, WEIR_SPAN("x")), -EAGAIN);
	turn_until(&taking->takes, takes + 1);
}

static void give(struct taking *taking, const void *data, size_t size)
{
	assert_int_equal(send(taking->socket, data, size, MSG_NOSIGNAL), size);
}

/* Bytes at different offsets differ. */
static void fill(char *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		data[i] = (char)(i * 31 + (i >> 8));
}

static void assert_file(const char *path, const char *data, size_t size)
{
	char *got = malloc(size + 1);
	int fd = open(in_scratch(path), O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, got, size + 1), size);
	assert_memory_equal(got, data, size);
	close(fd);
	free(got);
}

static void byte_for_byte(void **state)
{
	(void)state;
	static char data[100000];
	struct taking taking;
	fill(data, sizeof data);
	start(&taking, "a", (struct weir_upload_options){0});
	take(&taking, UINT64_MAX);
	assert_int_equal(taking.size, 0);
	assert_int_equal(taking.end, 0);
	for (size_t at = 0, step = 1; at < sizeof data; at += step, step *= 3) {
		size_t size = step < sizeof data - at ? step : sizeof data - at;
		give(&taking, data + at, size);
		take(&taking, UINT64_MAX);
		assert_int_equal(taking.size, size);
	}
	assert_int_equal(weir_upload_size(taking.sent.upload), sizeof data);
	close(taking.socket);
	take(&taking, UINT64_MAX);
	assert_int_equal(taking.end, 1);
	assert_int_equal(commit(&taking.sent), 0);
	assert_file("a", data, sizeof data);
}

/* Where no pipe can be had the bytes are copied, and nobody sees a difference. */
static void without_a_pipe(void **state)
{
	struct rlimit all, few;
	struct taking taking;
	(void)state;
	start(&taking, "a", (struct weir_upload_options){0});
	give(&taking, "copied", 6);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	int lowest = dup(0);
	close(lowest);
	few = (struct rlimit){(rlim_t)lowest, all.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	take(&taking, UINT64_MAX);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	assert_int_equal(taking.size, 6);
	close(taking.socket);
	take(&taking, UINT64_MAX);
	assert_int_equal(taking.end, 1);
	assert_int_equal(commit(&taking.sent), 0);
	assert_string_equal(text_of("a"), "copied");
}

/* Bytes after `most` stay in the socket. */
static void no_more_than_asked_for(void **state)
{
	char rest[8] = "";
	struct taking taking;
	(void)state;
	start(&taking, "a", (struct weir_upload_options){.size = 5, .size_known = true});
	assert_int_equal(weir_upload_write(taking.sent.upload, WEIR_SPAN("he")), 0);
	give(&taking, "llo, GET", 8);
	int ours = dup(taking.source);
	take(&taking, 3);
	assert_int_equal(taking.size, 3);
	assert_int_equal(taking.end, 0);
	assert_int_equal(commit(&taking.sent), 0);
	assert_string_equal(text_of("a"), "hello");
	assert_int_equal(recv(ours, rest, sizeof rest, 0), 5);
	assert_string_equal(rest, ", GET");
	close(ours);
	close(taking.socket);
}

static void more_than_may_come(void **state)
{
	struct taking taking;
	(void)state;
	start(&taking, "a", (struct weir_upload_options){.size_max = 4});
	give(&taking, "1234", 4);
	take(&taking, UINT64_MAX);
	assert_int_equal(taking.size, 4);
	give(&taking, "5", 1);
	weir_upload_splice(taking.sent.upload, UINT64_MAX);
	turn_until(&taking.sent.ready, 2);
	assert_int_equal(taking.sent.ready_error, -EFBIG);
	assert_int_equal(taking.takes, 1);
	weir_upload_abort(taking.sent.upload);
	close(taking.socket);
	assert_null(text_of("a"));
}

/* A commit includes a splice under way; an abort calls nothing, and closes the socket. */
static void ends_while_taking(void **state)
{
	char byte;
	struct taking taking;
	(void)state;
	start(&taking, "a", (struct weir_upload_options){0});
	give(&taking, "on the way", 10);
	weir_upload_splice(taking.sent.upload, UINT64_MAX);
	assert_int_equal(commit(&taking.sent), 0);
	assert_int_equal(taking.takes, 0);
	assert_string_equal(text_of("a"), "on the way");
	assert_int_equal(recv(taking.socket, &byte, 1, 0), 0);
	close(taking.socket);
	start(&taking, "b", (struct weir_upload_options){0});
	give(&taking, "in vain", 7);
	weir_upload_splice(taking.sent.upload, UINT64_MAX);
	weir_upload_abort(taking.sent.upload);
	for (int i = 0; i < 1000 && recv(taking.socket, &byte, 1, 0) < 0 && errno == EAGAIN; i++)
		weir_loop_turn(loop, 5);
	assert_int_equal(taking.takes, 0);
	assert_null(text_of("b"));
	close(taking.socket);
}

/* Many times as much as one piece of work takes, and pipes of the smallest size. */
static void a_large_one(void **state)
{
	static char data[64 * 1024];
	struct taking taking;
	uint64_t given = 0, got = 0;
	(void)state;
	fill(data, sizeof data);
	start(&taking, "a", (struct weir_upload_options){0});
	while (got < 3ULL * WEIR_UPLOAD_SPLICE_MAX) {
		ssize_t put;
		while ((put = send(taking.socket, data + given % sizeof data,
		                sizeof data - given % sizeof data, MSG_NOSIGNAL)) > 0)
			given += (uint64_t)put;
		take(&taking, UINT64_MAX);
		got += taking.size;
	}
	assert_int_equal(got, given);
	assert_int_equal(commit(&taking.sent), 0);
	int fd = open(in_scratch("a"), O_RDONLY);
	static char block[sizeof data];
	for (uint64_t at = 0; at < given; at += sizeof block) {
		ssize_t size = read(fd, block, sizeof block);
		assert_true(size > 0);
		assert_memory_equal(block, data, (size_t)size);
	}
	close(fd);
	close(taking.socket);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(byte_for_byte, setup, teardown),
	        cmocka_unit_test_setup_teardown(without_a_pipe, setup, teardown),
	        cmocka_unit_test_setup_teardown(no_more_than_asked_for, setup, teardown),
	        cmocka_unit_test_setup_teardown(more_than_may_come, setup, teardown),
	        cmocka_unit_test_setup_teardown(ends_while_taking, setup, teardown),
	        cmocka_unit_test_setup_teardown(a_large_one, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
