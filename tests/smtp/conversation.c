/* Conversations over loopback: those of the RFCs, in every pace, and what becomes of the mail. */
#include "talk.h"

#define HELLO                                                                                      \
	"S: 220 mx.example.org ESMTP\n"                                                            \
	"C: EHLO client.example\n"                                                                 \
	"S: 250-mx.example.org\nS: 250-PIPELINING\nS: 250-SIZE 33554432\nS: 250-8BITMIME\n"        \
	"S: 250-BINARYMIME\nS: 250-CHUNKING\nS: 250-SMTPUTF8\nS: 250-DSN\n"                        \
	"S: 250-AUTH PLAIN LOGIN\n"                                                                \
	"S: 250-LIMITS MAILMAX=1000 RCPTMAX=1000\nS: 250-VRFY\nS: 250-HELP\n"                      \
	"S: 250 ENHANCEDSTATUSCODES\n"

static void start(void)
{
	struct weir_smtp_options options = talk_options();
	talk_start(&options);
}

/* What follows Return-Path and Received, which must be there. */
static const char *message_of(struct fake_sink *sink)
{
	const char *text = fake_sink_bytes(sink);
	const char *date = strstr(text, ";\r\n\t");
	assert_non_null(strstr(text, "Received: from "));
	assert_non_null(date);
	const char *end = strstr(date + 4, "\r\n");
	assert_non_null(end);
	return end + 2;
}

/* RFC 5321 D.1. */
static void a_typical_transaction(void **state)
{
	(void)state;
	start();
	talk_in_all_paces(HELLO
	        "C: MAIL FROM:<Smith@bar.com>\nS: 250 2.1.0\n"
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
	assert_string_equal(
	        message_of(&talk.local), "Blah blah blah...\r\n..etc. etc. etc.\r\n");
	assert_int_equal(talk.events[WEIR_SMTP_ACCEPTED], 3);
	assert_int_equal(talk.events[WEIR_SMTP_REFUSED], 3);
}

static void the_trace_is_put_in_front(void **state)
{
	(void)state;
	start();
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
	assert_string_equal(message_of(&talk.local), "\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(
	                a_typical_transaction, talk_set_up, talk_tear_down),
	        cmocka_unit_test_setup_teardown(
	                the_trace_is_put_in_front, talk_set_up, talk_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
