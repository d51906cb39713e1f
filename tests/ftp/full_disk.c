/* A disk that is full: 452, and nothing remains. In a child with a mount namespace of its own. */
#include "site.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

enum {
	SKIPPED = 77
};

static void require(bool condition, int line)
{
	if (condition)
		return;
	fprintf(stderr, "line %d: not so\n", line);
	_exit(1);
}

#define REQUIRE(condition) require(condition, __LINE__)

static bool says(const char *reply, const char *beginning)
{
	return strncmp(reply, beginning, strlen(beginning)) == 0;
}

/* The server may be the first to end it: what it does not take is not sent. */
static void send_much(struct peer *data)
{
	static char piece[100000];
	for (int i = 0; i < 50; i++)
		if (peer_send_bytes(data, piece, sizeof piece) < sizeof piece)
			return;
}

static void check(void)
{
	static const char *const lines[] = {"STOR new", "APPE new", "STOU new"};
	if (mount("none", scratch, "tmpfs", 0, "size=1m") < 0)
		_exit(SKIPPED);
	REQUIRE(weir_loop_create(&loop) == 0);
	start_server((struct weir_ftp_options){.rules = {.writable = true}});
	struct peer control = log_in("alice");
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		struct peer data = passive(&control);
		REQUIRE(says(ask(&control, lines[i]), "150 "));
		send_much(&data);
		REQUIRE(says(next_reply(&control), "452 "));
		peer_close(&data);
		REQUIRE(TURN_UNTIL(loop, count_entries(".") == 0));
	}
	REQUIRE(says(ask(&control, "MKD d"), "257 "));
	peer_close(&control);
	stop_server();
	weir_loop_destroy(loop);
}

static void full_disk(void **state)
{
	int result;
	(void)state;
	strcpy(scratch + strlen(scratch) - 6, "XXXXXX");
	assert_non_null(mkdtemp(scratch));
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(SKIPPED);
		check();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &result, 0), child);
	assert_int_equal(rmdir(scratch), 0);
	assert_true(WIFEXITED(result));
	if (WEXITSTATUS(result) == SKIPPED)
		skip();
	assert_int_equal(WEXITSTATUS(result), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(full_disk)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
