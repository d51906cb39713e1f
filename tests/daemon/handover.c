/* Messages between master and server: what is malformed is refused, and no descriptor leaks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/log.h>

#include "grants.h"
#include "handover.h"

static void test_a_message_with_a_descriptor(void **state)
{
	int ends[2], pipes[2], fd = -1;
	struct handover message;
	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	assert_int_equal(pipe(pipes), 0);
	message = (struct handover){.kind = HANDOVER_OPENED};
	assert_int_equal(handover_send(ends[0], message, pipes[1]), 0);
	assert_int_equal(handover_receive(ends[1], &message, &fd), 0);
	assert_int_equal(message.kind, HANDOVER_OPENED);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	/* A kind that has none. */
	message = (struct handover){.kind = HANDOVER_OPEN};
	int next = dup(0);
	close(next);
	assert_int_equal(handover_send(ends[0], message, pipes[1]), 0);
	assert_int_equal(handover_receive(ends[1], &message, &fd), -EPROTO);
	int again = dup(0);
	assert_int_equal(again, next);
	close(again);
	close(ends[0]);
	assert_int_equal(handover_receive(ends[1], &message, &fd), -ECONNRESET);
	close(ends[1]);
	close(pipes[0]);
	close(pipes[1]);
}

static void test_malformed_messages_are_refused(void **state)
{
	const struct handover good = {.magic = HANDOVER_MAGIC, .kind = HANDOVER_READY};
	struct handover bad = good;
	(void)state;
	assert_int_equal(handover_check(&good, sizeof good, 0), 0);
	for (size_t size = 0; size < sizeof good; size++)
		assert_int_equal(handover_check(&good, size, 0), -EPROTO);
	assert_int_equal(handover_check(&good, sizeof good, 1), -EPROTO);
	bad.magic++;
	assert_int_equal(handover_check(&bad, sizeof bad, 0), -EPROTO);
	bad = good;
	bad.kind = 0;
	assert_int_equal(handover_check(&bad, sizeof bad, 0), -EPROTO);
	bad.kind = HANDOVER_KINDS;
	assert_int_equal(handover_check(&bad, sizeof bad, 0), -EPROTO);
	bad = good;
	bad.result = 1;
	assert_int_equal(handover_check(&bad, sizeof bad, 0), -EPROTO);
	bad = good;
	bad.kind = HANDOVER_LOG_LEVEL;
	assert_int_equal(handover_check(&bad, sizeof bad, 0), -EPROTO);
	bad.index = WEIR_LOG_INFO;
	assert_int_equal(handover_check(&bad, sizeof bad, 0), 0);
	bad.index = WEIR_LOG_INFO + 1;
	assert_int_equal(handover_check(&bad, sizeof bad, 0), -EPROTO);
	bad.index = UINT32_MAX;
	assert_int_equal(handover_check(&bad, sizeof bad, 0), -EPROTO);
}

static void test_a_table_is_read_as_it_was_written(void **state)
{
	struct grants *made = grants_create(7), *read;
	(void)state;
	assert_int_equal(grants_add(made, GRANT_FILE, "/b", NULL, 0, -1), 0);
	assert_int_equal(grants_add(made, GRANT_MATCH, "*", "one", 3, -1), 0);
	assert_int_equal(grants_add(made, GRANT_TEXT, "/a", "x\0y", 3, -1), 0);
	assert_int_equal(grants_add(made, GRANT_MATCH, "*", "two", 3, -1), 0);
	int fd = grants_seal(made);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(grants_read(fd, &read), 0);
	close(fd);
	assert_int_equal(read->serial, 7);
	assert_ptr_equal(grants_find(read, GRANT_FILE, "/b", 0), &read->items[0]);
	assert_null(grants_find(read, GRANT_FILE, "/a", 0));
	assert_null(grants_find(read, GRANT_FILE, "/b", 1));
	assert_string_equal(grants_find(read, GRANT_MATCH, "*", 1)->value, "two");
	assert_null(grants_find(read, GRANT_MATCH, "*", 2));
	const struct grant *text = grants_find(read, GRANT_TEXT, "/a", 0);
	assert_int_equal(text->size, 3);
	assert_memory_equal(text->value, "x\0y", 3);
	grants_destroy(read);
	grants_destroy(made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_a_message_with_a_descriptor),
	        cmocka_unit_test(test_malformed_messages_are_refused),
	        cmocka_unit_test(test_a_table_is_read_as_it_was_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
