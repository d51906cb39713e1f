/* Sinks that fail, are full or slow; local and remote recipients together; no memory. */
#include "talk.h"

#define BEGUN(recipients) HELLO "C: MAIL FROM:<a@b>\nS: 250\n" recipients
#define RCPT(address) "C: RCPT TO:<" address ">\nS: 250\n"
#define TEXT "C: DATA\nS: 354\nC: A: b\nC: \nC: text\nC: .\n"
#define BYE "C: QUIT\nS: 221\nS.\n"

static void refused_at_the_beginning(void **state)
{
	(void)state;
	static const struct {
		int error;
		const char *reply;
	} cases[] = {
	        {-ENOSPC, "S: 452 4.3.1\n"},
	        {-EDQUOT, "S: 552 5.2.2\n"},
	        {-ENOENT, "S: 550 5.1.1\n"},
	        {WEIR_E_LIMIT, "S: 451 4.3.2\n"},
	        {-ENOMEM, "S: 451 4.3.0\n"},
	        {-EIO, "S: 451 4.3.0\n"},
	};
	talk_start_plain();
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char script[2000];
		talk.relay.begin_error = cases[i].error;
		snprintf(script, sizeof script, "%s%s%s%s%s",
		        BEGUN(RCPT("both@example.org")) "C: DATA\n", cases[i].reply,
		        "C: DATA\nS: 503 5.5.1\n"
		        "C: MAIL FROM:<a@b>\nS: 250\n" RCPT(
		                "both@example.org") "C: BDAT 4\nC. QUIT\n",
		        cases[i].reply, BYE);
		talk_in_all_paces(script);
	}
	/* The delivery of the other sink is aborted. */
	assert_int_equal(talk.local.begun, talk.local.aborted);
	assert_int_equal(talk.local.open, 0);
}

static void writing_fails(void **state)
{
	(void)state;
	talk_start_plain();
	talk_script(TALK_LINES,
	        BEGUN(RCPT(
	                "both@example.org")) "C: DATA\nS: 354\nC: A: b\nC: \nC: text\nC: .\nS: 250\n");
	size_t size = talk.local.bytes.size;
	talk.local.write_error = -ENOSPC;
	for (size_t after = 0; after < size + 5; after += 5) {
		talk.local.write_error_after = after;
		struct peer peer = talk_connect();
		talk_on(&peer, TALK_LINES, BEGUN(RCPT("both@example.org")) "C: DATA\n");
		/* The trace may be too much already. */
		assert_true(peer_read(&peer, 4));
		if (peer.got.data[0] == '3')
			talk_on(&peer, TALK_LINES, "S: 354\nC: A: b\nC: \nC: text\nC: .\n");
		talk_on(&peer, TALK_LINES, after < size ? "S: 452 4.3.1\n" : "S: 250\n");
		talk_on(&peer, TALK_LINES, "C: NOOP\nS: 250\n");
		peer_close(&peer);
	}
	talk.local.write_error = 0;
	talk_settle();
	assert_int_equal(talk.relay.begun, talk.relay.aborted + talk.relay.committed);
}

/* A sink without room pauses the client; nothing is lost. */
static void always_full(void **state)
{
	(void)state;
	static char wanted[40000];
	struct weir_buffer script = {0};
	size_t size = 0;
	talk_start_plain();
	talk.local.always_full = talk.relay.always_full = true;
	weir_buffer_format(
	        &script, SIZE_MAX, "%s", BEGUN(RCPT("both@example.org")) "C: DATA\nS: 354\n");
	for (int i = 0; i < 500; i++) {
		weir_buffer_format(&script, SIZE_MAX, "C: ..%d: x\n", i);
		size += (size_t)snprintf(wanted + size, sizeof wanted - size, ".%d: x\r\n", i);
	}
	weir_buffer_format(&script, SIZE_MAX, "%s%c", "C: \nC: .\nS: 250\n" BYE, 0);
	snprintf(wanted + size, sizeof wanted - size, "\r\n");
	talk_script(TALK_LINES, script.data);
	assert_string_equal(talk_message(&talk.local), wanted);
	assert_string_equal(talk_message(&talk.relay), wanted);
	talk_script(TALK_AT_ONCE, script.data);
	assert_string_equal(talk_message(&talk.local), wanted);
	assert_string_equal(talk_message(&talk.relay), wanted);
	weir_buffer_finish(&script);
	assert_int_equal(talk.local.committed, 2);
	talk_in_all_paces(BEGUN(RCPT("both@example.org")) "C: BDAT 5\nC. A: b\\r\nS: 250\n"
	                                                  "C: BDAT 4\nC. \\n\\r\\nx\nS: 250\n"
	                                                  "C: BDAT 0 LAST\nS: 250\n" BYE);
	assert_string_equal(talk_message(&talk.local), "A: b\r\n\r\nx");
}

static void a_full_sink_that_fails(void **state)
{
	(void)state;
	talk_start_plain();
	talk.relay.always_full = true;
	talk.relay.ready_error = -EIO;
	talk_in_all_paces(BEGUN(RCPT("both@example.org")) TEXT "S: 451 4.3.0\n" BYE);
	assert_int_equal(talk.local.aborted, 3);
	assert_int_equal(talk.relay.aborted, 3);
}

static void both_ways(void **state)
{
	(void)state;
	talk_start_plain();
	talk_in_all_paces(
	        BEGUN(RCPT("both@example.org") RCPT("bob@example.org")) TEXT "S: 250\n" BYE);
	assert_int_equal(talk.local.committed, 3);
	assert_int_equal(talk.relay.committed, 3);
	assert_string_equal(fake_sink_envelope(&talk.local),
	        "from <a@b>\nto <both@example.org> user=alice\nto <bob@example.org> user=bob");
	assert_string_equal(
	        fake_sink_envelope(&talk.relay), "from <a@b>\nto <dan@elsewhere.example>");
	assert_string_equal(talk_message(&talk.local), "A: b\r\n\r\ntext\r\n");
	assert_string_equal(talk_message(&talk.relay), "A: b\r\n\r\ntext\r\n");
}

/* The one reply of SMTP is true for all recipients: after a failure none has the message. */
static void for_all_or_for_none(void **state)
{
	(void)state;
	talk_start_plain();
	talk.local.results[0] = -EDQUOT;
	talk_in_all_paces(BEGUN(RCPT("both@example.org")) TEXT "S: 552 5.2.2\n" BYE);
	assert_int_equal(talk.relay.held, 3);
	assert_int_equal(talk.relay.released, 0);
	assert_int_equal(talk.relay.committed, 0);
	assert_int_equal(talk.relay.aborted, 3);
	/* A temporary error goes before a permanent one. */
	talk.local.results[1] = -EIO;
	talk_in_all_paces(
	        BEGUN(RCPT("alice@example.org") RCPT("bob@example.org")) TEXT "S: 451 4.3.0\n" BYE);
	talk.local.results[0] = talk.local.results[1] = 0;
	talk.relay.results[0] = -ENOSPC;
	talk.local.committed = 0;
	talk_in_all_paces(BEGUN(RCPT("both@example.org")) TEXT "S: 452 4.3.1\n" BYE);
	assert_int_equal(talk.local.committed, 0);
	assert_int_equal(talk.relay.released, 0);
	assert_int_equal(talk.events[WEIR_SMTP_FAILED], 9);
}

/*
 * If the client gives SIZE, RCPT refuses the full mailbox at the next attempt, so that the others
 * get the message.
 */
static void one_full_mailbox_of_several_is_temporary(void **state)
{
	(void)state;
	talk_start_plain();
	talk.local.results[1] = -EDQUOT;
	talk_in_all_paces(HELLO "C: MAIL FROM:<a@b> SIZE=20\nS: 250\n" RCPT("alice@example.org")
	                RCPT("bob@example.org") TEXT "S: 452 4.2.2\n" BYE);
	talk_in_all_paces(
	        BEGUN(RCPT("alice@example.org") RCPT("bob@example.org")) TEXT "S: 552 5.2.2\n" BYE);
}

static void a_full_mailbox_is_refused_at_rcpt(void **state)
{
	(void)state;
	talk_start_plain();
	talk.local.check_results[1] = -EDQUOT;
	talk.local.check_results[2] = -EACCES;
	for (int slow = 0; slow < 2; slow++) {
		talk.local.slow_checks = slow;
		talk_in_all_paces(
		        HELLO "C: MAIL FROM:<a@b> SIZE=20\nC: RCPT TO:<bob@example.org>\n"
		              "C: RCPT TO:<alice@example.org>\nC: RCPT TO:<carol@example.org>\n"
		              "C: RCPT TO:<both@example.org>\nC: DATA\n"
		              "S: 250\nS: 552 5.2.2\nS: 250 2.1.5\nS: 451 4.3.0\nS: 250 2.1.5\n"
		              "S: 354\nC: A: b\nC: \nC: text\nC: .\nS: 250\n" BYE);
		assert_string_equal(fake_sink_envelope(&talk.local),
		        "from <a@b> size=20\nto <alice@example.org> user=alice");
		assert_int_equal(talk.local.checked_size, 20);
	}
	/* A session that ends during the check. */
	struct peer peer = talk_connect();
	talk_on(&peer, TALK_LINES, BEGUN("C: RCPT TO:<alice@example.org>\n"));
	peer_close(&peer);
	TURN_UNTIL(talk.loop, weir_server_channels(weir_smtp_listener(talk.server)) == 0);
}

static void lmtp_refuses_a_full_mailbox_at_rcpt(void **state)
{
	(void)state;
	struct weir_smtp_options options = talk_options();
	options.personality = WEIR_SMTP_LMTP;
	options.users = NULL;
	talk_start(&options);
	talk.local.check_results[1] = -EDQUOT;
	for (int slow = 0; slow < 2; slow++) {
		talk.local.slow_checks = slow;
		talk_in_all_paces(
		        "S: 220\nC: LHLO a\nS: 250-\nS: 250-\nS: 250-\nS: 250-\nS: 250-\nS: 250-\n"
		        "S: 250-\nS: 250-\nS: 250-\nS: 250-\nS: 250-\nS: 250 \n"
		        "C: MAIL FROM:<a@b> SIZE=20\nC: RCPT TO:<bob@example.org>\n"
		        "C: RCPT TO:<alice@example.org>\nC: RCPT TO:<carol@example.org>\n"
		        "C: DATA\nS: 250\nS: 552 5.2.2\nS: 250 2.1.5\nS: 250 2.1.5\nS: 354\n"
		        "C: A: b\nC: \nC: text\nC: .\nS: 250 2.0.0\nS: 250 2.0.0\n" BYE);
		assert_int_equal(talk.local.checked_size, 20);
	}
}

/* A Return-Path that comes with the message is removed: the one of this delivery is in front. */
static void a_return_path_that_came_is_left_out(void **state)
{
	(void)state;
	talk_start_plain();
	talk_in_all_paces(BEGUN(RCPT(
	        "both@example.org")) "C: DATA\nS: 354\nC: Return-Path: <x@y>\nC: A: b\nC: return-path:\nC: \tfolded\n"
	                             "C:  again\nC: Return-Paths: c\nC: Return-Path : d\nC: Bcc: e\nC: \n"
	                             "C: Return-Path: body\nC: .\nS: 250\n" BYE);
	assert_string_equal(talk_message(&talk.local),
	        "A: b\r\nReturn-Paths: c\r\nBcc: e\r\n\r\nReturn-Path: body\r\n");
	assert_string_equal(talk_message(&talk.relay), talk_message(&talk.local));
	/*
	 * The header of a relayed message is not changed. A message that ends in its header is
	 * complete.
	 */
	talk_in_all_paces(BEGUN(RCPT(
	        "out@example.org")) "C: DATA\nS: 354\nC: Return-Path: <x@y>\nC: .\nS: 250\n" BYE);
	assert_string_equal(talk_message(&talk.relay), "Return-Path: <x@y>\r\n");
	talk_in_all_paces(
	        BEGUN(RCPT("alice@example.org")) "C: BDAT 8 LAST\nC. A: b\\r\\nSu\nS: 250\n" BYE);
	assert_string_equal(talk_message(&talk.local), "A: b\r\nSu");
	talk_in_all_paces(BEGUN(RCPT(
	        "alice@example.org")) "C: BDAT 16 LAST\nC. A: b\\r\\nReturn-Pa:\nS: 250\n" BYE);
	assert_string_equal(talk_message(&talk.local), "A: b\r\nReturn-Pa:");
}

static void a_nul_needs_binarymime(void **state)
{
	(void)state;
	talk_start_plain();
	talk_in_all_paces(BEGUN(RCPT(
	        "both@example.org")) "C: DATA\nS: 354\nC. A: b\\r\\n\\r\\n\\0\\r\\n.\\r\\n\nS: 554 5.6.0\n" BYE);
	talk_in_all_paces(BEGUN(
	        RCPT("both@example.org")) "C: BDAT 7 LAST\nC. A\\0: b\\r\\n\nS: 554 5.6.0\n" BYE);
	assert_int_equal(talk.local.committed + talk.relay.committed, 0);
	talk_in_all_paces(HELLO "C: MAIL FROM:<a@b> BODY=BINARYMIME\nS: 250\n" RCPT(
	        "alice@example.org") "C: BDAT 7 LAST\nC. A\\0: b\\r\\n\nS: 250\n" BYE);
	assert_int_equal(talk.local.committed, 3);
}

static void one_copy_a_mailbox(void **state)
{
	(void)state;
	talk_start_plain();
	talk_in_all_paces(BEGUN(
	        RCPT("alice@example.org") RCPT("sales@example.org") RCPT("Alice+tag@example.net")
	                RCPT("both@example.org") RCPT("out@example.org")) TEXT "S: 250\n" BYE);
	assert_string_equal(fake_sink_envelope(&talk.local),
	        "from <a@b>\nto <alice@example.org> user=alice\nto <sales@example.org> user=bob");
	assert_string_equal(
	        fake_sink_envelope(&talk.relay), "from <a@b>\nto <dan@elsewhere.example>");
}

/* Pipelined messages are committed concurrently, a few at a time, and answered in order. */
static void commits_side_by_side(void **state)
{
	(void)state;
	talk_start_plain();
	talk.local.slow = true;
	struct peer peer = talk_connect();
	talk_on(&peer, TALK_LINES, HELLO);
	for (int i = 0; i < 6; i++)
		peer_send(&peer,
		        "MAIL FROM:<a@b>\r\nRCPT TO:<alice@example.org>\r\nBDAT 3 LAST\r\nx\r\n");
	assert_true(TURN_UNTIL(talk.loop, talk.local.begun >= WEIR_SMTP_COMMITS_MAX));
	talk_settle();
	assert_int_equal(talk.local.begun, WEIR_SMTP_COMMITS_MAX);
	fake_sink_release(&talk.local);
	assert_true(TURN_UNTIL(talk.loop, talk.local.begun == 6));
	talk_settle();
	fake_sink_release(&talk.local);
	for (int i = 0; i < 6; i++)
		talk_on(&peer, TALK_LINES, "S: 250 2.1.0\nS: 250 2.1.5\nS: 250 2.0.0 Accepted\n");
	talk_on(&peer, TALK_LINES, BYE);
	peer_close(&peer);
}

static void destroyed_while_committing(void **state)
{
	(void)state;
	talk_start_plain();
	talk.local.slow = true;
	struct peer peer = talk_connect();
	talk_on(&peer, TALK_LINES, BEGUN(RCPT("both@example.org")) TEXT);
	assert_true(TURN_UNTIL(talk.loop, talk.local.waiting.size));
	weir_smtp_destroy(talk.server);
	talk.server = NULL;
	assert_int_equal(talk.local.open, 0);
	assert_int_equal(talk.relay.open, 0);
	peer_close(&peer);
}

static void mail_for_elsewhere_without_a_relay_is_refused_for_good(void **state)
{
	(void)state;
	struct weir_smtp_options options = talk_options();
	options.relay = NULL;
	talk_start(&options);
	talk_in_all_paces(BEGUN("C: RCPT TO:<both@example.org>\nS: 550 5.7.1\n"
	                        "C: DATA\nS: 554 5.5.1\n") BYE);
}

/*
 * Each allocation fails once: the client gets an error or is disconnected; nothing is lost or
 * leaks.
 */
static void without_memory(void **state)
{
	(void)state;
	static const char *const parts[] = {"EHLO a\r\n",
	        "MAIL FROM:<a@b> ENVID=x\r\nRCPT TO:<both@example.org> ORCPT=a;b\r\nDATA\r\n",
	        "A: b\r\n\r\ntext\r\n.\r\n", "QUIT\r\n"};
	talk_start_plain();
	talk.local.always_full = true;
	for (unsigned good = 0; good < 400; good++) {
		struct peer peer = talk_connect();
		unsigned committed = talk.local.committed;
		fail_allocation_after(good, false);
		for (size_t i = 0; i < 4; i++) {
			talk_settle();
			peer_send(&peer, parts[i]);
		}
		talk_settle();
		bool failed = stop_failing_allocations();
		bool ended = peer_read_end(&peer);
		weir_buffer_append(&peer.got, "", 1, SIZE_MAX);
		assert_true(ended);
		if (strstr(peer.got.data, "Accepted as"))
			assert_int_equal(talk.local.committed, committed + 1);
		peer_close(&peer);
		TURN_UNTIL(talk.loop, weir_server_channels(weir_smtp_listener(talk.server)) == 0);
		assert_true(TURN_UNTIL(talk.loop, talk.local.open == 0 && talk.relay.open == 0));
		/* Without memory for a connection the server accepts none for a while. */
		for (int i = 0; good == 0 && i < 2 * WEIR_ACCEPT_PAUSE_MS; i++)
			weir_loop_turn(talk.loop, 1);
		if (!failed) {
			assert_true(good > 10);
			return;
		}
	}
	fail_msg("there is always another allocation");
}

/* The memory of an idle session, without the channel. */
static void idle_sessions_are_small(void **state)
{
	(void)state;
	enum {
		COUNT = 200
	};
	struct peer peers[COUNT];
	talk_start_plain();
	talk_script(TALK_LINES, HELLO);
	for (int i = 0; i < 2; i++)
		talk_settle();
	size_t before = memory_in_use();
	for (int i = 0; i < COUNT; i++) {
		peers[i] = talk_connect();
		talk_on(&peers[i], TALK_LINES, HELLO);
		weir_buffer_finish(&peers[i].got);
	}
	size_t each = (memory_in_use() - before) / COUNT;
	print_message("%zu bytes a session, with its channel\n", each);
	assert_true(each <= 512);
	for (int i = 0; i < COUNT; i++)
		peer_close(&peers[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, talk_set_up, talk_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(refused_at_the_beginning),
	        TEST(writing_fails),
	        TEST(always_full),
	        TEST(a_full_sink_that_fails),
	        TEST(both_ways),
	        TEST(for_all_or_for_none),
	        TEST(one_full_mailbox_of_several_is_temporary),
	        TEST(a_full_mailbox_is_refused_at_rcpt),
	        TEST(lmtp_refuses_a_full_mailbox_at_rcpt),
	        TEST(a_return_path_that_came_is_left_out),
	        TEST(a_nul_needs_binarymime),
	        TEST(one_copy_a_mailbox),
	        TEST(commits_side_by_side),
	        TEST(destroyed_while_committing),
	        TEST(mail_for_elsewhere_without_a_relay_is_refused_for_good),
	        TEST(without_memory),
	        TEST(idle_sessions_are_small),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
