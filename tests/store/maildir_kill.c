/*
 * A process that delivers is killed at any moment. A message that was reported as stored exists
 * once and is complete; any other exists complete or not at all.
 */
#include "mail.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

enum {
	ROUNDS = 40,
	CLIENTS = 8,
	LARGEST = 200000
};

/* The store treats one and two recipients differently. */
static bool is_for_bob(unsigned number)
{
	return number % 2;
}

/* Makes the message of a number, which determines its size and bytes. */
static size_t make_message(unsigned number, char *data)
{
	size_t size = number % 5 == 0 ? number * 7919u % LARGEST : number * 31u % 3000;
	int head = sprintf(data, "Number: %08u %08u\r\n\r\n", number, (unsigned)size);
	for (size_t i = 0; i < size; i++)
		data[(size_t)head + i] = (char)('a' + (number + i) % 26);
	return (size_t)head + size;
}

/* The child: delivers without end, and writes the number of each stored message to the pipe. */
static void deliver_for_ever(int acknowledged, unsigned number)
{
	static struct mail mails[CLIENTS];
	static unsigned numbers[CLIENTS];
	static char data[LARGEST + 100];
	if (weir_loop_create(&loop) < 0 || weir_maildir_create(scratch, NULL, &store) < 0)
		_exit(1);
	for (;;) {
		for (int i = 0; i < CLIENTS; i++) {
			if (mails[i].delivery && !mails[i].done)
				continue;
			if (mails[i].done &&
			        (mails[i].errors[0] || (mails[i].count > 1 && mails[i].errors[1]) ||
			                write(acknowledged, &numbers[i], 4) != 4))
				_exit(2);
			numbers[i] = number++;
			size_t size = make_message(numbers[i], data);
			if (mail_begin(&mails[i], is_for_bob(numbers[i]) ? "alice,bob" : "alice") <
			                0 ||
			        mail_write(&mails[i], data, size) < 0)
				_exit(3);
			store->sink.type->commit(mails[i].delivery, mail_done, &mails[i]);
		}
		weir_loop_turn(loop, 100);
	}
}

static uint8_t *seen; /* by number: 1: acknowledged, 2: found */
static unsigned last_number;

static void check_messages(const char *user, bool bob)
{
	static char wanted[LARGEST + 100];
	struct weir_maildrop *drop = must_open(user);
	for (unsigned i = 0; i <= last_number; i++)
		seen[i] &= 1;
	for (size_t i = 0; i < drop->count; i++) {
		struct weir_span bytes = {0};
		uint64_t number;
		assert_int_equal(fetch(drop, i, &bytes, NULL), 0);
		assert_true(bytes.size > 20);
		assert_int_equal(weir_span_number(weir_span(bytes.data + 8, 8), 10, &number), 0);
		assert_true(number <= last_number);
		assert_int_equal(bytes.size, make_message((unsigned)number, wanted));
		assert_memory_equal(bytes.data, wanted, bytes.size);
		assert_false(seen[number] & 2);
		assert_true(!bob || is_for_bob(number));
		seen[number] |= 2;
	}
	for (unsigned i = 0; i <= last_number; i++)
		assert_false(seen[i] == 1 && (!bob || is_for_bob(i)));
	weir_maildrop_close(drop);
}

static void killed_at_any_moment(void **state)
{
	(void)state;
	unsigned acknowledged = 0;
	seen = calloc(1000000, 1);
	weir_loop_destroy(loop);
	for (int round = 0; round < ROUNDS; round++) {
		int ends[2], result;
		unsigned number, first = last_number + 1;
		assert_int_equal(pipe(ends), 0);
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0)
			deliver_for_ever(ends[1], first);
		close(ends[1]);
		/* Every other one lives until it has stored a message, however slow the disk is. */
		struct pollfd stored = {.fd = ends[0], .events = POLLIN};
		if (round % 2)
			assert_int_equal(poll(&stored, 1, 60000), 1);
		sleep_ms(5 + rand() % 40);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &result, 0), child);
		assert_true(WIFSIGNALED(result));
		while (read(ends[0], &number, 4) == 4) {
			seen[number] |= 1;
			acknowledged++;
			if (number > last_number)
				last_number = number;
		}
		last_number += CLIENTS + 1; /* under way, and perhaps stored */
		close(ends[0]);
	}
	assert_int_equal(weir_loop_create(&loop), 0);
	assert_int_equal(weir_maildir_create(scratch, NULL, &store), 0);
	print_message("%u acknowledged in %d lives\n", acknowledged, ROUNDS);
	assert_true(acknowledged > 0);
	check_messages("alice", false);
	check_messages("bob", true);
	/* A file left in tmp/ belongs to no mailbox. */
	weir_mail_store_destroy(store);
	free(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        SCRATCH_TEST(killed_at_any_moment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
