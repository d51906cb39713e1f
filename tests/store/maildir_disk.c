/* A Maildir on a disk that is full. */
#include "mail.h"

#include "own_mounts.h"

enum {
	PIECE = 50000
};

static int send_piece(char letter)
{
	static char piece[PIECE];
	struct mail mail = {0};
	memset(piece, letter, sizeof piece);
	return mail_send_bytes(&mail, "alice,bob", piece, sizeof piece);
}

/* Checks that the mailbox has all acknowledged messages, and no others. */
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
	own_mounts_small_disk(scratch);
	REQUIRE(weir_loop_create(&loop) == 0);
	REQUIRE(weir_maildir_create(scratch, NULL, &store) == 0);
	while ((error = send_piece((char)('a' + sent))) == 0)
		sent++;
	REQUIRE(error == -ENOSPC && sent > 5 && sent < 26);
	check_mailbox("alice", sent);
	check_mailbox("bob", sent);
	REQUIRE(count_entries("alice/tmp") == 0);
	/* The space of a message is free when it is removed from all mailboxes. */
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

static void a_full_disk(void **state)
{
	(void)state;
	with_own_mounts(check_full_disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_full_disk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
