/* The SMTP client against a host with scripted replies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/sasl.h>
#include <weir/smtp_client.h>
#include <weir/users.h>

#include "allocation.h"
#include "clock.h"
#include "host.h"
#include "peer.h"
#include "make_options.h"

static struct weir_loop *loop;
static struct host host;

/* -- events of the client --------------------------------------------------------------------- */

enum {
	RECIPIENTS_MAX = 300
};

static struct {
	struct weir_smtp_client *client;
	const struct weir_smtp_mail *mail; /* sent when the client is ready */
	unsigned again;                    /* so many times more */
	unsigned readies;
	unsigned closes;
	unsigned told[RECIPIENTS_MAX];
	unsigned codes[RECIPIENTS_MAX];
	char texts[4][200];
	unsigned code; /* of the end */
	int error;
	bool in_tls;
	char text[200];
} seen;

static void on_ready(void *context)
{
	assert_ptr_equal(context, &seen);
	seen.readies++;
	if (seen.mail && seen.readies <= 1 + seen.again)
		weir_smtp_client_send(seen.client, seen.mail);
	else
		weir_smtp_client_quit(seen.client);
}

static void on_recipient(void *context, size_t index, const struct weir_smtp_result *result)
{
	(void)context;
	seen.told[index]++;
	seen.codes[index] = result->code;
	if (index < 4)
		snprintf(seen.texts[index], sizeof seen.texts[0], "%s", result->text);
}

static void on_closed(void *context, const struct weir_smtp_result *why)
{
	(void)context;
	seen.closes++;
	seen.code = why->code;
	seen.error = why->error;
	seen.in_tls = why->in_tls;
	snprintf(seen.text, sizeof seen.text, "%s", why->text);
}

static const struct weir_smtp_client_events events = {
        .ready = on_ready, .recipient = on_recipient, .closed = on_closed};

static struct weir_smtp_client_options options(void)
{
	return OPTIONS(weir_smtp_client_options, o.address = *weir_server_address(host.server),
	        o.host = "localhost", o.helo = "me");
}

static int start(const struct weir_smtp_client_options *from, const struct weir_smtp_mail *mail)
{
	unsigned again = seen.again;
	memset(&seen, 0, sizeof seen);
	seen.again = again;
	seen.mail = mail;
	host.said[0] = 0;
	host.messages = 0;
	return weir_smtp_client_connect(loop, from, &events, &seen, &seen.client);
}

static void run_with(const struct weir_smtp_client_options *from, const struct weir_smtp_mail *mail)
{
	assert_int_equal(start(from, mail), 0);
	assert_true(TURN_UNTIL(loop, seen.closes));
	assert_true(TURN_UNTIL(loop, !host.open));
}

static void run(const struct weir_smtp_mail *mail)
{
	struct weir_smtp_client_options plain = options();
	run_with(&plain, mail);
}

/* -- messages ---------------------------------------------------------------------------------- */

static struct weir_mail_recipient recipients[RECIPIENTS_MAX];
static struct weir_mail_envelope envelope;
static struct weir_smtp_mail mail;

static const struct weir_smtp_mail *message(const char *text, size_t size, size_t count)
{
	if (mail.fd > 0)
		close(mail.fd);
	int fd = memfd_create("message", MFD_CLOEXEC);
	assert_int_equal(write(fd, text, size), size);
	for (size_t i = 0; i < count; i++)
		recipients[i].address = WEIR_SPAN("bob@example.org");
	envelope = (struct weir_mail_envelope){
	        .sender = WEIR_SPAN("al@example.org"), .recipients = recipients, .count = count};
	mail = (struct weir_smtp_mail){&envelope, fd, size};
	return &mail;
}

#define MESSAGE(text, count) message(text, sizeof(text) - 1, count)

static void one_message(void **state)
{
	(void)state;
	for (int drip = 0; drip < 2; drip++) {
		host.drip = drip;
		run(MESSAGE("A: b\r\n\r\n.\r\n..x\r\nend\r\n.\r\n", 1));
		assert_int_equal(seen.codes[0], 250);
		assert_string_equal(seen.texts[0], "250 2.0.0 Taken");
		assert_int_equal(seen.code, 221);
		assert_int_equal(host.content_size, 24);
		assert_memory_equal(host.content, "A: b\r\n\r\n.\r\n..x\r\nend\r\n.\r\n", 24);
		assert_string_equal(host.said,
		        "EHLO me\nMAIL FROM:<al@example.org> SIZE=24\nRCPT TO:<bob@example.org>\n"
		        "DATA\nQUIT\n");
	}
	run(MESSAGE("", 1));
	assert_int_equal(host.content_size, 0);
	run(MESSAGE(".\n.\nx\n", 1));
	assert_memory_equal(host.content, ".\r\n.\r\nx\r\n", 9);
}

static void several_messages_over_one_connection(void **state)
{
	(void)state;
	seen.again = 4;
	unsigned before = host.connections;
	run(MESSAGE("x\r\n", 2));
	seen.again = 0;
	assert_int_equal(host.messages, 5);
	assert_int_equal(host.connections, before + 1);
	assert_int_equal(seen.told[0], 5);
	assert_int_equal(seen.told[1], 5);
}

static void each_recipient_has_a_result(void **state)
{
	static const char *const offers[] = {
	        NULL, "250-host\r\n250 DSN\r\n", "250 host\r\n", "502 HELO please\r\n"};
	(void)state;
	for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
		host.ehlo = offers[i];
		MESSAGE("x\r\n", 4);
		recipients[1].address = WEIR_SPAN("bad@example.org");
		recipients[2].address = WEIR_SPAN("late@example.org");
		run(&mail);
		for (int k = 0; k < 4; k++)
			assert_int_equal(seen.told[k], 1);
		assert_int_equal(seen.codes[0], 250);
		assert_string_equal(seen.texts[1], "550 5.1.1 Who?");
		assert_string_equal(seen.texts[2], "451 4.3.0 Later");
		assert_int_equal(seen.codes[3], 250);
		assert_int_equal(host.messages, 1);
		/* No recipient is left. */
		MESSAGE("x\r\n", 2);
		recipients[0].address = recipients[1].address = WEIR_SPAN("bad@example.org");
		run(&mail);
		assert_int_equal(seen.codes[0], 550);
		assert_int_equal(seen.codes[1], 550);
		assert_int_equal(seen.told[1], 1);
		assert_int_equal(host.messages, 0);
		assert_int_equal(seen.code, 221);
	}
}

static void many_recipients(void **state)
{
	(void)state;
	run(MESSAGE("x\r\n", RECIPIENTS_MAX));
	for (int i = 0; i < RECIPIENTS_MAX; i++)
		assert_int_equal(seen.codes[i], 250);
}

static void refusals(void **state)
{
	(void)state;
	for (int pipelining = 0; pipelining < 2; pipelining++) {
		host.ehlo = pipelining ? NULL : "250 host\r\n";
		host.mail = "552 5.3.4 Too large\r\n";
		run(MESSAGE("x\r\n", 2));
		assert_string_equal(seen.texts[1], "552 5.3.4 Too large");
		assert_int_equal(seen.told[1], 1);
		assert_int_equal(seen.code, 221);
		host.mail = NULL;
		host.data = "451 4.3.0 Not now\r\n";
		run(MESSAGE("x\r\n", 2));
		assert_string_equal(seen.texts[1], "451 4.3.0 Not now");
		assert_int_equal(seen.code, 221);
		host.data = NULL;
		host.message = "554 5.7.1 Spam\r\n";
		run(MESSAGE("x\r\n", 2));
		assert_string_equal(seen.texts[0], "554 5.7.1 Spam");
		host.message = "";
		run(MESSAGE("x\r\n", 2));
		assert_int_equal(seen.codes[0], 0);
		assert_int_equal(seen.told[1], 1);
		assert_int_equal(seen.code, 0);
		host.message = "421 4.3.2 Going down\r\n";
		run(MESSAGE("x\r\n", 2));
		assert_int_equal(seen.codes[0], 421);
		assert_int_equal(seen.code, 421);
		host.message = NULL;
		/* A server that accepts DATA without a recipient. */
		host.data = "354 Go\r\n";
		MESSAGE("x\r\n", 1);
		recipients[0].address = WEIR_SPAN("bad@example.org");
		run(&mail);
		assert_int_equal(host.messages, 0);
		assert_int_equal(seen.codes[0], 550);
		assert_int_equal(seen.code, 221);
		host.data = NULL;
	}
}

static void greetings(void **state)
{
	(void)state;
	host.greeting = "554 5.7.1 Not you\r\n";
	run(NULL);
	assert_int_equal(seen.code, 554);
	assert_string_equal(seen.text, "554 5.7.1 Not you");
	host.greeting = "220-hello\r\n220 host\r\n";
	run(NULL);
	assert_int_equal(seen.code, 221);
	host.greeting = "SSH-2.0-x\r\n";
	run(NULL);
	assert_int_equal(seen.error, -EPROTO);
	host.greeting = NULL;
	host.ehlo = "554 No\r\n";
	run(NULL);
	assert_int_equal(seen.code, 554);
	struct weir_smtp_client_options nowhere = options();
	host_stop(&host);
	weir_loop_turn(loop, 0);
	run_with(&nowhere, NULL);
	assert_int_equal(seen.error, -ECONNREFUSED);
	assert_int_equal(seen.readies, 0);
	host_start(&host, loop);
}

static void what_the_server_cannot_take(void **state)
{
	(void)state;
	host.ehlo = "250-host\r\n250 SIZE 10\r\n";
	run(MESSAGE("01234567890\r\n", 2));
	assert_int_equal(seen.codes[1], 552);
	assert_string_equal(host.said, "EHLO me\nQUIT\n");
	MESSAGE("x\r\n", 1);
	envelope.binary = true;
	run(&mail);
	assert_int_equal(seen.codes[0], 554);
	MESSAGE("x\r\n", 1);
	envelope.utf8 = true;
	recipients[0].address = WEIR_SPAN("b\xc3\xb6"
	                                  "b@example.org");
	run(&mail);
	assert_int_equal(seen.codes[0], 553);
	MESSAGE("Subject: \xc3\xa4\r\n\r\nx\r\n", 1);
	host.ehlo = "250-host\r\n250 8BITMIME\r\n";
	envelope.utf8 = true;
	run(&mail);
	assert_int_equal(seen.codes[0], 553);
	host.ehlo = NULL;
}

/* RFC 6152 3. BODY in the envelope does not matter. */
static void eight_bits_are_encoded_for_a_server_that_takes_seven(void **state)
{
	(void)state;
	static const char encoded[] =
	        "A: b\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n"
	        "\r\nabcdefghijklm=E4\r\n.x\r\n";
	for (int i = 0; i < 2; i++) {
		host.ehlo = "250-host\r\n250 SIZE 1000\r\n";
		MESSAGE("A: b\r\n\r\nabcdefghijklm\xe4\r\n.x\r\n", 2);
		envelope.eight_bit = i;
		run(&mail);
		assert_int_equal(seen.codes[1], 250);
		assert_int_equal(host.content_size, sizeof encoded - 1);
		assert_memory_equal(host.content, encoded, sizeof encoded - 1);
		assert_string_equal(host.said,
		        "EHLO me\nMAIL FROM:<al@example.org> SIZE=94\nRCPT TO:<bob@example.org>\n"
		        "RCPT TO:<bob@example.org>\nDATA\nQUIT\n");
		/* Not needed. */
		MESSAGE("Content-Transfer-Encoding: 8bit\r\n\r\nx\r\n", 1);
		envelope.eight_bit = i;
		run(&mail);
		assert_int_equal(seen.codes[0], 250);
		assert_int_equal(host.content_size, 38);
		/* Too large when it is encoded. */
		host.ehlo = "250-host\r\n250 SIZE 93\r\n";
		MESSAGE("A: b\r\n\r\nabcdefghijklm\xe4\r\n.x\r\n", 1);
		envelope.eight_bit = i;
		run(&mail);
		assert_int_equal(seen.codes[0], 552);
		/* Signed. */
		MESSAGE("Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xe4\r\n--b--\r\n",
		        1);
		envelope.eight_bit = i;
		run(&mail);
		assert_int_equal(seen.codes[0], 554);
	}
	/* SMTPUTF8 implies 8BITMIME (RFC 6531 3.1). */
	host.ehlo = "250-host\r\n250 SMTPUTF8\r\n";
	MESSAGE("A: b\r\n\r\n\xe4\r\n", 1);
	envelope.eight_bit = true;
	run(&mail);
	assert_int_equal(host.content_size, 11);
	host.ehlo = NULL;
}

/* The final dot must be at the start of a line, or no server sees the end of the message. */
static void a_message_that_does_not_end_in_a_line_end(void **state)
{
	(void)state;
	static const struct {
		const char *message, *sent;
	} cases[] = {{"x", "x\r\n"}, {"x\r", "x\r\r\n"}, {"x\r\n\r", "x\r\n\r\r\n"},
	        {"\r", "\r\r\n"}, {"x\r\n.", "x\r\n.\r\n"}, {"x\ny", "x\r\ny\r\n"}, {"", ""}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		run(message(cases[i].message, strlen(cases[i].message), 1));
		assert_int_equal(seen.codes[0], 250);
		assert_int_equal(host.content_size, strlen(cases[i].sent));
		assert_memory_equal(host.content, cases[i].sent, host.content_size);
	}
}

/* RFC 6531: a client that always asks for it must not cause a bounce. */
static void smtputf8_is_asked_for_where_it_is_needed(void **state)
{
	(void)state;
	static const char *const messages[] = {
	        "Subject: a\r\nX: y\r\n\r\n\xc3\xa4\r\n", "\r\n\xc3\xa4\r\n", "", "x\r\n"};
	host.ehlo = "250-host\r\n250 8BITMIME\r\n";
	for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
		message(messages[i], strlen(messages[i]), 1);
		envelope.eight_bit = envelope.utf8 = true;
		run(&mail);
		assert_int_equal(seen.codes[0], 250);
		assert_string_equal(host.said, "EHLO me\nMAIL FROM:<al@example.org> BODY=8BITMIME\n"
		                               "RCPT TO:<bob@example.org>\nDATA\nQUIT\n");
	}
	host.ehlo = NULL;
}

static void parameters(void **state)
{
	(void)state;
	MESSAGE("x\r\n", 2);
	envelope.eight_bit = envelope.utf8 = envelope.headers_only = true;
	envelope.envid = WEIR_SPAN("a b+c");
	recipients[0].notify = WEIR_MAIL_NOTIFY_SUCCESS | WEIR_MAIL_NOTIFY_DELAY;
	recipients[0].orcpt = WEIR_SPAN("rfc822;a=b@c");
	recipients[1].notify = WEIR_MAIL_NOTIFY_NEVER;
	run(&mail);
	assert_string_equal(host.said,
	        "EHLO me\nMAIL FROM:<al@example.org> SIZE=3 BODY=8BITMIME SMTPUTF8 RET=HDRS "
	        "ENVID=a+20b+2Bc\nRCPT TO:<bob@example.org> NOTIFY=SUCCESS,DELAY "
	        "ORCPT=rfc822;a+3Db@c\nRCPT TO:<bob@example.org> NOTIFY=NEVER\nDATA\nQUIT\n");
	host.ehlo = "250-host\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n";
	run(&mail);
	assert_string_equal(host.said,
	        "EHLO me\nMAIL FROM:<al@example.org> BODY=8BITMIME SMTPUTF8\n"
	        "RCPT TO:<bob@example.org>\nRCPT TO:<bob@example.org>\nDATA\nQUIT\n");
	memset(recipients, 0, sizeof recipients);
}

/* -- AUTH -------------------------------------------------------------------------------------- */

static void authentication(void **state)
{
	static struct crypt_data data;
	static const char *const offers[] = {"250-host\r\n250 AUTH SCRAM-SHA-256\r\n",
	        "250-host\r\n250 AUTH LOGIN PLAIN\r\n", "250-host\r\n250 AUTH LOGIN\r\n"};
	struct weir_scram scram;
	char text[1024], verifier[WEIR_SCRAM_TEXT_MAX];
	(void)state;
	assert_int_equal(weir_scram_make(WEIR_SPAN("right"), &scram), 0);
	weir_scram_format(&scram, verifier);
	snprintf(text, sizeof text, "al:%s:scram=%s\n",
	        crypt_r("right", "$5$rounds=1000$salt$", &data), verifier);
	assert_int_equal(weir_users_parse(weir_span_of(text), NULL, NULL, &host.users), 0);
	struct weir_smtp_client_options mine = options();
	mine.user = "al";
	mine.password_in_clear = true;
	for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
		host.ehlo = offers[i];
		mine.password = "right";
		run_with(&mine, MESSAGE("x\r\n", 1));
		assert_int_equal(seen.codes[0], 250);
		mine.password = "wrong";
		run_with(&mine, MESSAGE("x\r\n", 1));
		assert_int_equal(seen.code, 535);
		assert_int_equal(seen.readies, 0);
	}
	host.ehlo = NULL;
	run_with(&mine, NULL);
	assert_int_equal(seen.error, -EOPNOTSUPP);
	host.ehlo = offers[1];
	mine.password_in_clear = false;
	run_with(&mine, NULL);
	assert_int_equal(seen.error, -EPERM);
	assert_string_equal(host.said, "EHLO me\n");
	weir_users_release(host.users);
	host.users = NULL;
	host.ehlo = NULL;
}

/* -- ends -------------------------------------------------------------------------------------- */

static void silence(void **state)
{
	(void)state;
	struct weir_smtp_client_options mine = options();
	host.greeting = "";
	assert_int_equal(start(&mine, NULL), 0);
	for (int i = 0; i < 20; i++)
		weir_loop_turn(loop, 1);
	clock_advance(WEIR_SMTP_CLIENT_REPLY_MS - 1000);
	for (int i = 0; i < 20; i++)
		weir_loop_turn(loop, 1);
	assert_int_equal(seen.closes, 0);
	clock_advance(2000);
	assert_true(TURN_UNTIL(loop, seen.closes));
	assert_int_equal(seen.error, -ETIMEDOUT);
	host.greeting = NULL;
	assert_true(TURN_UNTIL(loop, !host.open));
}

static void aborted_at_any_turn(void **state)
{
	(void)state;
	struct weir_smtp_client_options mine = options();
	for (int turns = 0; turns < 40; turns++) {
		assert_int_equal(start(&mine, MESSAGE("x\r\n", 3)), 0);
		for (int i = 0; i < turns && !seen.closes; i++)
			weir_loop_turn(loop, 0);
		unsigned told = seen.told[0];
		if (seen.closes)
			break;
		weir_smtp_client_abort(seen.client);
		assert_true(TURN_UNTIL(loop, !host.open));
		assert_int_equal(seen.closes, 0);
		assert_int_equal(seen.told[0], told);
	}
	weir_smtp_client_abort(NULL);
}

static void memory_may_fail_anywhere(void **state)
{
	(void)state;
	struct weir_smtp_client_options mine = options();
	bool failed = true;
	for (unsigned good = 0; failed; good++) {
		host.ehlo = "250 host\r\n";
		MESSAGE("A: b\r\n\r\nabcdefghijklm\xe4\r\n.x\r\n", 2);
		fail_allocation_after(good, false);
		int error = start(&mine, &mail);
		if (error == 0)
			TURN_UNTIL(loop, seen.closes);
		failed = stop_failing_allocations();
		if (error == 0) {
			assert_int_equal(seen.closes, 1);
			if (seen.readies)
				assert_int_equal(seen.told[0] + seen.told[1], 2);
		}
		assert_true(TURN_UNTIL(loop, !host.open));
	}
	assert_int_equal(seen.code, 221);
}

static int setup(void **state)
{
	(void)state;
	if (weir_loop_create(&loop) < 0)
		return -1;
	host_start(&host, loop);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	host_stop(&host);
	weir_loop_destroy(loop);
	return 0;
}

#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        CLIENT_TEST(one_message),
	        CLIENT_TEST(several_messages_over_one_connection),
	        CLIENT_TEST(each_recipient_has_a_result),
	        CLIENT_TEST(many_recipients),
	        CLIENT_TEST(refusals),
	        CLIENT_TEST(greetings),
	        CLIENT_TEST(what_the_server_cannot_take),
	        CLIENT_TEST(eight_bits_are_encoded_for_a_server_that_takes_seven),
	        CLIENT_TEST(a_message_that_does_not_end_in_a_line_end),
	        CLIENT_TEST(smtputf8_is_asked_for_where_it_is_needed),
	        CLIENT_TEST(parameters),
	        CLIENT_TEST(authentication),
	        CLIENT_TEST(silence),
	        CLIENT_TEST(aborted_at_any_turn),
	        CLIENT_TEST(memory_may_fail_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
