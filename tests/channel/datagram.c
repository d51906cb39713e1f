/* UDP sockets: batches, the address that was asked, datagrams that are too long, budgets. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/datagram.h>
#include <weir/loop.h>

#include "allocation.h"
#include "peer.h"

static struct weir_loop *loop;
static unsigned answered, cuts;

/* Echoes the bytes twice, but does not answer "no". */
static size_t echo(void *context, const struct weir_datagram *datagram, void *reply, size_t room)
{
	size_t size = datagram->bytes.size;
	(void)context;
	answered++;
	cuts += datagram->cut;
	if (weir_span_equal(datagram->bytes, WEIR_SPAN("no")) || 2 * size > room)
		return 0;
	memcpy(reply, datagram->bytes.data, size);
	memcpy((char *)reply + size, datagram->bytes.data, size);
	return 2 * size;
}

static struct weir_datagrams *create(const char *address)
{
	struct weir_datagrams_options options;
	weir_datagrams_options_init(&options);
	options.receive_max = 64;
	options.reply_max = 128;
	options.answer = echo;
	struct weir_datagrams *datagrams;
	assert_int_equal(weir_address_parse(weir_span_of(address), &options.address), 0);
	assert_int_equal(weir_datagrams_create(loop, &options, &datagrams), 0);
	answered = cuts = 0;
	return datagrams;
}

/* A client's socket that hears only of `host` and the server's port. */
static int client(const struct weir_datagrams *datagrams, const char *host)
{
	char text[64];
	struct weir_address address;
	snprintf(text, sizeof text, "%s:%u", host,
	        weir_address_port(weir_datagrams_address(datagrams)));
	assert_int_equal(weir_address_parse(weir_span_of(text), &address), 0);
	int fd = socket(address.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, &address.any, weir_address_size(&address)), 0);
	return fd;
}

static bool heard(int fd, const char *wanted)
{
	char text[256];
	ssize_t got = -1;
	TURN_UNTIL(loop, got >= 0 || (got = recv(fd, text, sizeof text, 0)) >= 0);
	return got == (ssize_t)strlen(wanted) && memcmp(text, wanted, (size_t)got) == 0;
}

static void replies_leave_from_the_address_that_was_asked(void **state)
{
	/* The last two are a socket for both families. */
	static const char *const cases[][2] = {{"127.0.0.1:0", "127.0.0.1"},
	        {"0.0.0.0:0", "127.0.0.1"}, {"0.0.0.0:0", "127.0.0.77"}, {"[::1]:0", "[::1]"},
	        {"[::]:0", "[::1]"}, {"[::]:0", "127.0.0.77"}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct weir_datagrams *datagrams = create(cases[i][0]);
		int fd = client(datagrams, cases[i][1]);
		assert_int_equal(send(fd, "ab", 2, 0), 2);
		assert_true(heard(fd, "abab"));
		close(fd);
		weir_datagrams_destroy(datagrams);
	}
}

static void batches_keep_what_belongs_together(void **state)
{
	enum {
		COUNT = 3 * WEIR_DATAGRAMS_BATCH + 5
	};
	struct weir_datagrams *datagrams = create("127.0.0.1:0");
	int fds[COUNT];
	(void)state;
	for (unsigned i = 0; i < COUNT; i++) {
		char text[16];
		int size = snprintf(text, sizeof text, "<%u>", i);
		fds[i] = client(datagrams, "127.0.0.1");
		assert_int_equal(send(fds[i], "no", 2, 0), 2);
		assert_int_equal(send(fds[i], text, (size_t)size, 0), size);
	}
	for (unsigned i = 0; i < COUNT; i++) {
		char text[32];
		snprintf(text, sizeof text, "<%u><%u>", i, i);
		assert_true(heard(fds[i], text));
		close(fds[i]);
	}
	assert_int_equal(answered, 2 * COUNT);
	weir_datagrams_destroy(datagrams);
}

static void a_turn_has_a_budget(void **state)
{
	struct weir_datagrams *datagrams = create("127.0.0.1:0");
	int fd = client(datagrams, "127.0.0.1");
	(void)state;
	for (unsigned i = 0; i < WEIR_DATAGRAMS_PER_TURN + 10; i++)
		assert_int_equal(send(fd, "no", 2, 0), 2);
	weir_loop_turn(loop, 1000);
	assert_int_equal(answered, WEIR_DATAGRAMS_PER_TURN);
	weir_loop_turn(loop, 1000);
	assert_int_equal(answered, WEIR_DATAGRAMS_PER_TURN + 10);
	close(fd);
	weir_datagrams_destroy(datagrams);
}

static void what_is_too_long_is_cut(void **state)
{
	struct weir_datagrams *datagrams = create("127.0.0.1:0");
	int fd = client(datagrams, "127.0.0.1");
	char text[65] = {0};
	(void)state;
	assert_int_equal(send(fd, text, 64, 0), 64);
	assert_int_equal(send(fd, text, 65, 0), 65);
	assert_int_equal(send(fd, text, 0, 0), 0);
	assert_true(TURN_UNTIL(loop, answered == 3));
	assert_int_equal(cuts, 1);
	close(fd);
	weir_datagrams_destroy(datagrams);
}

static void anything_may_be_sent_later(void **state)
{
	struct weir_datagrams *datagrams = create("0.0.0.0:0"), *other = create("127.0.0.1:0");
	struct weir_datagram_local local = {.family = AF_INET, .v4.s_addr = htonl(0x7f00004d)};
	int fd = client(datagrams, "127.0.0.77");
	struct weir_address self = {0};
	socklen_t size = sizeof self;
	(void)state;
	assert_int_equal(getsockname(fd, &self.any, &size), 0);
	assert_int_equal(weir_datagrams_send(datagrams, &self, &local, WEIR_SPAN("late")), 0);
	assert_true(heard(fd, "late"));
	/* An address that is not ours. */
	local.v4.s_addr = htonl(0x08080808);
	assert_true(weir_datagrams_send(datagrams, &self, &local, WEIR_SPAN("late")) < 0);
	assert_int_equal(
	        weir_datagrams_send(other, weir_datagrams_address(other), NULL, WEIR_SPAN("no")),
	        0);
	assert_true(TURN_UNTIL(loop, answered == 1));
	close(fd);
	weir_datagrams_destroy(datagrams);
	weir_datagrams_destroy(other);
	weir_datagrams_destroy(NULL);
}

static void failures_to_create(void **state)
{
	struct weir_datagrams *datagrams = create("127.0.0.1:0"), *second = NULL;
	struct weir_datagrams_options options;
	weir_datagrams_options_init(&options);
	options.address = *weir_datagrams_address(datagrams);
	options.receive_max = 1;
	options.reply_max = 1;
	options.answer = echo;
	(void)state;
	assert_int_equal(weir_datagrams_create(loop, &options, &second), -EADDRINUSE);
	options.receive_max = 0;
	assert_int_equal(weir_datagrams_create(loop, &options, &second), -EINVAL);
	options.receive_max = 1;
	options.answer = NULL;
	assert_int_equal(weir_datagrams_create(loop, &options, &second), -EINVAL);
	options.answer = echo;
	fail_allocation_after(0, false);
	assert_int_equal(weir_datagrams_create(loop, &options, &second), -ENOMEM);
	assert_true(stop_failing_allocations());
	assert_null(second);
	weir_datagrams_destroy(datagrams);
}

static int create_loop(void **state)
{
	(void)state;
	return weir_loop_create(&loop);
}

static int destroy_loop(void **state)
{
	(void)state;
	weir_loop_turn(loop, 0);
	weir_loop_destroy(loop);
	return 0;
}

static void options_begin_with_their_defaults(void **state)
{
	struct weir_datagrams_options options;
	(void)state;
	memset(&options, 0xff, sizeof options);
	weir_datagrams_options_init(&options);
	assert_int_equal(options.receive_max, WEIR_DATAGRAM_MAX);
	assert_int_equal(options.reply_max, WEIR_DATAGRAM_MAX);
	assert_false(options.shared);
	assert_null(options.answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(options_begin_with_their_defaults),
	        cmocka_unit_test(replies_leave_from_the_address_that_was_asked),
	        cmocka_unit_test(batches_keep_what_belongs_together),
	        cmocka_unit_test(a_turn_has_a_budget),
	        cmocka_unit_test(what_is_too_long_is_cut),
	        cmocka_unit_test(anything_may_be_sent_later),
	        cmocka_unit_test(failures_to_create),
	};
	return cmocka_run_group_tests(tests, create_loop, destroy_loop);
}
