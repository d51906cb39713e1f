/* POP3 on the wire, byte by byte. */
#include "mailbox.h"

#include <errno.h>

#include <weir/peers.h>
#include <weir/sasl_guard.h>

#include "allocation.h"
#include "clock.h"
#include "make_options.h"

#define HEAD "From: a@example.org\r\nSubject: one\r\n\r\n"

/* -- logging in -------------------------------------------------------------------------------- */

static void user_and_pass(void **state)
{
	(void)state;
	mailbox_deliver_text("alice", HEAD "body\r\n");
	struct peer peer = mailbox_connect();
	SAY(&peer, "PASS right\r\n", "-ERR Send USER first\r\n");
	SAY(&peer, "STAT\r\n", "-ERR Log in first\r\n");
	SAY(&peer, "USER alice\r\n", "+OK Send PASS\r\n");
	SAY(&peer, "PASS right\r\n", "+OK Mailbox has 1 messages (43 octets)\r\n");
	assert_int_equal(logins, 1);
	assert_string_equal(last_user, "alice");
	assert_string_equal(last_event.mechanism, "PASS");
	SAY(&peer, "USER bob\r\n", "-ERR Already logged in\r\n");
	SAY(&peer, "QUIT\r\n", "+OK Goodbye\r\n");
	EXPECT_END(&peer);
	assert_int_equal(logouts, 1);
	assert_int_equal(last_event.error, 0);
}

static void verbs_in_any_case_and_lines_in_lf(void **state)
{
	(void)state;
	struct peer peer = mailbox_connect();
	SAY(&peer, "uSeR j d\n", "+OK Send PASS\r\n");
	SAY(&peer, "pass right\n", "+OK Mailbox has 0 messages (0 octets)\r\n");
	assert_string_equal(last_user, "j d");
	SAY(&peer, "stat\n", "+OK 0 0\r\n");
	SAY(&peer, "list\r\n", "+OK 0 messages (0 octets)\r\n.\r\n");
	SAY(&peer, "uidl\n", "+OK 0 messages (0 octets)\r\n.\r\n");
	peer_close(&peer);
}

static void wrong_passwords(void **state)
{
	(void)state;
	struct peer peer = mailbox_connect();
	SAY(&peer, "USER alice\r\nPASS wrong\r\n",
	        "+OK Send PASS\r\n-ERR [AUTH] Wrong name or password\r\n");
	assert_int_equal(denials, 1);
	assert_int_equal(last_event.error, -EACCES);
	SAY(&peer, "PASS right\r\n", "-ERR Send USER first\r\n");
	SAY(&peer, "USER nobody\r\nPASS right\r\n",
	        "+OK Send PASS\r\n-ERR [AUTH] Wrong name or password\r\n");
	SAY(&peer, "USER alice\r\nPASS right \r\n",
	        "+OK Send PASS\r\n-ERR [AUTH] Wrong name or password\r\n");
	EXPECT_END(&peer);
	assert_int_equal(denials, 3);
	assert_int_equal(logouts, 0);
}

static void apop_is_not_there(void **state)
{
	(void)state;
	struct peer peer = mailbox_connect();
	SAY(&peer, "APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n",
	        "-ERR APOP is not available\r\n");
	peer_close(&peer);
}

static void auth_plain(void **state)
{
	(void)state;
	struct peer peer = mailbox_connect();
	SAY(&peer, "AUTH\r\n", "+OK\r\nSCRAM-SHA-256\r\nPLAIN\r\nLOGIN\r\n.\r\n");
	SAY(&peer, "AUTH CRAM-MD5\r\n", "-ERR Unknown authentication mechanism\r\n");
	SAY(&peer, "AUTH PLAIN\r\n", "+ \r\n");
	SAY(&peer, "*\r\n", "-ERR Authentication cancelled\r\n");
	SAY(&peer, "AUTH PLAIN AGFsaWNlAHJpZ2h0\r\n", "+OK Mailbox has 0 messages (0 octets)\r\n");
	assert_string_equal(last_event.mechanism, "AUTH");
	assert_string_equal(last_user, "alice");
	peer_close(&peer);
	peer = mailbox_connect();
	SAY(&peer, "AUTH PLAIN\r\n", "+ \r\n");
	SAY(&peer, "AGFsaWNlAHdyb25n\r\n", "-ERR [AUTH] Wrong name or password\r\n");
	SAY(&peer, "AUTH PLAIN =\r\n", "-ERR Malformed response for this mechanism\r\n");
	SAY(&peer, "AUTH PLAIN !\r\n", "-ERR Malformed response for this mechanism\r\n");
	EXPECT_END(&peer);
}

static void long_lines_in_an_exchange(void **state)
{
	(void)state;
	static char line[WEIR_SASL_LINE_MAX + 10];
	struct peer peer = mailbox_connect();
	memset(line, 'A', sizeof line - 3);
	strcpy(line + sizeof line - 3, "\r\n");
	SAY(&peer, "AUTH PLAIN\r\n", "+ \r\n");
	SAY(&peer, line, "-ERR Line too long\r\n");
	SAY(&peer, "USER alice\r\nPASS right\r\n",
	        "+OK Send PASS\r\n+OK Mailbox has 0 messages (0 octets)\r\n");
	peer_close(&peer);
}

static void the_mailbox_is_in_use(void **state)
{
	(void)state;
	struct peer first = mailbox_login(), second = mailbox_connect();
	SAY(&second, "USER alice\r\nPASS right\r\n",
	        "+OK Send PASS\r\n-ERR [IN-USE] Another session has locked the mailbox\r\n");
	assert_int_equal(last_event.error, -EBUSY);
	SAY(&first, "QUIT\r\n", "+OK Goodbye\r\n");
	EXPECT_END(&first);
	SAY(&second, "USER alice\r\nPASS right\r\n",
	        "+OK Send PASS\r\n+OK Mailbox has 0 messages (0 octets)\r\n");
	peer_close(&second);
}

/* -- what is there ----------------------------------------------------------------------------- */

static void capabilities(void **state)
{
	(void)state;
	static const char all[] = "+OK Capability list follows\r\nTOP\r\nUIDL\r\nUSER\r\n"
	                          "SASL SCRAM-SHA-256 PLAIN LOGIN\r\nRESP-CODES\r\n"
	                          "AUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\nUTF8\r\nLANG\r\n"
	                          "IMPLEMENTATION Weir\r\n.\r\n";
	struct peer peer = mailbox_connect();
	SAY(&peer, "CAPA\r\n", all);
	SAY(&peer, "CAPA x\r\n", "-ERR Wrong number of arguments\r\n");
	peer_close(&peer);
	peer = mailbox_login();
	SAY(&peer, "CAPA\r\n", all);
	peer_close(&peer);
}

static void languages_and_utf8(void **state)
{
	(void)state;
	struct peer peer = mailbox_connect();
	SAY(&peer, "LANG\r\n",
	        "+OK Language list follows\r\nen English\r\ni-default English\r\n.\r\n");
	SAY(&peer, "LANG *\r\n", "+OK i-default English selected\r\n");
	SAY(&peer, "LANG EN\r\n", "+OK en English selected\r\n");
	SAY(&peer, "LANG uga\r\n", "-ERR Language not available\r\n");
	SAY(&peer, "UTF8\r\n", "+OK UTF-8 enabled\r\n");
	SAY(&peer, "STLS\r\n", "-ERR TLS is not available\r\n");
	peer_close(&peer);
}

/* -- messages ---------------------------------------------------------------------------------- */

/* The examples of RFC 1939 5 and 7. */
static void the_examples_of_the_rfc(void **state)
{
	(void)state;
	char first[121], second[201];
	memset(first, 'a', sizeof first), memset(second, 'b', sizeof second);
	memcpy(first, "A: b\r\n\r\n", 8), memcpy(second, "A: b\r\n\r\n", 8);
	strcpy(first + 118, "\r\n"), strcpy(second + 198, "\r\n");
	mailbox_deliver_text("alice", first);
	mailbox_deliver_text("alice", second);
	struct peer peer = mailbox_login();
	SAY(&peer, "STAT\r\n", "+OK 2 320\r\n");
	SAY(&peer, "LIST\r\n", "+OK 2 messages (320 octets)\r\n1 120\r\n2 200\r\n.\r\n");
	SAY(&peer, "LIST 2\r\n", "+OK 2 200\r\n");
	SAY(&peer, "LIST 3\r\n", "-ERR No such message, the mailbox has 2\r\n");
	SAY(&peer, "UIDL\r\n", "+OK 2 messages (320 octets)\r\n1 1\r\n2 2\r\n.\r\n");
	SAY(&peer, "UIDL 2\r\n", "+OK 2 2\r\n");
	SAY(&peer, "UIDL 3\r\n", "-ERR No such message, the mailbox has 2\r\n");
	peer_send(&peer, "RETR 1\r\n");
	EXPECT(&peer, "+OK 120 octets\r\n");
	EXPECT(&peer, first);
	EXPECT(&peer, ".\r\n");
	SAY(&peer, "DELE 1\r\n", "+OK Message 1 deleted\r\n");
	SAY(&peer, "DELE 1\r\n", "-ERR Message 1 is deleted\r\n");
	SAY(&peer, "RETR 1\r\n", "-ERR Message 1 is deleted\r\n");
	SAY(&peer, "LIST 1\r\n", "-ERR Message 1 is deleted\r\n");
	SAY(&peer, "STAT\r\n", "+OK 1 200\r\n");
	SAY(&peer, "LIST\r\n", "+OK 1 messages (200 octets)\r\n2 200\r\n.\r\n");
	SAY(&peer, "NOOP\r\n", "+OK\r\n");
	SAY(&peer, "RSET\r\n", "+OK 2 messages (320 octets)\r\n");
	SAY(&peer, "STAT\r\n", "+OK 2 320\r\n");
	SAY(&peer, "TOP 1 0\r\n", "+OK\r\nA: b\r\n\r\n.\r\n");
	SAY(&peer, "TOP 3 10\r\n", "-ERR No such message, the mailbox has 2\r\n");
	SAY(&peer, "TOP 1\r\n", "-ERR Wrong number of arguments\r\n");
	SAY(&peer, "TOP 1 x\r\n", "-ERR Invalid number of lines\r\n");
	SAY(&peer, "DELE 2\r\n", "+OK Message 2 deleted\r\n");
	SAY(&peer, "QUIT\r\n", "+OK Deleted messages removed. Goodbye\r\n");
	EXPECT_END(&peer);
	assert_int_equal(last_event.removed, 1);
	assert_int_equal(last_event.messages, 1);
	assert_int_equal(last_event.octets, 120);
	assert_int_equal(last_event.retrieved, 2);
	peer = mailbox_login();
	SAY(&peer, "UIDL\r\n", "+OK 1 messages (120 octets)\r\n1 1\r\n.\r\n");
	peer_close(&peer);
}

static void dots_are_doubled(void **state)
{
	(void)state;
	static const char nasty[] = ".\r\n..\r\n.a\r\n\n.b\r\n\r.\r\n\0\xff\r\n.";
	static const char sent[] =
	        "+OK 25 octets\r\n..\r\n...\r\n..a\r\n\n.b\r\n\r.\r\n\0\xff\r\n..\r\n.\r\n";
	mailbox_deliver("alice", nasty, sizeof nasty - 1);
	mailbox_deliver_text("alice", "");
	mailbox_deliver_text("alice", "no end");
	struct peer peer = mailbox_login();
	peer_send(&peer, "RETR 1\r\n");
	assert_true(peer_read(&peer, sizeof sent - 1));
	assert_int_equal(peer.got.size, sizeof sent - 1);
	assert_memory_equal(peer.got.data, sent, sizeof sent - 1);
	peer.got.size = 0;
	SAY(&peer, "RETR 2\r\n", "+OK 0 octets\r\n.\r\n");
	SAY(&peer, "RETR 3\r\n", "+OK 6 octets\r\nno end\r\n.\r\n");
	peer_close(&peer);
}

static void the_top_of_messages(void **state)
{
	(void)state;
	mailbox_deliver_text("alice", HEAD "1\r\n.2\r\n\r\n4\r\n");
	mailbox_deliver_text("alice", "Only: header\r\n");
	mailbox_deliver_text("alice", "\r\nonly\r\nbody");
	mailbox_deliver_text("alice", "");
	struct peer peer = mailbox_login();
	SAY(&peer, "TOP 1 0\r\n", "+OK\r\n" HEAD ".\r\n");
	SAY(&peer, "TOP 1 1\r\n", "+OK\r\n" HEAD "1\r\n.\r\n");
	SAY(&peer, "TOP 1 2\r\n", "+OK\r\n" HEAD "1\r\n..2\r\n.\r\n");
	SAY(&peer, "TOP 1 3\r\n", "+OK\r\n" HEAD "1\r\n..2\r\n\r\n.\r\n");
	SAY(&peer, "TOP 1 4\r\n", "+OK\r\n" HEAD "1\r\n..2\r\n\r\n4\r\n.\r\n");
	SAY(&peer, "TOP 1 18446744073709551615\r\n", "+OK\r\n" HEAD "1\r\n..2\r\n\r\n4\r\n.\r\n");
	SAY(&peer, "TOP 2 5\r\n", "+OK\r\nOnly: header\r\n.\r\n");
	SAY(&peer, "TOP 3 0\r\n", "+OK\r\n\r\n.\r\n");
	SAY(&peer, "TOP 3 1\r\n", "+OK\r\n\r\nonly\r\n.\r\n");
	SAY(&peer, "TOP 3 2\r\n", "+OK\r\n\r\nonly\r\nbody\r\n.\r\n");
	SAY(&peer, "TOP 4 2\r\n", "+OK\r\n.\r\n");
	peer_close(&peer);
}

/* A command is answered before the next one takes effect. */
static void pipelined(void **state)
{
	(void)state;
	mailbox_deliver_text("alice", "a: b\r\n\r\none\r\n");
	mailbox_deliver_text("alice", "a: b\r\n\r\ntwo\r\n");
	struct peer peer = mailbox_connect();
	SAY(&peer,
	        "CAPA x\r\nUSER alice\r\nPASS right\r\nLIST\r\nDELE 1\r\nLIST\r\nRETR 2\r\nDELE 2\r\n"
	        "UIDL\r\nQUIT\r\nSTAT\r\n",
	        "-ERR Wrong number of arguments\r\n+OK Send PASS\r\n"
	        "+OK Mailbox has 2 messages (26 octets)\r\n"
	        "+OK 2 messages (26 octets)\r\n1 13\r\n2 13\r\n.\r\n"
	        "+OK Message 1 deleted\r\n"
	        "+OK 1 messages (13 octets)\r\n2 13\r\n.\r\n"
	        "+OK 13 octets\r\na: b\r\n\r\ntwo\r\n.\r\n"
	        "+OK Message 2 deleted\r\n"
	        "+OK 0 messages (0 octets)\r\n.\r\n"
	        "+OK Deleted messages removed. Goodbye\r\n");
	EXPECT_END(&peer);
	peer = mailbox_login();
	SAY(&peer, "STAT\r\n", "+OK 0 0\r\n");
	peer_close(&peer);
}

/* A session in pieces of one byte. */
static void byte_by_byte(void **state)
{
	(void)state;
	static const char said[] =
	        "USER alice\r\nPASS right\r\nSTAT\r\nTOP 1 0\r\nDELE 1\r\nQUIT\r\n";
	mailbox_deliver_text("alice", "a: b\r\n\r\none\r\n");
	struct peer peer = mailbox_connect();
	for (const char *at = said; *at; at++) {
		peer_send_bytes(&peer, at, 1);
		peer_turn(&peer, 2);
	}
	EXPECT(&peer, "+OK Send PASS\r\n+OK Mailbox has 1 messages (13 octets)\r\n"
	              "+OK 1 13\r\n+OK\r\na: b\r\n\r\n.\r\n+OK Message 1 deleted\r\n"
	              "+OK Deleted messages removed. Goodbye\r\n");
	EXPECT_END(&peer);
}

static void a_large_listing(void **state)
{
	(void)state;
	enum {
		MANY = 3000
	};
	char line[64];
	size_t size = 0;
	for (int i = 0; i < MANY; i++)
		mailbox_deliver_text("alice", "x\r\n");
	struct peer peer = mailbox_login();
	char *wanted = calloc(MANY, 32);
	size += (size_t)sprintf(wanted, "+OK %d messages (%d octets)\r\n", MANY, 3 * MANY);
	for (int i = 1; i <= MANY; i++)
		size += (size_t)sprintf(wanted + size, "%d %d\r\n", i, i);
	strcpy(wanted + size, ".\r\n");
	SAY(&peer, "UIDL\r\n", wanted);
	free(wanted);
	for (int i = 1; i <= MANY; i += 2) {
		char said[64];
		sprintf(line, "DELE %d\r\n", i);
		sprintf(said, "+OK Message %d deleted\r\n", i);
		SAY(&peer, line, said);
	}
	SAY(&peer, "\r\n", "-ERR Malformed command\r\n");
	SAY(&peer, "STAT\r\n", "+OK 1500 4500\r\n");
	peer_close(&peer);
}

/* -- what goes wrong --------------------------------------------------------------------------- */

static void malformed_commands(void **state)
{
	(void)state;
	static char line[5000];
	struct peer peer = mailbox_login();
	SAY(&peer, "\r\n", "-ERR Malformed command\r\n");
	SAY(&peer, " STAT\r\n", "-ERR Malformed command\r\n");
	SAY(&peer, "ST\rAT\r\n", "-ERR Malformed command\r\n");
	SAY(&peer, "XTND XMIT\r\n", "-ERR Unknown command\r\n");
	SAY(&peer, "RETR\r\n", "-ERR Wrong number of arguments\r\n");
	SAY(&peer, "RETR 1 2\r\n", "-ERR Wrong number of arguments\r\n");
	SAY(&peer, "RETR 0\r\n", "-ERR No such message, the mailbox has 0\r\n");
	SAY(&peer, "RETR -1\r\n", "-ERR No such message, the mailbox has 0\r\n");
	SAY(&peer, "RETR 99999999999999999999999\r\n",
	        "-ERR No such message, the mailbox has 0\r\n");
	memset(line, 'x', sizeof line - 3);
	strcpy(line + sizeof line - 3, "\r\n");
	SAY(&peer, line, "-ERR Line too long\r\n");
	SAY(&peer, "NOOP\r\n", "+OK\r\n");
	peer_close(&peer);
}

static void who_speaks_something_else(void **state)
{
	(void)state;
	struct peer peer = mailbox_connect();
	for (int i = 0; i < WEIR_POP3_MISTAKES_MAX; i++)
		SAY(&peer, "GET / HTTP/1.1\r\n", "-ERR Unknown command\r\n");
	EXPECT_END(&peer);
}

static void disconnected_in_every_state(void **state)
{
	(void)state;
	static const char *const said[] = {"", "US", "USER alice\r\n",
	        "USER alice\r\nPASS right\r\n", "AUTH PLAIN\r\n", "AUTH PLAIN AGFsaWNlAHJpZ2h0\r\n",
	        "USER alice\r\nPASS right\r\nLIST\r\nRETR 1\r\nDELE 1\r\nTOP 2 1\r\n",
	        "USER alice\r\nPASS right\r\nDELE 1\r\n", NULL};
	mailbox_deliver_text("alice", "a: b\r\n\r\none\r\n");
	mailbox_deliver_text("alice", "a: b\r\n\r\ntwo\r\n");
	for (const char *const *text = said; *text; text++) {
		for (int turns = 0; turns < 12; turns++) {
			struct peer peer = mailbox_connect();
			peer_send(&peer, *text);
			peer_turn(&peer, turns);
			if (turns % 2)
				peer_reset(&peer);
			else
				peer_close(&peer);
			assert_true(TURN_UNTIL(
			        loop, !weir_server_channels(weir_pop3_listener(server))));
		}
	}
	/* Work of a session that has ended is completed, and its lock released. */
	for (int i = 0; i < 20; i++)
		weir_loop_turn(loop, 5);
	struct peer peer = mailbox_login();
	SAY(&peer, "STAT\r\n", "+OK 2 26\r\n");
	peer_close(&peer);
}

/* A client that never reads, and then disconnects: the messages that it has deleted stay. */
static void quit_behind_what_was_never_read(void **state)
{
	(void)state;
	static char large[4000000];
	memset(large, 'x', sizeof large);
	mailbox_deliver("alice", large, sizeof large);
	mailbox_deliver("alice", large, sizeof large);
	struct peer peer = mailbox_login();
	peer_send(&peer, "RETR 1\r\nDELE 1\r\nRETR 2\r\nDELE 2\r\nQUIT\r\n");
	peer_turn(&peer, 50);
	peer_reset(&peer);
	assert_true(TURN_UNTIL(loop, !weir_server_channels(weir_pop3_listener(server))));
	assert_int_equal(last_event.removed, 0);
	peer = mailbox_login();
	SAY(&peer, "STAT\r\n", "+OK 2 8000000\r\n");
	peer_close(&peer);
}

static void timeouts(void **state)
{
	(void)state;
	mailbox_deliver_text("alice", "a: b\r\n\r\none\r\n");
	struct peer late = mailbox_connect(), idle = mailbox_login();
	SAY(&idle, "DELE 1\r\n", "+OK Message 1 deleted\r\n");
	clock_advance(WEIR_POP3_LOGIN_MS + 1000);
	EXPECT(&late, "-ERR [SYS/TEMP] Login timeout\r\n");
	EXPECT_END(&late);
	SAY(&idle, "STAT\r\n", "+OK 0 0\r\n");
	clock_advance(WEIR_POP3_IDLE_MS + 1000);
	EXPECT(&idle, "-ERR [SYS/TEMP] Idle timeout\r\n");
	EXPECT_END(&idle);
	struct peer peer = mailbox_login();
	SAY(&peer, "STAT\r\n", "+OK 1 13\r\n");
	peer_close(&peer);
}

static void sessions_are_small(void **state)
{
	(void)state;
	enum {
		MANY = 200
	};
	struct peer peers[MANY], first = mailbox_connect();
	size_t before = memory_in_use();
	for (int i = 0; i < MANY; i++)
		peers[i] = mailbox_connect();
	for (int i = 0; i < MANY; i++)
		weir_buffer_finish(&peers[i].got);
	size_t each = (memory_in_use() - before) / MANY;
	print_message("a session that is not logged in: %zu bytes, channel and all\n", each);
	assert_true(each <= 512 + 512);
	for (int i = 0; i < MANY; i++)
		peer_close(&peers[i]);
	peer_close(&first);
}

static void without_memory(void **state)
{
	(void)state;
	bool failed = true;
	mailbox_deliver_text("alice", "a: b\r\n\r\n.one\r\n");
	for (unsigned good = 0; failed; good++) {
		const struct weir_address *address =
		        weir_server_address(weir_pop3_listener(server));
		struct peer peer = peer_connect(loop, address, 0);
		weir_buffer_reserve(&peer.got, 4096, SIZE_MAX);
		peer_send(&peer, "CAPA\r\nUSER alice\r\nPASS right\r\nLIST\r\nUIDL 1\r\nRETR 1\r\n"
		                 "TOP 1 1\r\nDELE 1\r\nRSET\r\n");
		peer_finish(&peer);
		fail_allocation_after(good, false);
		TURN_UNTIL(loop, peer_read_end(&peer));
		failed = stop_failing_allocations();
		peer_close(&peer);
		assert_true(TURN_UNTIL(loop, !weir_server_channels(weir_pop3_listener(server))));
		if (good > 2000)
			fail();
	}
	struct peer peer = mailbox_login();
	SAY(&peer, "STAT\r\n", "+OK 1 14\r\n");
	peer_close(&peer);
}

static void a_reload(void **state)
{
	(void)state;
	struct weir_mail_store *other;
	struct weir_users *none;
	struct peer before = mailbox_login();
	assert_int_equal(weir_mail_memory_create(NULL, &other), 0);
	assert_int_equal(weir_users_parse(WEIR_SPAN(""), NULL, NULL, &none), 0);
	weir_pop3_set_store(server, other);
	struct peer after = mailbox_login();
	SAY(&after, "QUIT\r\n", "+OK Goodbye\r\n");
	EXPECT_END(&after);
	weir_mail_store_destroy(store);
	store = other;
	weir_pop3_set_users(server, none);
	weir_users_release(none);
	after = mailbox_connect();
	SAY(&after, "USER alice\r\nPASS right\r\n",
	        "+OK Send PASS\r\n-ERR [AUTH] Wrong name or password\r\n");
	SAY(&before, "STAT\r\n", "+OK 0 0\r\n");
	weir_pop3_set_users(server, NULL);
	SAY(&after, "USER alice\r\nPASS right\r\n",
	        "+OK Send PASS\r\n-ERR [AUTH] Wrong name or password\r\n");
	peer_close(&after);
	peer_close(&before);
}

static void connections_of_an_address(void **state)
{
	(void)state;
	struct weir_peers *peers;
	assert_int_equal(weir_peers_create(2, 0, &peers), 0);
	mailbox_serve(OPTIONS(weir_pop3_options, o.listener.peers = peers));
	const struct weir_address *address = weir_server_address(weir_pop3_listener(server));
	struct peer first = mailbox_connect(), second = mailbox_connect();
	struct peer third = peer_connect(loop, address, 0);
	EXPECT(&third, "-ERR [SYS/TEMP] Too many connections from your address\r\n");
	EXPECT_END(&third);
	SAY(&first, "QUIT\r\n", "+OK Goodbye\r\n");
	EXPECT_END(&first);
	first = mailbox_connect();
	peer_close(&first);
	peer_close(&second);
	assert_true(TURN_UNTIL(loop, !weir_server_channels(weir_pop3_listener(server))));
	assert_int_equal(weir_peers_count(peers), 0);
	weir_peers_release(peers);
}

/* The guard delays the answers to wrong passwords, on all connections of an address. */
static void guessing_takes_time(void **state)
{
	(void)state;
	struct weir_guard *guard;
	assert_int_equal(weir_guard_create(NULL, &guard), 0);
	mailbox_serve(OPTIONS(weir_pop3_options, o.guard = guard));
	struct peer peer = mailbox_connect(), gone = mailbox_connect();
	SAY(&peer, "USER alice\r\n", "+OK Send PASS\r\n");
	peer_send(&peer, "PASS wrong\r\nCAPA x\r\n");
	peer_send(&gone, "USER alice\r\nPASS wrong\r\n");
	peer_turn(&peer, 100);
	for (int i = 0; i < 50; i++)
		weir_loop_turn(loop, 2);
	assert_int_equal(denials, 0);
	peer_reset(&gone);
	peer_turn(&peer, 10);
	clock_advance(60000);
	EXPECT(&peer, "-ERR [AUTH] Wrong name or password\r\n-ERR Wrong number of arguments\r\n");
	assert_int_equal(denials, 1);
	peer_close(&peer);
	assert_true(TURN_UNTIL(loop, !weir_server_channels(weir_pop3_listener(server))));
	weir_pop3_destroy(server);
	server = NULL;
	weir_guard_destroy(guard);
}

static void options_that_cannot_be(void **state)
{
	(void)state;
	struct weir_pop3_server *none;
	struct weir_pop3_options options =
	        OPTIONS(weir_pop3_options, o.listener.address = local_address());
	assert_int_equal(weir_pop3_create(loop, &options, &none), -EINVAL);
	options.store = store;
	for (unsigned good = 0; good < 2; good++) {
		fail_allocation_after(good, false);
		assert_int_equal(weir_pop3_create(loop, &options, &none), -ENOMEM);
		stop_failing_allocations();
	}
	weir_pop3_destroy(NULL);
}

#define POP3_TEST(name) cmocka_unit_test_setup_teardown(name, mailbox_setup, mailbox_teardown)

/* Runs the test over mailboxes in memory and over a Maildir. */
#define POP3_BOTH(name)                                                                            \
	POP3_TEST(name),                                                                           \
	        cmocka_unit_test_setup_teardown(name, mailbox_setup_on_disk, mailbox_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        POP3_BOTH(user_and_pass),
	        POP3_TEST(verbs_in_any_case_and_lines_in_lf),
	        POP3_TEST(wrong_passwords),
	        POP3_TEST(apop_is_not_there),
	        POP3_BOTH(auth_plain),
	        POP3_TEST(long_lines_in_an_exchange),
	        POP3_BOTH(the_mailbox_is_in_use),
	        POP3_TEST(capabilities),
	        POP3_TEST(languages_and_utf8),
	        POP3_TEST(the_examples_of_the_rfc),
	        POP3_BOTH(dots_are_doubled),
	        POP3_BOTH(the_top_of_messages),
	        POP3_BOTH(pipelined),
	        POP3_BOTH(byte_by_byte),
	        POP3_TEST(a_large_listing),
	        POP3_TEST(malformed_commands),
	        POP3_TEST(who_speaks_something_else),
	        POP3_BOTH(disconnected_in_every_state),
	        POP3_BOTH(quit_behind_what_was_never_read),
	        POP3_BOTH(timeouts),
	        POP3_TEST(sessions_are_small),
	        POP3_BOTH(without_memory),
	        POP3_TEST(a_reload),
	        POP3_TEST(connections_of_an_address),
	        POP3_TEST(guessing_takes_time),
	        POP3_TEST(options_that_cannot_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
