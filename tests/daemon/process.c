/*
 * The master's side of its link to a server process: this program plays a server that an attacker
 * has taken over. It gets what its table has, and nothing else; garbage ends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/loop.h>

#include "process.h"

enum {
	TABLE = 7, /* the serial number of the table */
	ENTRY_FILE = 0,
	ENTRY_TEXT,
	ENTRY_LISTENER,
	ENTRY_MISSING,
	ENTRY_SECRET_OF_ROOT,
	ENTRIES,
};

struct fixture {
	struct weir_loop *loop;
	struct process *process;
	int requests, control; /* the server's ends */
	unsigned received;     /* control messages */
};

static void on_received(void *context, struct process *process, const struct handover *message)
{
	(void)process;
	(void)message;
	((struct fixture *)context)->received++;
}

/* A process to be killed. */
static pid_t start_victim(void)
{
	pid_t child = fork();
	if (child == 0)
		for (;;)
			pause();
	return child;
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	int requests[2], control[2];
	*state = fixture;
	fixture->process = calloc(1, sizeof *fixture->process);
	struct grants *table = grants_create(TABLE);
	if (!table || weir_loop_create(&fixture->loop) < 0 ||
	        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, requests) < 0 ||
	        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, control) < 0)
		return -1;
	grants_add(table, GRANT_FILE, "/proc/self/comm", NULL, 0, -1);
	grants_add(table, GRANT_TEXT, "/etc/passwd", "text", 4, -1);
	grants_add(table, GRANT_STREAM, "listener", NULL, 0, STDERR_FILENO);
	grants_add(table, GRANT_FILE, "/nonexistent", NULL, 0, -1);
	grants_add(table, GRANT_REVOKED, "/etc/shadow", NULL, 0, -1);
	fixture->process->table = table;
	fixture->process->pid = start_victim();
	fixture->process->requests.fd = requests[0];
	fixture->process->control.fd = control[0];
	fixture->requests = requests[1];
	fixture->control = control[1];
	return process_adopt(fixture->process, fixture->loop, on_received, fixture);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	kill(fixture->process->pid, SIGKILL);
	waitpid(fixture->process->pid, NULL, 0);
	process_destroy(fixture->process);
	weir_loop_destroy(fixture->loop);
	close(fixture->requests);
	close(fixture->control);
	free(fixture);
	return 0;
}

static void turn(struct fixture *fixture)
{
	for (int i = 0; i < 4; i++)
		weir_loop_turn(fixture->loop, 0);
}

/* Asks for an entry. Returns a descriptor or the negative errno of the answer. */
static int ask(struct fixture *fixture, uint32_t serial, uint32_t index)
{
	struct handover message = {.kind = HANDOVER_OPEN, .serial = serial, .index = index};
	int fd = -1;
	assert_int_equal(handover_send(fixture->requests, message, -1), 0);
	turn(fixture);
	assert_int_equal(handover_receive(fixture->requests, &message, &fd), 0);
	assert_int_equal(message.kind, HANDOVER_OPENED);
	assert_int_equal(fd >= 0, message.result == 0);
	return fd >= 0 ? fd : message.result;
}

static void assert_killed(struct fixture *fixture)
{
	int status;
	assert_int_equal(waitpid(fixture->process->pid, &status, 0), fixture->process->pid);
	assert_true(WIFSIGNALED(status));
	fixture->process->pid = start_victim(); /* for tear_down */
}

static void test_the_table_is_given_and_nothing_else(void **state)
{
	struct fixture *fixture = *state;
	int fd = ask(fixture, TABLE, ENTRY_FILE);
	assert_true(fd >= 0);
	close(fd);
	fd = ask(fixture, TABLE, ENTRY_LISTENER);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(ask(fixture, TABLE, ENTRY_MISSING), -ENOENT);
	assert_int_equal(ask(fixture, TABLE, ENTRY_TEXT), -EPERM);
	assert_int_equal(ask(fixture, TABLE, ENTRY_SECRET_OF_ROOT), -EPERM);
	assert_int_equal(ask(fixture, TABLE, ENTRIES), -EPERM);
	assert_int_equal(ask(fixture, TABLE, UINT32_MAX), -EPERM);
	assert_int_equal(ask(fixture, TABLE - 1, ENTRY_FILE), -EPERM);
	assert_int_equal(ask(fixture, TABLE + 1, ENTRY_FILE), -EPERM);
}

static void test_a_process_that_drains_gets_no_listener(void **state)
{
	struct fixture *fixture = *state;
	process_drain(fixture->process, 60 * 1000, true);
	assert_int_equal(ask(fixture, TABLE, ENTRY_LISTENER), -ESHUTDOWN);
	int fd = ask(fixture, TABLE, ENTRY_FILE);
	assert_true(fd >= 0);
	close(fd);
}

static void test_garbage_among_requests_ends_it(void **state)
{
	struct fixture *fixture = *state;
	unsigned char garbage[300];
	unsigned seed = 1;
	for (size_t i = 0; i < sizeof garbage; i++)
		garbage[i] = (unsigned char)(rand_r(&seed) >> 3);
	assert_int_equal(send(fixture->requests, garbage, sizeof garbage, 0), sizeof garbage);
	turn(fixture);
	assert_killed(fixture);
	assert_int_equal(fixture->process->requests.fd, -1);
}

static void test_garbage_among_control_messages_ends_it(void **state)
{
	struct fixture *fixture = *state;
	struct handover message = {.magic = HANDOVER_MAGIC, .kind = HANDOVER_KINDS};
	assert_int_equal(send(fixture->control, &message, sizeof message, 0), sizeof message);
	turn(fixture);
	assert_killed(fixture);
	assert_int_equal(fixture->received, 0);
}

static void test_a_level_that_is_none_ends_it(void **state)
{
	struct fixture *fixture = *state;
	handover_send(
	        fixture->control, (struct handover){.kind = HANDOVER_LOG_LEVEL, .index = 9}, -1);
	turn(fixture);
	assert_killed(fixture);
	assert_int_equal(fixture->received, 0);
}

/* Only OPEN is asked for on this socket. */
static void test_a_message_on_the_wrong_socket_ends_it(void **state)
{
	struct fixture *fixture = *state;
	handover_send(fixture->requests, (struct handover){.kind = HANDOVER_READY}, -1);
	turn(fixture);
	assert_killed(fixture);
	assert_int_equal(fixture->received, 0);
}

static unsigned count_descriptors(void)
{
	unsigned count = 0;
	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void test_a_descriptor_that_nobody_wants_ends_it(void **state)
{
	struct fixture *fixture = *state;
	unsigned before = count_descriptors();
	handover_send(fixture->requests, (struct handover){.kind = HANDOVER_OPENED}, STDERR_FILENO);
	handover_send(fixture->control, (struct handover){.kind = HANDOVER_RELOAD}, STDERR_FILENO);
	turn(fixture);
	/* Without the master's end of the requests, which it has closed. */
	assert_int_equal(count_descriptors(), before - 1);
	assert_killed(fixture);
}

/* The master does not wait for one that asks and never reads. */
static void test_one_that_does_not_read_holds_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct handover message = {.kind = HANDOVER_OPEN, .serial = TABLE, .index = ENTRY_FILE};
	for (unsigned i = 0; i < 5000; i++) {
		handover_send(fixture->requests, message, -1);
		if (i % 50 == 0)
			turn(fixture);
	}
	handover_send(fixture->control, (struct handover){.kind = HANDOVER_READY}, -1);
	turn(fixture);
	assert_int_equal(fixture->received, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(
	                test_the_table_is_given_and_nothing_else, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                test_a_process_that_drains_gets_no_listener, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                test_garbage_among_requests_ends_it, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                test_garbage_among_control_messages_ends_it, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                test_a_level_that_is_none_ends_it, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                test_a_message_on_the_wrong_socket_ends_it, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                test_a_descriptor_that_nobody_wants_ends_it, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                test_one_that_does_not_read_holds_nothing, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
