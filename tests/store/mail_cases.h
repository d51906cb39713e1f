/*
 * Properties of mailboxes of every kind. A program includes this, and has MAIL_TESTS for each of
 * its kinds.
 */
#ifndef WEIR_TEST_MAIL_CASES_H
#define WEIR_TEST_MAIL_CASES_H

#include "mail.h"
#include "make_options.h"

#include "allocation.h"

/* A kind of mailboxes. */
struct mail_kind {
	/* As weir_mail_memory_create; the mailboxes are those that `prepare` has left. */
	int (*create)(const struct weir_mail_store_options *options, struct weir_mail_store **ret);
	void (*prepare)(void);                 /* NULL, or: before each test */
	void (*leave)(struct weir_loop *loop); /* NULL, or: before a loop is destroyed */
	bool connects;                         /* it has descriptors that stay open for a while */
};

static const struct mail_kind *kind;

static int create(const struct weir_mail_store_options *options)
{
	return kind->create(options, &store);
}

static int begin_kind(void **state, const struct mail_kind *chosen)
{
	kind = chosen;
	scratch_setup(state);
	if (kind->prepare)
		kind->prepare();
	return create(NULL);
}

static int end(void **state)
{
	weir_mail_store_destroy(store);
	if (kind->leave)
		kind->leave(loop);
	return scratch_teardown(state);
}

static void bound(struct weir_mail_store_options options)
{
	weir_mail_store_destroy(store);
	assert_int_equal(create(&options), 0);
}

static void an_empty_mailbox(void **state)
{
	(void)state;
	struct weir_maildrop *drop = must_open("alice");
	assert_int_equal(drop->count, 0);
	assert_int_equal(drop->octets, 0);
	weir_maildrop_close(drop);
	weir_maildrop_close(NULL);
}

static void messages_come_back_byte_for_byte(void **state)
{
	(void)state;
	static const char nasty[] = "a\0b\xff\r\n.\r\n..x\r\n\n.\n\r\r\nlast";
	struct weir_mail_body body = {0};
	struct weir_span bytes = {0};
	struct mail mail = {0};
	assert_int_equal(mail_send("alice", "Subject: one\r\n\r\nbody\r\n"), 0);
	assert_int_equal(mail_send_bytes(&mail, "alice", nasty, sizeof nasty - 1), 0);
	assert_int_equal(mail_send("alice", ""), 0);
	assert_int_equal(mail_send("alice", ".\r\n"), 0);
	struct weir_maildrop *drop = must_open("alice");
	assert_int_equal(drop->count, 4);
	assert_int_equal(drop->octets, 22 + sizeof nasty - 1 + 3);
	assert_message(drop, 0, "Subject: one\r\n\r\nbody\r\n");
	assert_int_equal(fetch(drop, 0, &bytes, &body), 0);
	assert_true(body.dotless && body.ended);
	assert_int_equal(fetch(drop, 1, &bytes, &body), 0);
	assert_int_equal(bytes.size, sizeof nasty - 1);
	assert_memory_equal(bytes.data, nasty, bytes.size);
	assert_true(!body.dotless && !body.ended);
	assert_int_equal(body.octets, bytes.size);
	assert_message(drop, 2, "");
	assert_int_equal(fetch(drop, 2, &bytes, &body), 0);
	assert_true(body.ended);
	assert_int_equal(fetch(drop, 3, &bytes, &body), 0);
	assert_true(!body.dotless && body.ended);
	weir_maildrop_close(drop);
}

/* Fills with a pattern that differs at each offset. */
static void fill(char *data, size_t size, size_t from)
{
	for (size_t i = 0; i < size; i++)
		data[i] = (char)((from + i) * 2654435761u >> 13);
}

static void a_large_message_in_pieces(void **state)
{
	(void)state;
	static char piece[30000], wanted[30000];
	struct mail mail = {0};
	size_t size = 0;
	assert_int_equal(mail_begin(&mail, "alice,bob"), 0);
	for (int i = 0; i < 200; i++) {
		fill(piece, sizeof piece, size);
		int result = mail_write(&mail, piece, sizeof piece);
		size += sizeof piece;
		assert_true(result >= 0);
		for (int ready = mail.ready; result == WEIR_MAIL_FULL;) {
			turn_until(&mail.ready, ready + 1);
			assert_int_equal(mail.ready_error, 0);
			break;
		}
	}
	mail_commit(&mail);
	turn_until(&mail.done, 1);
	assert_int_equal(mail.errors[0], 0);
	assert_int_equal(mail.errors[1], 0);
	for (const char *const *user = (const char *const[]){"alice", "bob", NULL}; *user; user++) {
		struct weir_maildrop *drop = must_open(*user);
		struct weir_span bytes = {0};
		assert_int_equal(fetch(drop, 0, &bytes, NULL), 0);
		assert_int_equal(bytes.size, size);
		for (size_t at = 0; at < size; at += sizeof wanted) {
			fill(wanted, sizeof wanted, at);
			assert_memory_equal(bytes.data + at, wanted, sizeof wanted);
		}
		weir_maildrop_close(drop);
	}
}

static void several_recipients(void **state)
{
	(void)state;
	struct mail mail = {0};
	assert_int_equal(mail_send_bytes(&mail, "alice,.hidden,bob,a/b,,alice", "x\r\n", 3), 0);
	assert_int_equal(mail.errors[0], 0);
	assert_int_equal(mail.errors[1], -ENOENT);
	assert_int_equal(mail.errors[2], 0);
	assert_int_equal(mail.errors[3], -ENOENT);
	assert_int_equal(mail.errors[4], -ENOENT);
	assert_int_equal(mail.errors[5], 0);
	assert_int_equal(count_of("alice"), 1);
	assert_int_equal(count_of("bob"), 1);
}

static void impossible_users(void **state)
{
	(void)state;
	char longest[WEIR_USER_NAME_MAX + 2];
	struct weir_maildrop *drop;
	memset(longest, 'u', sizeof longest);
	longest[sizeof longest - 1] = 0;
	assert_int_equal(drop_open(longest, &drop), -ENOENT);
	assert_int_equal(drop_open("", &drop), -ENOENT);
	assert_int_equal(drop_open("..", &drop), -ENOENT);
	assert_int_equal(drop_open("a/b", &drop), -ENOENT);
	assert_int_equal(drop_open("a\nb", &drop), -ENOENT);
	longest[WEIR_USER_NAME_MAX] = 0;
	assert_int_equal(count_of(longest), 0);
	assert_int_equal(count_of("j\xc3\xb6rg@example.org"), 0);
}

static void one_session_at_a_time(void **state)
{
	(void)state;
	struct weir_maildrop *other, *drop = must_open("alice");
	assert_int_equal(drop_open("alice", &other), -EBUSY);
	assert_int_equal(drop_open("bob", &other), 0);
	weir_maildrop_close(other);
	/* A message that comes meanwhile is not in the maildrop. */
	assert_int_equal(mail_send("alice", "x\r\n"), 0);
	assert_int_equal(drop->count, 0);
	weir_maildrop_close(drop);
	assert_int_equal(count_of("alice"), 1);
}

static void marked_messages_go_for_good(void **state)
{
	(void)state;
	char text[32], uid[20][WEIR_MAIL_UID_MAX + 1];
	uint8_t marks[3] = {0x05, 0x80, 0x08}; /* 0, 2, 15, 19 */
	size_t removed;
	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof text, "message %d\r\n", i);
		assert_int_equal(mail_send("alice", text), 0);
	}
	struct weir_maildrop *drop = must_open("alice");
	assert_int_equal(drop->count, 20);
	for (int i = 0; i < 20; i++)
		strcpy(uid[i], info_of(drop, (size_t)i).uid);
	assert_int_equal(mail_send("alice", "new\r\n"), 0);
	assert_int_equal(drop_remove(drop, marks, &removed), 0);
	assert_int_equal(removed, 4);
	weir_maildrop_close(drop);
	drop = must_open("alice");
	assert_int_equal(drop->count, 17);
	assert_string_equal(info_of(drop, 0).uid, uid[1]);
	assert_string_equal(info_of(drop, 1).uid, uid[3]);
	assert_message(drop, 1, "message 3\r\n");
	assert_message(drop, 15, "message 18\r\n");
	assert_message(drop, 16, "new\r\n");
	for (int i = 0; i < 20; i++)
		assert_string_not_equal(info_of(drop, 16).uid, uid[i]);
	weir_maildrop_close(drop);
}

static void messages_outlive_their_maildrop(void **state)
{
	(void)state;
	struct answer answer = {.done = 0};
	assert_int_equal(mail_send("alice", "still here\r\n"), 0);
	struct weir_maildrop *drop = must_open("alice");
	weir_maildrop_fetch(drop, 0, &answer.call, on_fetched);
	turn_until(&answer.done, 1);
	uint8_t marks[1] = {1};
	size_t removed;
	assert_int_equal(drop_remove(drop, marks, &removed), 0);
	weir_maildrop_close(drop);
	struct drain drained = {.loop = loop, .room = 100, .pieces = 8};
	assert_null(drain(&drained, answer.body.producer));
	assert_int_equal(drained.bytes.size, 12);
	drain_free(&drained);
}

static void too_large(void **state)
{
	(void)state;
	struct mail mail = {0};
	bound(OPTIONS(weir_mail_store_options, o.message_max = 10));
	assert_int_equal(mail_send("alice", "123456789\n"), 0);
	assert_int_equal(mail_begin(&mail, "alice"), 0);
	assert_int_equal(mail_write(&mail, "123456789\n", 10), 0);
	assert_int_equal(mail_write(&mail, "x", 1), WEIR_E_LIMIT);
	mail_commit(&mail);
	turn_until(&mail.done, 1);
	assert_int_equal(mail.errors[0], WEIR_E_LIMIT);
	struct weir_mail_recipient recipient = {.user = WEIR_SPAN("alice")};
	struct weir_mail_envelope envelope = {.recipients = &recipient, .count = 1, .size = 11};
	assert_int_equal(
	        store->sink.type->begin(&store->sink, loop, &envelope, NULL, NULL, &mail.delivery),
	        WEIR_E_LIMIT);
	assert_int_equal(count_of("alice"), 1);
}

static void full_mailboxes(void **state)
{
	(void)state;
	struct mail mail = {0};
	uint8_t marks[1] = {1};
	size_t removed;
	bound(OPTIONS(weir_mail_store_options, o.mailbox_max = 25, o.messages_max = 3));
	assert_int_equal(mail_send("alice", "0123456789"), 0);
	assert_int_equal(mail_send("alice", "0123456789"), 0);
	assert_int_equal(mail_send_bytes(&mail, "bob,alice", "012345", 6), 0);
	assert_int_equal(mail.errors[1], -EDQUOT);
	assert_int_equal(mail_send("alice", "01234"), 0);
	assert_int_equal(mail_send("alice", ""), -EDQUOT);
	struct weir_maildrop *drop = must_open("alice");
	assert_int_equal(drop->count, 3);
	assert_int_equal(drop_remove(drop, marks, &removed), 0);
	weir_maildrop_close(drop);
	assert_int_equal(mail_send("alice", "01234567890"), -EDQUOT);
	assert_int_equal(mail_send("alice", "0123456789"), 0);
	assert_int_equal(mail_send("alice", ""), -EDQUOT);
	assert_int_equal(count_of("alice"), 3);
	assert_int_equal(count_of("bob"), 1);
}

static void for_all_or_for_none(void **state)
{
	(void)state;
	struct mail mail = {0};
	bound(OPTIONS(weir_mail_store_options, o.mailbox_max = 25, o.messages_max = 3));
	assert_int_equal(mail_send("bob", "0123456789012345"), 0);
	assert_int_equal(mail_send_together(&mail, "alice,bob,carol,alice", "0123456789"), -EDQUOT);
	for (int i = 0; i < 4; i++)
		assert_int_equal(mail.errors[i], -EDQUOT);
	assert_int_equal(count_of("alice"), 0);
	assert_int_equal(count_of("bob"), 1);
	assert_int_equal(count_of("carol"), 0);
	/* A removed message does not count for a bound. */
	assert_int_equal(mail_send("alice", "0123456789012345678901234"), 0);
	assert_int_equal(mail_send_together(&mail, "carol,.hidden", "x"), -ENOENT);
	assert_int_equal(count_of("carol"), 0);
	assert_int_equal(mail_send_together(&mail, "carol,bob,carol", "x"), 0);
	assert_int_equal(count_of("carol"), 1);
	assert_int_equal(count_of("bob"), 2);
}

static void a_check_knows_what_a_commit_would_say(void **state)
{
	(void)state;
	bound(OPTIONS(weir_mail_store_options, o.mailbox_max = 25, o.messages_max = 2));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(mail_check("alice", 0), 0);
		assert_int_equal(mail_check("alice", 25), 0);
		assert_int_equal(mail_check("alice", 26), -EDQUOT);
	}
	assert_int_equal(mail_check(".hidden", 0), -ENOENT);
	assert_int_equal(mail_send("alice", "0123456789"), 0);
	assert_int_equal(mail_check("alice", 15), 0);
	assert_int_equal(mail_check("alice", 16), -EDQUOT);
	assert_int_equal(mail_send("alice", "0123456789"), 0);
	assert_int_equal(mail_check("alice", 0), -EDQUOT);
	assert_int_equal(mail_check("bob", 0), 0);
}

static void aborted_at_any_point(void **state)
{
	(void)state;
	static char piece[100000];
	struct mail mail = {0};
	int descriptors = count_descriptors();
	for (int pieces = 0; pieces < 5; pieces++) {
		for (int turns = 0; turns < 4; turns++) {
			assert_int_equal(mail_begin(&mail, "alice,bob"), 0);
			for (int i = 0; i < pieces; i++)
				if (mail_write(&mail, piece, sizeof piece) == WEIR_MAIL_FULL)
					turn_until(&mail.ready, mail.ready + 1);
			for (int i = 0; i < turns; i++)
				weir_loop_turn(loop, 1);
			mail_abort(&mail);
			weir_loop_turn(loop, 1);
		}
	}
	/* After the commit the message may exist or not, but no callback comes. */
	for (int turns = 0; turns < 3; turns++) {
		assert_int_equal(mail_begin(&mail, "carol"), 0);
		assert_true(mail_write(&mail, piece, sizeof piece) >= 0);
		mail_commit(&mail);
		for (int i = 0; i < turns; i++)
			turn();
		if (!mail.done)
			mail_abort(&mail);
		int done = mail.done;
		for (int i = 0; i < 20; i++)
			weir_loop_turn(loop, 5);
		assert_int_equal(mail.done, done);
	}
	assert_int_equal(count_of("alice"), 0);
	assert_int_equal(count_of("bob"), 0);
	for (int i = 0; i < 20; i++)
		weir_loop_turn(loop, 5);
	if (!kind->connects)
		assert_int_equal(count_descriptors(), descriptors);
}

static void many_at_once(void **state)
{
	(void)state;
	enum {
		MANY = 50
	};
	static struct mail mails[MANY];
	char text[32];
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(mail_begin(&mails[i], i % 2 ? "alice,bob" : "alice"), 0);
		int size = snprintf(text, sizeof text, "message %d\r\n", i);
		assert_int_equal(mail_write(&mails[i], text, (size_t)size), 0);
		mail_commit(&mails[i]);
	}
	for (int i = 0; i < MANY; i++) {
		turn_until(&mails[i].done, 1);
		assert_int_equal(mails[i].errors[0], 0);
	}
	assert_int_equal(count_of("alice"), MANY);
	assert_int_equal(count_of("bob"), MANY / 2);
}

static void the_store_goes_while_things_are_under_way(void **state)
{
	(void)state;
	struct mail mail = {0};
	struct answer answer = {.done = 0};
	assert_int_equal(mail_send("alice", "x\r\n"), 0);
	struct weir_maildrop *drop = must_open("alice");
	assert_int_equal(mail_begin(&mail, "bob"), 0);
	weir_maildrop_open(store, loop, WEIR_SPAN("carol"), &answer.call, on_opened);
	struct weir_mail_store *old = store;
	assert_int_equal(mail_write(&mail, "y\r\n", 3), 0);
	mail_commit(&mail);
	weir_mail_store_destroy(old);
	turn_until(&mail.done, 1);
	assert_int_equal(mail.errors[0], 0);
	turn_until(&answer.done, 1);
	weir_maildrop_close(answer.drop);
	assert_message(drop, 0, "x\r\n");
	weir_maildrop_close(drop);
	assert_int_equal(create(NULL), 0);
}

/* Each allocation of the loop's thread fails once: the error is reported, and nothing leaks. */
static void without_memory(void **state)
{
	(void)state;
	bool failed = true;
	int delivered = 0;
	for (unsigned good = 0; failed; good++) {
		struct mail mail = {0};
		struct answer answer = {.done = 0};
		fail_allocation_after(good, false);
		int error = mail_begin(&mail, "alice,bob");
		if (error == 0) {
			error = mail_write(&mail, "x\r\n", 3);
			store->sink.type->commit(mail.delivery, mail_done, &mail);
			turn_until(&mail.done, 1);
			assert_true(error == 0 || mail.errors[0] == error);
			delivered += mail.errors[0] == 0;
		} else {
			assert_int_equal(error, -ENOMEM);
		}
		weir_maildrop_open(store, loop, WEIR_SPAN("alice"), &answer.call, on_opened);
		turn_until(&answer.done, 1);
		if (answer.drop && answer.drop->count) {
			struct weir_maildrop *drop = answer.drop;
			answer = (struct answer){.drop = drop};
			weir_maildrop_fetch(drop, 0, &answer.call, on_fetched);
			turn_until(&answer.done, 1);
			weir_producer_close(answer.body.producer, WEIR_CLOSE_ABORTED);
			uint8_t marks[16] = {0};
			size_t removed;
			error = drop_remove(drop, marks, &removed);
			assert_true(error == 0 || error == -ENOMEM);
			answer.drop = drop;
		}
		failed = stop_failing_allocations();
		weir_maildrop_close(answer.drop);
	}
	assert_true(delivered > 1);
	assert_int_equal(count_of("alice"), delivered);
}

/* The tests, for a kind whose setup is `begin`. */
#define MAIL_TEST(name, begin) cmocka_unit_test_setup_teardown(name, begin, end)
#define MAIL_TESTS(begin)                                                                          \
	MAIL_TEST(an_empty_mailbox, begin), MAIL_TEST(messages_come_back_byte_for_byte, begin),    \
	        MAIL_TEST(a_large_message_in_pieces, begin), MAIL_TEST(several_recipients, begin), \
	        MAIL_TEST(impossible_users, begin), MAIL_TEST(one_session_at_a_time, begin),       \
	        MAIL_TEST(marked_messages_go_for_good, begin),                                     \
	        MAIL_TEST(messages_outlive_their_maildrop, begin), MAIL_TEST(too_large, begin),    \
	        MAIL_TEST(full_mailboxes, begin), MAIL_TEST(for_all_or_for_none, begin),           \
	        MAIL_TEST(a_check_knows_what_a_commit_would_say, begin),                           \
	        MAIL_TEST(aborted_at_any_point, begin), MAIL_TEST(many_at_once, begin),            \
	        MAIL_TEST(the_store_goes_while_things_are_under_way, begin),                       \
	        MAIL_TEST(without_memory, begin)

#endif
