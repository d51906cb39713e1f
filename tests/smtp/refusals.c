/*
 * Refusals of commands, addresses and sizes, and of early input; smuggling; disconnects at every
 * point.
 */
#include "talk.h"

static void commands_out_of_order(void **state)
{
	(void)state;
	talk_start_plain();
	talk_in_all_paces("S: 220\nC: MAIL FROM:<a@b>\nS: 503 5.5.1\n"
	                  "C: RCPT TO:<a@b>\nS: 503 5.5.1\nC: DATA\nS: 503 5.5.1\n"
	                  "C: STARTTLS\nS: 503 5.5.1\nC: AUTH PLAIN\nS: 503 5.5.1\n"
	                  "C: BDAT 0\nS: 503 5.5.1\n"
	                  "C: EHLO\nS: 501 5.5.4\nC: EHLO a b\nS: 501 5.5.4\n"
	                  "C: HELO a(b)\nS: 501 5.5.4\nC: LHLO a\nS: 500 5.5.1\n"
	                  "C: HELO a\nS: 250\n"
	                  "C: RCPT TO:<alice@example.org>\nS: 503 5.5.1\n"
	                  "C: MAIL FROM:<a@b>\nS: 250\nC: MAIL FROM:<a@b>\nS: 503 5.5.1\n"
	                  "C: DATA\nS: 554 5.5.1\n"
	                  "C: STARTTLS\nS: 502 5.5.1\n"
	                  "C: RSET x\nS: 501 5.5.4\nC: \nS: 500 5.5.1\n"
	                  "C: HELO b\nS: 250\nC: DATA\nS: 503 5.5.1\n"
	                  "C: QUIT\nS: 221\nS.\n");
}

static void malformed_commands(void **state)
{
	(void)state;
	talk_start_plain();
	talk_in_all_paces(HELLO "C: MAIL\nS: 501 5.5.4\nC: MAIL FROM\nS: 501 5.5.4\n"
	                        "C: MAIL FROM:\nS: 501 5.1.7\nC: MAIL FROM:a@\nS: 501 5.1.7\n"
	                        "C: MAIL FROM:<a@b>x\nS: 501 5.5.4\n"
	                        "C: MAIL FROM:<a@b> SIZE\nS: 501 5.5.4\n"
	                        "C: MAIL FROM:<a@b> SIZE=x\nS: 501 5.5.4\n"
	                        "C: MAIL FROM:<a@b> SIZE=1 SIZE=1\nS: 501 5.5.4\n"
	                        "C: MAIL FROM:<a@b> BODY=9BIT\nS: 501 5.5.4\n"
	                        "C: MAIL FROM:<a@b> RET=ALL\nS: 501 5.5.4\n"
	                        "C: MAIL FROM:<a@b> ENVID=+0A\nS: 501 5.5.4\n"
	                        "C: MAIL FROM:<a@b> AUTH=x\nS: 501 5.5.4\n"
	                        "C: MAIL FROM:<a@b> X=1\nS: 555 5.5.4\n"
	                        "C: MAIL FROM:<>x\nS: 501 5.5.4\n"
	                        "C. NO\\0OP\\r\\n\nS: 500 5.5.2\n"
	                        "C. NO\\rOP\\r\\n\nS: 500 5.5.2\n"
	                        "C: MAIL FROM: <a@b> AUTH=<> AUTH=<>\nS: 501 5.5.4\n"
	                        "C: MAIL from: <a@b> AUTH=a+40b\nS: 250\n"
	                        "C: QUIT\nS: 221\nS.\n");
	talk_in_all_paces(HELLO "C: MAIL FROM:<>\nS: 250\nC: RCPT\nS: 501 5.5.4\n"
	                        "C: RCPT TO:\nS: 501 5.1.3\nC: RCPT TO:<>\nS: 501 5.1.3\n"
	                        "C: RCPT TO:<a>\nS: 550 5.1.1\n"
	                        "C: RCPT TO:<alice@example.org\nS: 501 5.1.3\n"
	                        "C: RCPT TO:<alice@example.org>;\nS: 501 5.5.4\n"
	                        "C: RCPT TO:<Postmaster>\nS: 250\n"
	                        "C: RCPT TO:<abuse@EXAMPLE.NET>\nS: 250\n"
	                        "C: RCPT TO:<\"alice\"@example.org>\nS: 250\n"
	                        "C: QUIT\nS: 221\nS.\n");
}

static const char *const lenient_senders[] = {"<a@b_c.com>", "<a..b@x>", "<a.@x>", "<.a@x>",
        "<a@b.com.>", "a@x", "a@x SIZE=1", "< a@x >", "Alice <a@x>", "\"A <b\" <a@x> SIZE=1",
        "<a@x> (Alice)", "a@x (Alice) SIZE=1", "<(A) a@x>", "<a\\@b@x>", "<a>", "a",
        "<aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaa@x>"};

/* Real senders use these addresses, and every other server accepts them. */
static void addresses_of_real_senders_are_taken(void **state)
{
	(void)state;
	char script[2048];
	talk_start_plain();
	for (size_t i = 0; i < sizeof lenient_senders / sizeof *lenient_senders; i++) {
		snprintf(script, sizeof script, HELLO "C: MAIL FROM:%s\nS: 250\nC: QUIT\nS: 221\n",
		        lenient_senders[i]);
		talk_script(TALK_LINES, script);
	}
	talk_in_all_paces(HELLO
	        "C: MAIL FROM:root\nS: 250\nC: RCPT TO:alice@example.org.\nS: 250\n"
	        "C: RCPT TO:Bob <bob@example.org> NOTIFY=NEVER\nS: 250\nC: RCPT TO:<carol>\nS: 250\n"
	        "C: VRFY a..b@x\nS: 252\nC: DATA\nS: 354\nC: .\nS: 250\nC: QUIT\nS: 221\n");
	assert_string_equal(fake_sink_envelope(&talk.local),
	        "from <root@mx.example.org>\nto <alice@example.org> user=alice\n"
	        "to <bob@example.org> user=bob notify=1\nto <carol@mx.example.org> user=carol");
	talk_in_all_paces(
	        HELLO "C: MAIL FROM:a@\nS: 501\nC: MAIL FROM:<a@b..c>\nS: 501\n"
	              "C: MAIL FROM:a@b>\nS: 501\nC: MAIL FROM:Alice\nS: 250\nC: QUIT\nS: 221\n");
}

static void addresses_may_be_strict(void **state)
{
	(void)state;
	char script[2048];
	struct weir_smtp_options options = talk_options();
	options.strict_addresses = true;
	talk_start(&options);
	for (size_t i = 0; i < sizeof lenient_senders / sizeof *lenient_senders; i++) {
		snprintf(script, sizeof script,
		        HELLO "C: MAIL FROM:%s\nS: 501 5.\nC: QUIT\nS: 221\n", lenient_senders[i]);
		talk_script(TALK_LINES, script);
	}
}

static void a_bare_line_feed_ends_it(void **state)
{
	(void)state;
	talk_start_plain();
	talk_in_all_paces("S: 220\nC. EHLO a\\n\nS: 500 5.5.2\nS.\n");
	talk_in_all_paces("S: 220\nC. \\n\nS: 500 5.5.2\nS.\n");
}

/* No client may relay without permission, with any form of address. */
static void no_open_relay(void **state)
{
	(void)state;
	talk_start_plain();
	talk_in_all_paces(HELLO "C: MAIL FROM:<alice@example.org>\nS: 250\n"
	                        "C: RCPT TO:<dan@elsewhere.example>\nS: 550 5.7.1\n"
	                        "C: RCPT TO:<@example.org:dan@elsewhere.example>\nS: 550 5.7.1\n"
	                        "C: RCPT TO:<dan%elsewhere.example@example.org>\nS: 550 5.1.1\n"
	                        "C: RCPT TO:<\"dan@elsewhere.example\"@example.org>\nS: 550 5.1.1\n"
	                        "C: RCPT TO:<elsewhere.example!dan@example.org>\nS: 550 5.1.1\n"
	                        "C: RCPT TO:<alice@[127.0.0.1]>\nS: 550 5.7.1\n"
	                        "C: RCPT TO:<alice@example.org.evil.example>\nS: 550 5.7.1\n"
	                        "C: RCPT TO:<out@example.org>\nS: 250\n"
	                        "C: QUIT\nS: 221\nS.\n");
	assert_int_equal(talk.relay.begun, 0);
}

static void haste(void **state)
{
	(void)state;
	talk_start_plain();
	/* Before the reply to EHLO. */
	talk_script(TALK_AT_ONCE, "S: 220\nC: EHLO a\nC: MAIL FROM:<a@b>\n"
	                          "S: 250-\nS: 250-\nS: 250-\nS: 250-\nS: 250-\nS: 250-\nS: 250-\n"
	                          "S: 250-\nS: 250-\nS: 250-\nS: 250-\nS: 250-\nS: 250 \n"
	                          "S: 554 5.5.0\nS.\n");
	/* HELO has no pipelining at all. */
	talk_script(TALK_AT_ONCE, "S: 220\nC: HELO a\nS: 250\n"
	                          "C: MAIL FROM:<a@b>\nC: NOOP\nS: 250\nS: 554 5.5.0\nS.\n");
	/* The message before the 354. */
	talk_script(TALK_AT_ONCE,
	        HELLO "C: MAIL FROM:<a@b>\nC: RCPT TO:<alice@example.org>\nC: DATA\nC: x\nC: .\n"
	              "C: NOOP\nS: 250\nS: 250\nS: 354\nS: 554 5.5.0\nS.\n");
	talk_script(TALK_AT_ONCE,
	        HELLO "C: MAIL FROM:<a@b>\nC: RCPT TO:<alice@example.org>\nC: DATA\nC: .\n"
	              "S: 250\nS: 250\nS: 354\nS: 554 5.5.0\nS.\n");
	/* Everything. */
	talk_script(TALK_AT_ONCE, "C: EHLO a\nC: MAIL FROM:<a@b>\nC: QUIT\nS: 220\n"
	                          "S: 250-\nS: 250-\nS: 250-\nS: 250-\nS: 250-\nS: 250-\nS: 250-\n"
	                          "S: 250-\nS: 250-\nS: 250-\nS: 250-\nS: 250-\nS: 250 \n"
	                          "S: 554 5.5.0\nS.\n");
	assert_int_equal(talk.local.committed, 0);
	assert_int_equal(talk.local.begun, talk.local.aborted);
}

static void early_talkers(void **state)
{
	(void)state;
	struct weir_smtp_options options = talk_options();
	options.greeting_delay_ms = 300;
	talk_start(&options);
	talk_script(TALK_LINES, "C: EHLO a\nS: 554 5.5.1\nS.\n");
	talk_script(TALK_LINES, HELLO "C: QUIT\nS: 221\nS.\n");
	struct peer peer = talk_connect();
	peer_turn(&peer, 5);
	peer_close(&peer);
	TURN_UNTIL(talk.loop, weir_server_channels(weir_smtp_listener(talk.server)) == 0);
}

static void browsers(void **state)
{
	(void)state;
	talk_start_plain();
	struct peer peer = talk_connect();
	talk_on(&peer, TALK_LINES, "S: 220\nC: POST / HTTP/1.1\nC: Host: a\n");
	peer_read_end(&peer);
	assert_int_equal(peer.got.size, 0);
	peer_close(&peer);
	talk_script(TALK_LINES, "S: 220\nC: NOOP\nS: 250\nC: GET / HTTP/1.1\nS: 500 5.5.1\n");
}

static void long_lines(void **state)
{
	(void)state;
	talk_start_plain();
	struct peer peer = talk_connect();
	static char line[40000];
	static const size_t sizes[] = {2047, 2048, 2049, 5000, 12288, 12289, 13000, 39000};
	talk_on(&peer, TALK_LINES, HELLO);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		memset(line, 'x', sizeof line);
		memcpy(line, "NOOP ", 5);
		memcpy(line + sizes[i] - 2, "\r\n", 2);
		peer_send_bytes(&peer, line, sizes[i]);
		talk_on(&peer, TALK_LINES, sizes[i] <= 2048 ? "S: 250\n" : "S: 500 5.5.2\n");
	}
	memcpy(line, "AUTH X ", 7);
	memset(line + 7, 'x', 12000);
	memcpy(line + 12286, "\r\n", 2);
	peer_send_bytes(&peer, line, 12288);
	talk_on(&peer, TALK_LINES, "S: 504 5.5.4\nC: AUTH LOGIN\nS: 334\n");
	memset(line, 'x', 13000);
	memcpy(line + 13000, "\r\n", 2);
	peer_send_bytes(&peer, line, 13002);
	talk_on(&peer, TALK_LINES, "S: 500 5.5.6\nC: NOOP\nS: 250\nC: QUIT\nS: 221\nS.\n");
	peer_close(&peer);
}

static void too_many_errors(void **state)
{
	(void)state;
	talk_start_plain();
	struct peer peer = talk_connect();
	talk_on(&peer, TALK_LINES, HELLO);
	for (int i = 0; i < 20; i++)
		talk_on(&peer, TALK_LINES, "C: WHAT\nS: 500 5.5.1\n");
	talk_on(&peer, TALK_LINES, "C: WHAT\nS: 500 5.5.1\nS: 421 4.7.0\nS.\n");
	peer_close(&peer);
}

static void bounds_on_messages(void **state)
{
	(void)state;
	struct weir_smtp_options options = talk_options();
	options.size_max = 1000;
	options.recipients_max = 2;
	options.messages_max = 2;
	talk_start(&options);
	struct weir_buffer script = {0};
	weir_buffer_format(&script, SIZE_MAX, "%s",
	        HELLO
	        "C: MAIL FROM:<a@b> SIZE=1001\nS: 552 5.3.4\n"
	        "C: MAIL FROM:<a@b> SIZE=99999999999999999999\nS: 552 5.3.4\n"
	        "C: MAIL FROM:<a@b> SIZE=1000\nS: 250\n"
	        "C: RCPT TO:<alice@example.org>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250\n"
	        "C: RCPT TO:<carol@example.org>\nS: 452 4.5.3\nC: DATA\nS: 354\n");
	for (int i = 0; i < 11; i++)
		weir_buffer_format(&script, SIZE_MAX, "C: %098d\n", i);
	weir_buffer_format(&script, SIZE_MAX, "%s%c",
	        "C: .\nS: 552 5.3.4\n"
	        "C: MAIL FROM:<a@b>\nS: 250\nC: RCPT TO:<alice@example.org>\nS: 250\n"
	        "C: BDAT 1001\nC. x\n",
	        0);
	talk_in_all_paces(script.data);
	weir_buffer_finish(&script);
	talk_in_all_paces(
	        HELLO "C: MAIL FROM:<a@b>\nS: 250\nC: RCPT TO:<alice@example.org>\nS: 250\n"
	              "C: BDAT 1501\nS: 552 5.3.4\nS.\n");
	talk_in_all_paces(
	        HELLO "C: MAIL FROM:<a@b>\nS: 250\nC: RCPT TO:<alice@example.org>\nS: 250\n"
	              "C: DATA\nS: 354\nC: .\nS: 250\n"
	              "C: MAIL FROM:<a@b>\nS: 250\nC: RCPT TO:<alice@example.org>\nS: 250\n"
	              "C: BDAT 0 LAST\nS: 250\n"
	              "C: MAIL FROM:<a@b>\nS: 421 4.7.0\nS.\n");
}

/* A message without an end is not read for ever. */
static void a_message_without_end(void **state)
{
	(void)state;
	struct weir_smtp_options options = talk_options();
	options.size_max = 1000;
	talk_start(&options);
	struct peer peer = talk_connect();
	static char bytes[64 * 1024];
	memset(bytes, 'x', sizeof bytes);
	talk_on(&peer, TALK_LINES,
	        HELLO "C: MAIL FROM:<a@b>\nS: 250\n"
	              "C: RCPT TO:<alice@example.org>\nS: 250\nC: DATA\nS: 354\n");
	for (int i = 0; i < 24; i++)
		peer_send_bytes(&peer, bytes, sizeof bytes);
	talk_on(&peer, TALK_LINES, "S: 552 5.3.4\n");
	peer_close(&peer);
	assert_int_equal(talk.local.committed, 0);
}

static void smuggling(void **state)
{
	(void)state;
	static const char *const ends[] = {"\\n.\\n", "\\n.\\r\\n", "\\r\\n.\\n", "\\r.\\r",
	        "\\r\\n.\\r", "\\r.\\r\\n", "\\r\\n.\\r\\r\\n", "\\n\\n.\\n\\n"};
	talk_start_plain();
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		char script[2000];
		snprintf(script, sizeof script, "%s%s%s",
		        HELLO "C: MAIL FROM:<a@b>\nS: 250\n"
		              "C: RCPT TO:<alice@example.org>\nS: 250\n"
		              "C: DATA\nS: 354\nC. text",
		        ends[i],
		        "MAIL FROM:<admin@example.org>\\r\\nRCPT TO:<bob@example.org>\\r\\n"
		        "DATA\\r\\nsmuggled\\r\\n.\\r\\n\n"
		        "S: 554 5.6.0\nC: QUIT\nS: 221\nS.\n");
		talk_in_all_paces(script);
	}
	assert_int_equal(talk.local.committed, 0);
	assert_int_equal(talk.local.begun, talk.local.aborted);
}

static void smuggling_normalised(void **state)
{
	(void)state;
	struct weir_smtp_options options = talk_options();
	options.normalise = true;
	talk_start(&options);
	talk_in_all_paces(
	        HELLO "C: MAIL FROM:<a@b>\nS: 250\n"
	              "C: RCPT TO:<alice@example.org>\nS: 250\n"
	              "C: DATA\nS: 354\nC. A: b\\n\\r\\nx\\n.\\r\\nMAIL\\r.\\r\\n.\\r\\n\n"
	              "S: 250 2.0.0\nC: QUIT\nS: 221\nS.\n");
	assert_string_equal(talk_message(&talk.local), "A: b\r\n\r\nx\r\n.\r\nMAIL\r\n.\r\n");
	assert_int_equal(talk.local.committed, 3);
}

static void a_loop_of_mail(void **state)
{
	(void)state;
	talk_start_plain();
	for (int fields = 100; fields <= 101; fields++) {
		struct weir_buffer script = {0};
		weir_buffer_format(&script, SIZE_MAX, "%s",
		        HELLO "C: MAIL FROM:<a@b>\nS: 250\n"
		              "C: RCPT TO:<alice@example.org>\nS: 250\nC: DATA\nS: 354\n");
		for (int i = 0; i < fields; i++)
			weir_buffer_format(&script, SIZE_MAX, "C: rEceived: x\nC:  more\n");
		weir_buffer_format(&script, SIZE_MAX, "C: \nC: Received: in the body\nC: .\n%s%c",
		        fields > 100 ? "S: 554 5.4.6\n" : "S: 250\n", 0);
		talk_in_all_paces(script.data);
		weir_buffer_finish(&script);
	}
}

/* The client disconnects after every byte of a conversation, with and without an orderly close. */
static void disconnects_everywhere(void **state)
{
	(void)state;
	static const char text[] =
	        "EHLO a\r\n\0MAIL FROM:<a@b>\r\nRCPT TO:<both@example.org>\r\nDATA\r\n\0"
	        "A: b\r\n\r\ntext\r\n.\r\nMAIL FROM:<a@b>\r\nRCPT TO:<bob@example.org>\r\n"
	        "BDAT 4\r\ntextBDAT 2 LAST\r\n\r\nAUTH PLAIN\r\nAGFs\r\n";
	talk_start_plain();
	talk.local.slow = true;
	for (size_t size = 0; size < sizeof text; size++) {
		struct peer peer = talk_connect();
		for (size_t at = 0; at < size;) {
			size_t part = strlen(text + at);
			if (part > size - at)
				part = size - at;
			talk_settle();
			peer_send_bytes(&peer, text + at, part);
			at += part + 1;
		}
		talk_settle();
		if (size % 2)
			peer_reset(&peer);
		else
			peer_close(&peer);
		peer_turn(&peer, 4);
		fake_sink_release(&talk.local);
		assert_true(TURN_UNTIL(
		        talk.loop, weir_server_channels(weir_smtp_listener(talk.server)) == 0));
		/* A complete message is delivered nevertheless. */
		fake_sink_release(&talk.local);
		assert_true(TURN_UNTIL(talk.loop, talk.local.open == 0 && talk.relay.open == 0));
	}
	assert_int_equal(talk.local.open, 0);
	assert_int_equal(talk.relay.open, 0);
	assert_true(talk.local.committed > 20);
}

static void too_many_connections(void **state)
{
	(void)state;
	struct weir_smtp_options options = talk_options();
	assert_int_equal(weir_peers_create(2, 0, &options.listener.peers), 0);
	talk_start(&options);
	struct peer first = talk_connect(), second = talk_connect();
	talk_on(&first, TALK_LINES, HELLO);
	talk_on(&second, TALK_LINES, HELLO);
	talk_script(TALK_LINES, "S: 421 4.7.0\nS.\n");
	peer_close(&first);
	assert_true(
	        TURN_UNTIL(talk.loop, weir_server_channels(weir_smtp_listener(talk.server)) == 1));
	talk_script(TALK_LINES, HELLO);
	peer_close(&second);
	assert_true(TURN_UNTIL(talk.loop, weir_peers_count(options.listener.peers) == 0));
	weir_peers_release(options.listener.peers);
}

static void silence(void **state)
{
	(void)state;
	struct weir_smtp_options options = talk_options();
	options.listener.bounds.idle_ms = options.listener.bounds.request_ms = 200;
	talk_start(&options);
	talk_script(TALK_LINES, HELLO "S: 421 4.4.2\nS.\n");
	talk_script(TALK_LINES, HELLO "C. NOO\nS: 421 4.4.2\nS.\n");
	talk_script(TALK_LINES, HELLO "C: MAIL FROM:<a@b>\nS: 250\n"
	                              "C: RCPT TO:<alice@example.org>\nS: 250\n"
	                              "C: DATA\nS: 354\nC: x\nS: 421 4.4.2\nS.\n");
	assert_int_equal(talk.local.aborted, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, talk_set_up, talk_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(commands_out_of_order),
	        TEST(malformed_commands),
	        TEST(addresses_of_real_senders_are_taken),
	        TEST(addresses_may_be_strict),
	        TEST(a_bare_line_feed_ends_it),
	        TEST(no_open_relay),
	        TEST(haste),
	        TEST(early_talkers),
	        TEST(browsers),
	        TEST(long_lines),
	        TEST(too_many_errors),
	        TEST(bounds_on_messages),
	        TEST(a_message_without_end),
	        TEST(smuggling),
	        TEST(smuggling_normalised),
	        TEST(a_loop_of_mail),
	        TEST(disconnects_everywhere),
	        TEST(too_many_connections),
	        TEST(silence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
