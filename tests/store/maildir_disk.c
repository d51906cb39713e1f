/* A Maildir on a disk that is full, in a child with a mount namespace of its own. */
#include "mail.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

enum {
	SKIPPED = 77,
	PIECE = 50000
};

static void require(bool condition, int line)
{
	if (condition)
		return;
	fprintf(stderr, "line %d: not so\n", line);
	_exit(1);
}

#define REQUIRE(condition) require(condition, __LINE__)

static int send_piece(char letter)
{
	static char piece[PIECE];
	struct mail mail = {0};
	memset(piece, letter, sizeof piece);
	return mail_send_bytes(&mail, "alice,bob", piece, sizeof piece);
}

/* All that was acknowledged, and no more. */
static void check_mailbox(const char *user, int sent)
{
	struct weir_maildrop *drop = must_open(user);
	REQUIRE(drop->count == (size_t)sent);
	for (int i = 0; i < sent; i++) {
		struct weir_span bytes = {0};
		REQUIRE(fetch(drop, (size_t)i, &bytes, NULL) == 0 && bytes.size == PIECE);
		REQUIRE(bytes.data[0] == 'a' + i && bytes.data[PIECE - 1] == 'a' + i);
	}
	weir_maildrop_close(drop);
}

static void check_full_disk(void)
{
	int sent = 0, error;
	uint8_t marks[8] = {1};
	size_t removed;
	if (mount("none", scratch, "tmpfs", 0, "size=1m") < 0)
		_exit(SKIPPED);
	REQUIRE(weir_loop_create(&loop) == 0);
	REQUIRE(weir_maildir_create(scratch, NULL, &store) == 0);
	while ((error = send_piece((char)('a' + sent))) == 0)
		sent++;
	REQUIRE(error == -ENOSPC && sent > 5 && sent < 26);
	check_mailbox("alice", sent);
	check_mailbox("bob", sent);
	REQUIRE(count_entries("alice/tmp") == 0);
	/* The room of a message is back when all mailboxes have let go of it. */
	for (const char *const *user = (const char *const[]){"alice", "bob", NULL}; *user; user++) {
		struct weir_maildrop *drop = must_open(*user);
		REQUIRE(send_piece('x') == -ENOSPC);
		REQUIRE(drop_remove(drop, marks, &removed) == 0 && removed == 1);
		weir_maildrop_close(drop);
	}
	REQUIRE(send_piece('y') == 0);
	weir_mail_store_destroy(store);
	weir_loop_destroy(loop);
}

/* The loop's threads must be born in the namespace, hence the child. */
static void a_full_disk(void **state)
{
	int result;
	(void)state;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(SKIPPED);
		check_full_disk();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &result, 0), child);
	assert_true(WIFEXITED(result));
	if (WEXITSTATUS(result) == SKIPPED)
		skip();
	assert_int_equal(WEXITSTATUS(result), 0);
}

static int make_scratch(void **state)
{
	(void)state;
	strcpy(scratch + strlen(scratch) - 6, "XXXXXX");
	return mkdtemp(scratch) ? 0 : -1;
}

static int remove_scratch(void **state)
{
	(void)state;
	return rmdir(scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(a_full_disk, make_scratch, remove_scratch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
