/* Replies of servers, valid and malformed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>

#include "smtp_client_state.h"

/* Returns the code or an error; 0: the reply is not complete. */
static int feed(struct smtp_reply *reply, const char *lines)
{
	struct weir_span rest = weir_span_of(lines), line;
	*reply = (struct smtp_reply){0};
	int done = 0;
	while (done == 0 && rest.size) {
		weir_span_cut(&rest, '\n', &line);
		done = smtp_reply_line(reply, line);
	}
	return done < 0 ? done : done ? (int)reply->code : 0;
}

static void replies(void **state)
{
	static const struct {
		const char *lines;
		int code;
		const char *text;
	} cases[] = {
	        {"250 OK", 250, "250 OK"},
	        {"250", 250, "250"},
	        {"250 ", 250, "250"},
	        {"250-a\n250-b\n250 c", 250, "250 a b c"},
	        {"550-5.1.1 Who?\n550 5.1.1 Never heard", 550, "550 5.1.1 Who? Never heard"},
	        {"550-5.1.1 Who?\n550 5.1.2 Never heard", 550, "550 5.1.1 Who? 5.1.2 Never heard"},
	        {"550-1.2\n550 1.2", 550, "550 1.2 1.2"},
	        {"250-a\n250-\n250", 250, "250 a"},
	        {"451 a\tb\x01\x7f", 451, "451 a?b??"},
	        {"250-a", 0, ""},
	        {"", 0, ""},
	        {"25", -EPROTO, ""},
	        {"2500 x", -EPROTO, ""},
	        {"25x OK", -EPROTO, ""},
	        {"199 x", -EPROTO, ""},
	        {"600 x", -EPROTO, ""},
	        {"250:x", -EPROTO, ""},
	        {"250-a\n251 b", -EPROTO, ""},
	        {"250-a\n\n250 b", -EPROTO, ""},
	        {" 250 a", -EPROTO, ""},
	        {"HTTP/1.1 200 OK", -EPROTO, ""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct smtp_reply reply;
		int code = feed(&reply, cases[i].lines);
		if (code != cases[i].code)
			fail_msg("'%s': %d", cases[i].lines, code);
		if (code > 0)
			assert_string_equal(reply.text, cases[i].text);
	}
}

static void bounds(void **state)
{
	struct smtp_reply reply = {0};
	char line[2000] = "250-";
	(void)state;
	memset(line + 4, 'x', sizeof line - 5);
	line[sizeof line - 1] = 0;
	for (int i = 0; i < WEIR_SMTP_REPLY_LINES_MAX; i++)
		assert_int_equal(smtp_reply_line(&reply, weir_span_of(line)), 0);
	assert_int_equal(strlen(reply.text), WEIR_SMTP_REPLY_MAX);
	assert_int_equal(smtp_reply_line(&reply, weir_span_of("250 x")), -EPROTO);
}

static void offers(void **state)
{
	static const char *const lines[] = {"pipelining", "SIZE 1000", "8BITMIME", "SMTPUTF8",
	        "DSN x", "STARTTLS", "AUTH PLAIN LOGIN", "AUTH=LOGIN", "auth SCRAM-SHA-256", ""};
	struct smtp_offers found = {0};
	char large[300];
	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		smtp_offer(&found, weir_span_of(lines[i]));
	assert_true(found.pipelining && found.eight_bit && found.utf8 && found.dsn);
	assert_true(found.starttls && found.size);
	assert_int_equal(found.size_max, 1000);
	assert_string_equal(found.auth, "PLAIN LOGIN SCRAM-SHA-256");
	memset(large, 'x', sizeof large);
	memcpy(large, "AUTH ", 5);
	smtp_offer(&found, weir_span(large, sizeof large));
	assert_string_equal(found.auth, "PLAIN LOGIN SCRAM-SHA-256");
	smtp_offer(&found, WEIR_SPAN("SIZE"));
	assert_int_equal(found.size_max, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(replies),
	        cmocka_unit_test(bounds),
	        cmocka_unit_test(offers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
