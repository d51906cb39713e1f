/* Submission: AUTH and its refusals, sender addresses, added fields; STARTTLS. */
#include <weir/base64.h>
#include <weir/sasl.h>
#include <weir/tls.h>

#include "certificate.h"
#include "secret.h"
#include "talk.h"

#define RCPT(address) "C: RCPT TO:<" address ">\nS: 250\n"

static void start(void)
{
	struct weir_smtp_options options = talk_options();
	options.personality = WEIR_SMTP_SUBMISSION;
	talk_start(&options);
}

static void nothing_without_auth(void **state)
{
	(void)state;
	start();
	talk_in_all_paces(HELLO "C: MAIL FROM:<alice@example.org>\nS: 530 5.7.0\n"
	                        "C: RCPT TO:<alice@example.org>\nS: 503 5.5.1\n" LOGIN
	                        "C: MAIL FROM:<alice@example.org>\nS: 250\n" RCPT(
	                                "dan@elsewhere.example") "C: QUIT\nS: 221\nS.\n");
	assert_int_equal(talk.events[WEIR_SMTP_LOGIN], 3);
}

static void mechanisms(void **state)
{
	(void)state;
	start();
	talk_in_all_paces(HELLO "C: AUTH PLAIN\nS: 334 \nC: AGFsaWNlAHNlY3JldA==\nS: 235 2.7.0\n"
	                        "C: AUTH PLAIN AGFsaWNlAHNlY3JldA==\nS: 503 5.5.1\n"
	                        "C: QUIT\nS: 221\nS.\n");
	talk_in_all_paces(HELLO "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YWxpY2U=\n"
	                        "S: 334 UGFzc3dvcmQ6\nC: c2VjcmV0\nS: 235 2.7.0\n"
	                        "C: QUIT\nS: 221\nS.\n");
	talk_in_all_paces(HELLO "C: AUTH\nS: 501 5.5.4\nC: AUTH X\nS: 504 5.5.4\n"
	                        "C: AUTH PLAIN ====\nS: 501 5.5.2\n"
	                        "C: AUTH PLAIN AGFs!\nS: 501 5.5.2\n"
	                        "C: AUTH PLAIN\nS: 334 \nC: *\nS: 501 5.7.0\n"
	                        "C: AUTH LOGIN\nS: 334\nC: \nS: 334\nC: *\nS: 501 5.7.0\n"
	                        "C: NOOP\nS: 250\nC: QUIT\nS: 221\nS.\n");
	/* It is refused within a transaction (RFC 4954 4). */
	struct weir_smtp_options options = talk_options();
	weir_smtp_destroy(talk.server);
	talk_start(&options);
	talk_in_all_paces(HELLO "C: MAIL FROM:<a@b>\nS: 250\nC: AUTH PLAIN x\nS: 503 5.5.1\n"
	                        "C: QUIT\nS: 221\nS.\n");
}

static void wrong_passwords(void **state)
{
	(void)state;
	start();
	talk_script(TALK_LINES, HELLO "C: AUTH PLAIN AGFsaWNlAHdyb25n\nS: 535 5.7.8\n"
	                              "C: AUTH PLAIN AGJvYgB3cm9uZw==\nS: 535 5.7.8\n"
	                              "C: AUTH PLAIN AG5vYm9keQB4\nS: 535 5.7.8\n"
	                              "C: AUTH PLAIN AGFsaWNlAHdyb25n\nS: 535 5.7.8\n"
	                              "C: AUTH PLAIN AGFsaWNlAHdyb25n\nS: 535 5.7.8\n"
	                              "S: 421 4.7.0\nS.\n");
	assert_int_equal(talk.events[WEIR_SMTP_DENIED], 5);
}

/* The client disconnects while the password is being checked. */
static void gone_during_a_check(void **state)
{
	(void)state;
	start();
	struct peer peer = talk_connect();
	talk_on(&peer, TALK_LINES, HELLO "C: AUTH PLAIN AGFsaWNlAHdyb25n\n");
	peer_turn(&peer, 3);
	peer_reset(&peer);
	talk_settle();
	peer = talk_connect();
	talk_on(&peer, TALK_LINES,
	        HELLO "C: AUTH PLAIN AGFsaWNlAHNlY3JldA==\nC: NOOP\n"
	              "S: 235\nS: 250\n");
	peer_close(&peer);
}

static void whose_address_it_is(void **state)
{
	(void)state;
	start();
	talk_in_all_paces(
	        HELLO LOGIN "C: MAIL FROM:<bob@example.org>\nS: 553 5.7.1\n"
	                    "C: MAIL FROM:<alice@elsewhere.example>\nS: 553 5.7.1\n"
	                    "C: MAIL FROM:<out@example.org>\nS: 553 5.7.1\n"
	                    "C: MAIL FROM:<alice@example.net>\nS: 250\nC: RSET\nS: 250\n"
	                    "C: MAIL FROM:<Alice+x@example.org>\nS: 250\nC: RSET\nS: 250\n"
	                    "C: MAIL FROM:<me@example.org>\nS: 250\nC: RSET\nS: 250\n"
	                    "C: MAIL FROM:<sales@example.org>\nS: 250\nC: RSET\nS: 250\n"
	                    "C: MAIL FROM:<>\nS: 250\n"
	                    "C: QUIT\nS: 221\nS.\n");
}

/* Missing fields are added at the end of every kind of header. */
static void fields_are_added(void **state)
{
	(void)state;
	static const struct {
		const char *text, *before, *after;
		bool date, id;
	} cases[] = {
	        {"C: Subject: x\nC: \nC: Date: body\n", "Subject: x\r\n", "\r\nDate: body\r\n",
	                true, true},
	        {"C: DATE: x\nC: \nC: b\n", "DATE: x\r\n", "\r\nb\r\n", false, true},
	        {"C: A: x\nC:  Date: folded\nC: message-id: y\nC: \n",
	                "A: x\r\n Date: folded\r\nmessage-id: y\r\n", "\r\n", true, false},
	        {"C: Date: x\nC: Message-ID: y\nC: \nC: b\n", "Date: x\r\nMessage-ID: y\r\n",
	                "\r\nb\r\n", false, false},
	        {"C: \nC: b\n", "", "\r\nb\r\n", true, true},
	        {"C: A: b\n", "A: b\r\n", "", true, true},
	        {"", "", "", true, true},
	        {"C: Dates: x\nC: Date-: y\nC: \n", "Dates: x\r\nDate-: y\r\n", "\r\n", true, true},
	};
	start();
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (enum talk_pace pace = TALK_LINES; pace <= TALK_AT_ONCE; pace++) {
			char script[2000];
			snprintf(script, sizeof script, "%s%s%s",
			        HELLO LOGIN "C: MAIL FROM:<alice@example.org>\nS: 250\n" RCPT(
			                "bob@example.org") "C: DATA\nS: 354\n",
			        cases[i].text, "C: .\nS: 250\n");
			talk_script(pace, script);
			const char *text = talk_message(&talk.local);
			size_t before = strlen(cases[i].before), after = strlen(cases[i].after);
			assert_memory_equal(text, cases[i].before, before);
			assert_string_equal(text + strlen(text) - after, cases[i].after);
			const char *date = strstr(text + before, "Date: ");
			const char *id = strstr(text + before, "Message-ID: <");
			assert_int_equal(date && strstr(date, " +0000\r\n"), cases[i].date);
			assert_int_equal(id && strstr(id, "@mx.example.org>\r\n"), cases[i].id);
		}
	}
	assert_non_null(strstr(fake_sink_bytes(&talk.local), " with ESMTPA id "));
}

/* The header also comes in chunks cut at every byte. */
static void bcc_is_removed(void **state)
{
	(void)state;
	start();
	talk_in_all_paces(HELLO LOGIN
	        "C: MAIL FROM:<alice@example.org>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250\n"
	        "C: DATA\nS: 354\nC: Date: x\nC: BCC: <secret@x>,\nC: \t<other@x>\nC: Message-ID: y\n"
	        "C: bcc: z\nC: \nC: Bcc: body\nC: .\nS: 250\nC: QUIT\nS: 221\n");
	assert_string_equal(
	        talk_message(&talk.local), "Date: x\r\nMessage-ID: y\r\n\r\nBcc: body\r\n");
}

static void fields_are_added_to_chunks(void **state)
{
	(void)state;
	static const char text[] = "Subject: x\r\n\r\nbody\r\n";
	start();
	for (size_t cut = 0; cut < sizeof text; cut++) {
		struct peer peer = talk_connect();
		char chunk[200];
		size_t rest = sizeof text - 1 - cut;
		talk_on(&peer, TALK_LINES,
		        HELLO LOGIN
		        "C: MAIL FROM:<alice@example.org>\nS: 250\n" RCPT("bob@example.org"));
		int size = snprintf(chunk, sizeof chunk, "BDAT %zu\r\n%.*sBDAT %zu LAST\r\n%s", cut,
		        (int)cut, text, rest, text + cut);
		peer_send_bytes(&peer, chunk, (size_t)size);
		talk_on(&peer, TALK_LINES, "S: 250\nS: 250 2.0.0 Accepted\n");
		peer_close(&peer);
		const char *got = talk_message(&talk.local);
		assert_memory_equal(got, "Subject: x\r\nDate: ", 18);
		assert_string_equal(strstr(got, "org>\r\n"), "org>\r\n\r\nbody\r\n");
	}
}

static void not_in_clear(void **state)
{
	(void)state;
	struct weir_smtp_options options = talk_options();
	options.auth_in_clear = false;
	talk_start(&options);
	talk_in_all_paces(HELLO_WITH("") "C: AUTH PLAIN AGFsaWNlAHNlY3JldA==\nS: 538 5.7.11\n"
	                                 "C: QUIT\nS: 221\nS.\n");
	weir_smtp_destroy(talk.server);
	options.users = NULL;
	talk_start(&options);
	talk_in_all_paces(HELLO_WITH("") "C: AUTH PLAIN AGFsaWNlAHNlY3JldA==\nS: 502 5.5.1\n"
	                                 "C: QUIT\nS: 221\nS.\n");
}

/* -- TLS --------------------------------------------------------------------------------------- */

static struct weir_tls *make_tls(void)
{
	struct certificate_files files =
	        certificate_make("mx.example.org", "DNS:mx.example.org", 10);
	struct weir_tls_certificate certificate = {.chain = files.chain, .key = files.key};
	struct weir_tls *tls;
	assert_int_equal(
	        weir_tls_server_create(
	                &(struct weir_tls_options){.certificates = &certificate, .count = 1}, NULL,
	                NULL, &tls),
	        0);
	return tls;
}

static void say(struct secret *secret, const char *text, const char *answer)
{
	assert_true(secret_send(secret, text, strlen(text)));
	assert_true(secret_got(secret, answer));
}

static void start_tls(void **state)
{
	(void)state;
	struct weir_smtp_options options = talk_options();
	SSL_CTX *context = secret_context();
	options.auth_in_clear = false;
	options.listener.tls = make_tls();
	talk_start(&options);
	struct peer peer = talk_connect();
	talk_on(&peer, TALK_LINES,
	        HELLO_WITH(
	                "S: 250-STARTTLS\n") "C: STARTTLS x\nS: 501 5.5.4\n"
	                                     "C: MAIL FROM:<a@b>\nS: 250\nC: STARTTLS\nS: 220 2.0.0\n");
	struct secret secret = secret_begin(&peer, context, "mx.example.org", NULL);
	assert_true(secret_handshake(&secret));
	/* No state of the plain text session is left. */
	say(&secret, "RSET\r\n", "250 2.0.0 Reset\r\n");
	say(&secret, "MAIL FROM:<a@b>\r\n", "503 5.5.1 Send EHLO first\r\n");
	say(&secret, "EHLO a\r\n",
	        "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 33554432\r\n250-8BITMIME\r\n"
	        "250-BINARYMIME\r\n250-CHUNKING\r\n250-SMTPUTF8\r\n250-DSN\r\n250-AUTH PLAIN LOGIN\r\n"
	        "250-LIMITS MAILMAX=1000 RCPTMAX=1000\r\n250-VRFY\r\n250-HELP\r\n"
	        "250 ENHANCEDSTATUSCODES\r\n");
	say(&secret, "STARTTLS\r\n", "503 5.5.1 TLS is already active\r\n");
	say(&secret, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "235 2.7.0 Authenticated\r\n");
	say(&secret, "MAIL FROM:<me@example.org>\r\n", "250 2.1.0 Sender accepted\r\n");
	say(&secret, "RCPT TO:<bob@example.org>\r\nDATA\r\n",
	        "250 2.1.5 Recipient accepted\r\n354 End the message with <CRLF>.<CRLF>\r\n");
	assert_true(secret_send(&secret, "x\r\n.\r\n", 6));
	assert_true(TURN_UNTIL(talk.loop, talk.local.committed == 1));
	assert_non_null(strstr(fake_sink_bytes(&talk.local), "\r\n\t(TLSv1.3 TLS_"));
	assert_non_null(strstr(fake_sink_bytes(&talk.local), " with ESMTPSA id "));
	secret_end(&secret);
	peer_close(&peer);
	/* Plain text behind STARTTLS is not taken for a command of the TLS session. */
	peer = talk_connect();
	talk_on(&peer, TALK_AT_ONCE,
	        HELLO_WITH(
	                "S: 250-STARTTLS\n") "C: STARTTLS\nC: MAIL FROM:<evil@b>\nS: 220 2.0.0\n");
	secret = secret_begin(&peer, context, NULL, NULL);
	assert_true(secret_handshake(&secret));
	assert_true(secret_got(&secret, "554 5.5.0 Wait for TLS\r\n"));
	assert_true(secret_read_end(&secret));
	secret_end(&secret);
	peer_close(&peer);
	SSL_CTX_free(context);
	weir_tls_release(options.listener.tls);
	certificates_remove();
}

static void implicit_tls(void **state)
{
	(void)state;
	struct weir_smtp_options options = talk_options();
	SSL_CTX *context = secret_context();
	options.listener.tls = make_tls();
	options.listener.tls_upgrade = false;
	talk_start(&options);
	weir_server_set_tls(weir_smtp_listener(talk.server), options.listener.tls);
	struct peer peer = talk_connect();
	struct secret secret = secret_begin(&peer, context, "mx.example.org", NULL);
	assert_true(secret_handshake(&secret));
	assert_true(secret_got(&secret, "220 mx.example.org ESMTP\r\n"));
	say(&secret, "NOOP\r\n", "250 2.0.0 OK\r\n");
	say(&secret, "QUIT\r\n", "221 2.0.0 Goodbye\r\n");
	assert_true(secret_read_end(&secret));
	secret_end(&secret);
	peer_close(&peer);
	SSL_CTX_free(context);
	weir_tls_release(options.listener.tls);
	certificates_remove();
}

/* -- reload ------------------------------------------------------------------------------------ */

static void what_is_swapped(void **state)
{
	(void)state;
	talk_start_plain();
	struct peer peer = talk_connect();
	talk_on(&peer, TALK_LINES, HELLO "C: MAIL FROM:<a@b>\nS: 250\n" RCPT("alice@example.org"));
	weir_smtp_set_routes(talk.server, NULL);
	weir_smtp_set_users(talk.server, NULL);
	talk_on(&peer, TALK_LINES, "C: RCPT TO:<bob@example.org>\nS: 550 5.7.1\n");
	weir_smtp_set_routes(talk.server, talk.routes);
	weir_smtp_set_users(talk.server, talk.users);
	talk_on(&peer, TALK_LINES, RCPT("bob@example.org") "C: DATA\nS: 354\nC: .\nS: 250\n");
	peer_close(&peer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, talk_set_up, talk_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(nothing_without_auth),
	        TEST(mechanisms),
	        TEST(wrong_passwords),
	        TEST(gone_during_a_check),
	        TEST(whose_address_it_is),
	        TEST(fields_are_added),
	        TEST(bcc_is_removed),
	        TEST(fields_are_added_to_chunks),
	        TEST(not_in_clear),
	        TEST(start_tls),
	        TEST(implicit_tls),
	        TEST(what_is_swapped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
