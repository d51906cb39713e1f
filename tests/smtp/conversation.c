/* Conversations over loopback: those of the RFCs, at every pace, and their deliveries. */
#include "talk.h"

/* RFC 5321 D.1. */
static void a_typical_transaction(void **state)
{
	(void)state;
	talk_start_plain();
	talk_in_all_paces(HELLO "C: MAIL FROM:<Smith@bar.com>\nS: 250 2.1.0\n"
	                        "C: RCPT TO:<alice@example.org>\nS: 250 2.1.5\n"
	                        "C: RCPT TO:<green@example.org>\nS: 550 5.1.1\n"
	                        "C: RCPT TO:<bob@example.org>\nS: 250 2.1.5\n"
	                        "C: DATA\nS: 354 \n"
	                        "C: Blah blah blah...\n"
	                        "C: ...etc. etc. etc.\n"
	                        "C: .\nS: 250 2.0.0 Accepted as \n"
	                        "C: QUIT\nS: 221 2.0.0\nS.\n");
	assert_int_equal(talk.local.committed, 3);
	assert_string_equal(fake_sink_envelope(&talk.local),
	        "from <Smith@bar.com>\nto <alice@example.org> user=alice\n"
	        "to <bob@example.org> user=bob");
	assert_string_equal(talk_message(&talk.local), "Blah blah blah...\r\n..etc. etc. etc.\r\n");
	assert_int_equal(talk.events[WEIR_SMTP_ACCEPTED], 3);
	assert_int_equal(talk.events[WEIR_SMTP_REFUSED], 3);
}

static void the_trace_is_put_in_front(void **state)
{
	(void)state;
	talk_start_plain();
	talk_script(TALK_LINES, HELLO "C: MAIL FROM:<Smith@bar.com>\nS: 250\n"
	                              "C: RCPT TO:<me@example.org>\nS: 250\n"
	                              "C: DATA\nS: 354\nC: \nC: .\nS: 250\n");
	char wanted[300];
	snprintf(wanted, sizeof wanted,
	        "Return-Path: <Smith@bar.com>\r\n"
	        "Received: from client.example ([127.0.0.1])\r\n"
	        "\tby mx.example.org with ESMTP id %s\r\n"
	        "\tfor <me@example.org>;\r\n\t",
	        talk.event_id);
	assert_memory_equal(fake_sink_bytes(&talk.local), wanted, strlen(wanted));
	assert_string_equal(talk_message(&talk.local), "\r\n");
}

/* RFC 5321 D.2: RSET. */
static void an_aborted_transaction(void **state)
{
	(void)state;
	talk_start_plain();
	talk_in_all_paces(HELLO "C: MAIL FROM:<Smith@bar.com>\nS: 250 2.1.0\n"
	                        "C: RCPT TO:<alice@example.org>\nS: 250 2.1.5\n"
	                        "C: RCPT TO:<Green@example.org>\nS: 550 5.1.1\n"
	                        "C: RSET\nS: 250 2.0.0\n"
	                        "C: DATA\nS: 503 5.5.1\n"
	                        "C: QUIT\nS: 221 2.0.0\nS.\n");
	assert_int_equal(talk.local.begun, 0);
}

/* RFC 5321 D.3, to a relay: a client of a listed network. */
static void a_relayed_message(void **state)
{
	(void)state;
	struct weir_network loopback;
	struct weir_smtp_options options = talk_options();
	assert_int_equal(weir_network_parse(WEIR_SPAN("127.0.0.0/8"), &loopback), 0);
	options.networks = &loopback;
	options.network_count = 1;
	talk_start(&options);
	talk_in_all_paces(HELLO "C: MAIL FROM:<JQP@bar.com>\nS: 250\n"
	                        "C: RCPT TO:<@foo.com:Jones@XYZ.COM>\nS: 250 2.1.5\n"
	                        "C: DATA\nS: 354\n"
	                        "C: Date: Thu, 21 May 1998 05:33:29 -0700\n"
	                        "C: \nC: Hi\nC: .\nS: 250\n"
	                        "C: QUIT\nS: 221\nS.\n");
	assert_int_equal(talk.relay.committed, 3);
	assert_int_equal(talk.local.begun, 0);
	assert_string_equal(
	        fake_sink_envelope(&talk.relay), "from <JQP@bar.com>\nto <Jones@XYZ.COM>");
	assert_null(strstr(fake_sink_bytes(&talk.relay), "Return-Path"));
	assert_string_equal(
	        talk_message(&talk.relay), "Date: Thu, 21 May 1998 05:33:29 -0700\r\n\r\nHi\r\n");
}

/* RFC 5321 D.4. */
static void verifying_and_expanding(void **state)
{
	(void)state;
	talk_start_plain();
	talk_in_all_paces(HELLO "C: VRFY Crispin\nS: 252 2.1.5\n"
	                        "C: EXPN list\nS: 502 5.7.0\n"
	                        "C: HELP\nS: 214-2.0.0 \nS: 214-2.0.0 \nS: 214 2.0.0\n"
	                        "C: NOOP what ever\nS: 250 2.0.0\n"
	                        "C: noop\nS: 250 2.0.0\n"
	                        "C: SEND FROM:<a@b>\nS: 500 5.5.1\n"
	                        "C: QUIT\nS: 221\nS.\n");
}

static void with_helo(void **state)
{
	(void)state;
	talk_start_plain();
	talk_script(TALK_LINES,
	        "S: 220 mx.example.org ESMTP\nC: HELO [10.0.0.1]\nS: 250 mx.example.org\n"
	        "C: MAIL FROM:<a@b> SIZE=1\nS: 555 5.5.4\n"
	        "C: MAIL FROM:<a@b>\nS: 250\nC: RCPT TO:<alice@example.org>\nS: 250\n"
	        "C: DATA\nS: 354\nC: x\nC: .\nS: 250\nC: QUIT\nS: 221\nS.\n");
	assert_non_null(strstr(fake_sink_bytes(&talk.local),
	        "Received: from [10.0.0.1] ([127.0.0.1])\r\n\tby mx.example.org with SMTP id "));
}

/* RFC 2920 3.2: all of it at once, and the message after the 354. */
static void pipelined(void **state)
{
	(void)state;
	talk_start_plain();
	talk_in_all_paces(HELLO "C: MAIL FROM:<mrose@dbc.mtview.ca.us>\n"
	                        "C: RCPT TO:<nobody@example.org>\n"
	                        "C: RCPT TO:<alice@example.org>\n"
	                        "C: RCPT TO:<bob@example.org>\n"
	                        "C: DATA\n"
	                        "S: 250 2.1.0\nS: 550 5.1.1\nS: 250 2.1.5\nS: 250 2.1.5\nS: 354\n"
	                        "C: text\nC: .\n"
	                        "C: MAIL FROM:<>\nC: RCPT TO:<me@example.org>\nC: DATA\n"
	                        "S: 250 2.0.0\nS: 250 2.1.0\nS: 250 2.1.5\nS: 354\n"
	                        "C: more\nC: .\nC: QUIT\n"
	                        "S: 250 2.0.0\nS: 221\nS.\n");
	assert_int_equal(talk.local.committed, 6);
	assert_memory_equal(fake_sink_bytes(&talk.local), "Return-Path: <>\r\n", 17);
}

/* RFC 3030 4.2: chunks, pipelined. */
static void in_chunks(void **state)
{
	(void)state;
	talk_start_plain();
	talk_in_all_paces(HELLO "C: MAIL FROM:<ned@ymir.claremont.edu> BODY=BINARYMIME\n"
	                        "C: RCPT TO:<alice@example.org>\n"
	                        "S: 250 2.1.0\nS: 250 2.1.5\n"
	                        "C: BDAT 11\nC. A: b\\r\\n\\r\\n\\0.\\r\n"
	                        "C: BDAT 6\nC. \\n.\\r\\n\\nQ\n"
	                        "C: BDAT 0 LAST\n"
	                        "S: 250 2.0.0 11 \nS: 250 2.0.0 6 \nS: 250 2.0.0 Accepted\n"
	                        "C: MAIL FROM:<a@b>\nC: RCPT TO:<bob@example.org>\n"
	                        "C: BDAT 3 LAST\nC. a\\r\\n\nC: QUIT\n"
	                        "S: 250\nS: 250\nS: 250 2.0.0 Accepted\nS: 221\nS.\n");
	assert_int_equal(talk.local.committed, 6);
	assert_string_equal(talk_message(&talk.local), "a\r\n");
}

static void chunks_keep_every_byte(void **state)
{
	(void)state;
	talk_start_plain();
	talk_in_all_paces(HELLO "C: MAIL FROM:<a@b> BODY=BINARYMIME\nS: 250\n"
	                        "C: RCPT TO:<alice@example.org>\nS: 250\n"
	                        "C: DATA\nS: 503 5.5.1\n"
	                        "C: BDAT 7\nC. A: b\\r\\n\\r\nS: 250\n"
	                        "C: BDAT 6 last\nC. \\n\\r\\r\\n\\n.\nS: 250 2.0.0 Accepted\n"
	                        "C: QUIT\nS: 221\nS.\n");
	assert_string_equal(talk_message(&talk.local), "A: b\r\n\r\n\r\r\n\n.");
}

static void chunks_out_of_place(void **state)
{
	(void)state;
	talk_start_plain();
	talk_in_all_paces(HELLO "C: BDAT 6\nC. QUIT\\r\\n\nS: 503 5.5.1\n"
	                        "C: MAIL FROM:<a@b>\nS: 250\n"
	                        "C: BDAT 6 LAST\nC. QUIT\\r\\n\nS: 554 5.5.1\n"
	                        "C: MAIL FROM:<a@b>\nS: 250\n"
	                        "C: RCPT TO:<alice@example.org>\nS: 250\n"
	                        "C: BDAT 3\nC. x\\r\\n\nS: 250 2.0.0\n"
	                        "C: RCPT TO:<bob@example.org>\nS: 503 5.5.1\n"
	                        "C: DATA\nS: 503 5.5.1\n"
	                        "C: MAIL FROM:<c@d>\nS: 503 5.5.1\n"
	                        "C: BDAT 2\nC. y\\n\nS: 554 5.6.0\n"
	                        "C: BDAT 2\nC. yz\nS: 554 5.6.0\n"
	                        "C: MAIL FROM:<c@d>\nS: 250\n"
	                        "C: RSET\nS: 250\n"
	                        "C: BDAT x\nS: 501 5.5.4\nS.\n");
	assert_int_equal(talk.local.committed, 0);
	assert_int_equal(talk.local.aborted, 3);
}

/* RFC 3461 10.1 and its parameters. */
static void with_dsn(void **state)
{
	(void)state;
	talk_start_plain();
	talk_in_all_paces(HELLO
	        "C: MAIL FROM:<Alice@Example.Org> RET=HDRS ENVID=QQ+2B314159 SIZE=100 BODY=8BITMIME\n"
	        "S: 250 2.1.0\n"
	        "C: RCPT TO:<alice@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob@Example.COM\n"
	        "S: 250 2.1.5\n"
	        "C: RCPT TO:<bob@example.net> NOTIFY=NEVER\nS: 250 2.1.5\n"
	        "C: RCPT TO:<carol@example.org> notify=delay ORCPT=utf-8;a+2Bb\nS: 250 2.1.5\n"
	        "C: RCPT TO:<me@example.org> NOTIFY=NEVER,FAILURE\nS: 501 5.5.4\n"
	        "C: RCPT TO:<me@example.org> NOTIFY=\nS: 501 5.5.4\n"
	        "C: RCPT TO:<me@example.org> NOTIFY=OFTEN\nS: 501 5.5.4\n"
	        "C: RCPT TO:<me@example.org> NOTIFY=DELAY NOTIFY=DELAY\nS: 501 5.5.4\n"
	        "C: RCPT TO:<me@example.org> NOTIFY=DELAY,DELAY\nS: 501 5.5.4\n"
	        "C: RCPT TO:<me@example.org> ORCPT=rfc822\nS: 501 5.5.4\n"
	        "C: RCPT TO:<me@example.org> ORCPT=rfc822;+0D+0A\nS: 501 5.5.4\n"
	        "C: RCPT TO:<me@example.org> ORCPT=;a\nS: 501 5.5.4\n"
	        "C: RCPT TO:<me@example.org> SIZE=1\nS: 555 5.5.4\n"
	        "C: DATA\nS: 354\nC: x\nC: .\nS: 250\n"
	        "C: QUIT\nS: 221\nS.\n");
	assert_string_equal(fake_sink_envelope(&talk.local),
	        "from <Alice@Example.Org> size=100 8bit hdrs envid=QQ+314159\n"
	        "to <alice@example.org> user=alice notify=6 orcpt=rfc822;Bob@Example.COM\n"
	        "to <bob@example.net> user=bob notify=1\n"
	        "to <carol@example.org> user=carol notify=8 orcpt=utf-8;a+b");
}

/* RFC 6531. */
static void with_utf8(void **state)
{
	(void)state;
	talk_start_plain();
	talk_in_all_paces(HELLO "C: MAIL FROM:<\xc3\xa9@b\xc3\xbc.de>\nS: 553 5.6.7\n"
	                        "C: MAIL FROM:<\xc3\xa9@b\xc3\xbc.de> SMTPUTF8=x\nS: 501 5.5.4\n"
	                        "C: MAIL FROM:<\xc3\xa9@b\xc3\xbc.de> SMTPUTF8\nS: 250\n"
	                        "C: RCPT TO:<alice@example.org>\nS: 250\n"
	                        "C: RCPT TO:<\xc3\xa9@example.org>\nS: 550 5.1.1\n"
	                        "C: DATA\nS: 354\nC: x\nC: .\nS: 250\n"
	                        "C: MAIL FROM:<a@b>\nS: 250\n"
	                        "C: RCPT TO:<\xc3\xa9@example.org>\nS: 553 5.6.7\n"
	                        "C: QUIT\nS: 221\nS.\n");
	assert_non_null(strstr(fake_sink_bytes(&talk.local), " with UTF8SMTP id "));
	assert_non_null(strstr(fake_sink_envelope(&talk.local), " utf8"));
}

/* RFC 2033 4.2: a reply for each recipient. */
static void lmtp(void **state)
{
	(void)state;
	struct weir_smtp_options options = talk_options();
	options.personality = WEIR_SMTP_LMTP;
	options.users = NULL;
	talk_start(&options);
	talk.local.results[1] = -EDQUOT;
	talk.local.results[2] = -EIO;
	talk_in_all_paces(
	        "S: 220 mx.example.org LMTP\n"
	        "C: EHLO foo\nS: 500 5.5.1\nC: HELO foo\nS: 500 5.5.1\n"
	        "C: MAIL FROM:<chris@bar.com>\nS: 503 5.5.1\n"
	        "C: LHLO foo.edu\n"
	        "S: 250-mx.example.org\nS: 250-PIPELINING\nS: 250-SIZE \nS: 250-8BITMIME\n"
	        "S: 250-BINARYMIME\nS: 250-CHUNKING\nS: 250-SMTPUTF8\nS: 250-DSN\n"
	        "S: 250-LIMITS\nS: 250-VRFY\nS: 250-HELP\nS: 250 ENHANCEDSTATUSCODES\n"
	        "C: MAIL FROM:<chris@bar.com>\n"
	        "C: RCPT TO:<alice@example.org>\n"
	        "C: RCPT TO:<jones@example.org>\n"
	        "C: RCPT TO:<bob@example.org>\n"
	        "C: RCPT TO:<carol@example.org>\n"
	        "C: RCPT TO:<sales@example.org>\n"
	        "C: DATA\n"
	        "S: 250 2.1.0\nS: 250 2.1.5\nS: 550 5.1.1\nS: 250 2.1.5\nS: 250 2.1.5\n"
	        "S: 250 2.1.5\nS: 354\n"
	        "C: Blah blah blah...\nC: .\n"
	        "S: 250 2.0.0\nS: 552 5.2.2\nS: 451 4.3.0\nS: 552 5.2.2\n"
	        "C: QUIT\nS: 221 2.0.0\nS.\n");
	assert_int_equal(talk.local.committed, 3);
	assert_non_null(strstr(fake_sink_bytes(&talk.local), " with LMTP id "));
}

/* A thousand recipients have a thousand replies, and one message. */
static void lmtp_with_many(void **state)
{
	(void)state;
	struct weir_smtp_options options = talk_options();
	options.personality = WEIR_SMTP_LMTP;
	talk_start(&options);
	struct peer peer = talk_connect();
	talk_on(&peer, TALK_LINES,
	        "S: 220\nC: LHLO a\n"
	        "S: 250-\nS: 250-\nS: 250-\nS: 250-\nS: 250-\nS: 250-\n"
	        "S: 250-\nS: 250-\nS: 250-\nS: 250-\nS: 250-\nS: 250-\n"
	        "S: 250 ENHANCEDSTATUSCODES\nC: MAIL FROM:<a@b>\n");
	for (int i = 0; i < 1001; i++)
		peer_send(&peer, i % 2 ? "RCPT TO:<alice+%d@example.org>\r\n"
		                       : "RCPT TO:<bob@example.org>\r\n");
	peer_send(&peer, "DATA\r\n");
	assert_true(peer_read(&peer, strlen("250 2.1.0 Sender accepted\r\n") +
	                                     1000 * strlen("250 2.1.5 Recipient accepted\r\n")));
	peer.got.size = 0;
	talk_on(&peer, TALK_LINES, "S: 452 4.5.3\nS: 354\n");
	peer.got.size = 0;
	peer_send(&peer, "text\r\n.\r\nQUIT\r\n");
	assert_true(peer_read_end(&peer));
	unsigned lines = 0;
	for (size_t i = 0; i < peer.got.size; i++)
		lines += peer.got.data[i] == '\n';
	assert_int_equal(lines, 1000 + 1);
	assert_string_equal(fake_sink_envelope(&talk.local),
	        "from <a@b>\nto <bob@example.org> user=bob\n"
	        "to <alice+%d@example.org> user=alice");
	peer_close(&peer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, talk_set_up, talk_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_typical_transaction),
	        TEST(the_trace_is_put_in_front),
	        TEST(an_aborted_transaction),
	        TEST(a_relayed_message),
	        TEST(verifying_and_expanding),
	        TEST(with_helo),
	        TEST(pipelined),
	        TEST(in_chunks),
	        TEST(chunks_keep_every_byte),
	        TEST(chunks_out_of_place),
	        TEST(with_dsn),
	        TEST(with_utf8),
	        TEST(lmtp),
	        TEST(lmtp_with_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
