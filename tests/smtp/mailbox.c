/* Paths and mailboxes: valid and malformed ones, and their lengths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <weir/error.h>

#include "smtp_syntax.h"

/* A copy of the exact size, so that a sanitizer detects a read beyond it. */
static int parse(const char *text, size_t size, struct smtp_mailbox *ret, size_t *ret_left)
{
	static char *copy;
	free(copy);
	copy = malloc(size ? size : 1);
	memcpy(copy, text, size);
	struct weir_span span = weir_span(copy, size);
	int error = smtp_path_parse(&span, ret);
	*ret_left = span.size;
	if (error < 0)
		assert_int_equal(span.size, size);
	return error;
}

static void paths(void **state)
{
	(void)state;
	static const struct {
		const char *text, *local, *domain;
	} cases[] = {
	        {"<a@b>", "a", "b"},
	        {"<Smith@bar.com> SIZE=1", "Smith", "bar.com"},
	        {"<a.b.c@d-e.f0>", "a.b.c", "d-e.f0"},
	        {"<!#$%&'*+-/=?^_`{|}~@example>", "!#$%&'*+-/=?^_`{|}~", "example"},
	        {"<\"a b\"@c>", "\"a b\"", "c"},
	        {"<\"a\\\"@\\\\>\"@c>", "\"a\\\"@\\\\>\"", "c"},
	        {"<\"\"@c>", "\"\"", "c"},
	        {"<a@[127.0.0.1]>", "a", "[127.0.0.1]"},
	        {"<a@[IPv6:2001:db8::1]>", "a", "[IPv6:2001:db8::1]"},
	        {"<a@[ipv6:::]>", "a", "[ipv6:::]"},
	        {"<@a:b@c>", "b", "c"},
	        {"<@a,@[1.2.3.4],@b:c@d>", "c", "d"},
	        {"<postmaster>", "postmaster", ""},
	        {"<PostMaster>", "PostMaster", ""},
	        {"<\xc3\xa9@b\xc3\xbc.de>", "\xc3\xa9", "b\xc3\xbc.de"},
	        {"<>", "", ""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct smtp_mailbox mailbox;
		size_t left, size = strlen(cases[i].text);
		const char *end = strstr(cases[i].text, "> ");
		if (parse(cases[i].text, size, &mailbox, &left) < 0)
			fail_msg("refused: %s", cases[i].text);
		assert_int_equal(left, end ? strlen(end + 1) : 0);
		assert_true(weir_span_equal(mailbox.local, weir_span_of(cases[i].local)));
		assert_true(weir_span_equal(mailbox.domain, weir_span_of(cases[i].domain)));
		assert_int_equal(mailbox.utf8, strchr(cases[i].text, '\xc3') != NULL);
		/* No prefix is a path. */
		for (size_t part = 0; part < size - (end ? strlen(end + 1) : 0); part++)
			assert_int_equal(
			        parse(cases[i].text, part, &mailbox, &left), WEIR_E_SYNTAX);
	}
}

static void no_paths(void **state)
{
	(void)state;
	static const char *const cases[] = {"", "a@b", "<a>", "<a@>", "<@b>", "<a@b", "<a@@b>",
	        "<a b@c>", "<.a@b>", "<a.@b>", "<a..b@c>", "<a@b.>", "<a@.b>", "<a@b..c>", "<a@-b>",
	        "<a@b->", "<a@b_c>", "<a@b c>", "< a@b>", "<a@b >", "<a@[1.2.3]>",
	        "<a@[1.2.3.256]>", "<a@[IPv6:1::2::3]>", "<a@[]>", "<a@[x:1]>", "<a@[1.2.3.4>",
	        "<a@[1.2.3.4]b>", "<\"a@b>", "<\"a\"b@c>", "<a\"b\"@c>", "<\"a\nb\"@c>",
	        "<\"a\\\nb\"@c>", "<a,b@c>", "<a:b@c>", "<a(b)@c>", "<@a,b@c>", "<@a:>",
	        "<@a@b:c@d>", "<@a,@:c@d>", "<\xc3@b>", "<\x80@b>", "<\xc0\xaf@b>",
	        "<\xed\xa0\x80@b>", "<\xf4\x90\x80\x80@b>", "<\xe0\x80\x80@b>", "<a@b\xff>",
	        "<<a@b>>", "<a\\b@c>"};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct smtp_mailbox mailbox;
		size_t left;
		if (parse(cases[i], strlen(cases[i]), &mailbox, &left) == 0)
			fail_msg("taken: %s", cases[i]);
	}
	struct smtp_mailbox mailbox;
	size_t left;
	assert_int_equal(parse("<a\0@b>", 6, &mailbox, &left), WEIR_E_SYNTAX);
	assert_int_equal(parse("<a@[1.2.3.4\0]>", 14, &mailbox, &left), WEIR_E_SYNTAX);
}

static int parse_lenient(const char *text, struct smtp_mailbox *ret, size_t *ret_left)
{
	static char *copy, rewritten[SMTP_REWRITTEN_MAX];
	size_t size = strlen(text);
	free(copy);
	copy = malloc(size ? size : 1);
	memcpy(copy, text, size);
	struct weir_span span = weir_span(copy, size);
	int error = smtp_path_parse_lenient(&span, rewritten, ret);
	*ret_left = span.size;
	if (error < 0)
		assert_int_equal(span.size, size);
	return error;
}

/* The envelope has the address as Postfix would put it there. */
static void comments_and_backslashes(void **state)
{
	(void)state;
	static const struct {
		const char *text, *address;
		size_t left;
	} cases[] = {
	        {"<a@b(c)>", "a@b", 0},
	        {"<(c)a@b> SIZE=1", "a@b", 7},
	        {"< (c (d) \\) e) a (f) @ (g) b (h) . c >", "a@b.c", 0},
	        {"<a.(x)b@c>", "a.b@c", 0},
	        {"<a. b@c>", "a.b@c", 0},
	        {"<a .b@c>", "a.b@c", 0},
	        {"<a @ c .d>", "a@c.d", 0},
	        {"<@a (x),@b : c@d>", "c@d", 0},
	        {"<a\\@b@c>", "\"a@b\"@c", 0},
	        {"<a\\ b@c>", "\"a b\"@c", 0},
	        {"<a\\b@c>", "ab@c", 0},
	        {"<a\\\"b@c>", "\"a\\\"b\"@c", 0},
	        {"<a\\\\b@c>", "\"a\\\\b\"@c", 0},
	        {"<\"a\".b@c>", "a.b@c", 0},
	        {"<a.\"b c\"@d>", "\"a.b c\"@d", 0},
	        {"<\"a (b)\"@c>", "\"a (b)\"@c", 0},
	        {"<a\\(b@c>", "\"a(b\"@c", 0},
	        {"<a\\<b@c>", "\"a<b\"@c", 0},
	        {"<(c)>", "", 0},
	        {"a(c)@b SIZE=1", "a@b", 7},
	        {"a\\@b@c", "\"a@b\"@c", 0},
	        {"(Al (x) <a@b>) <c@d>", "c@d", 0},
	        {"Al (a@b) <c@d> (e (f)) X", "c@d", 2},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct smtp_mailbox mailbox, again;
		size_t left;
		if (parse_lenient(cases[i].text, &mailbox, &left) < 0)
			fail_msg("refused: %s", cases[i].text);
		if (!weir_span_equal(mailbox.address, weir_span_of(cases[i].address)))
			fail_msg("%s became %.*s", cases[i].text, (int)mailbox.address.size,
			        mailbox.address.data);
		assert_int_equal(left, cases[i].left);
		/* A rewritten address can be given to a strict server. */
		if (mailbox.address.size)
			assert_int_equal(smtp_mailbox_parse(mailbox.address, &again), 0);
	}
	/* Postfix 3.7 refuses white space between two words, too. */
	static const char *const bad[] = {"<a b@c>", "<a  b@c>", "<a\tb@c>", "<a b c@d>",
	        "<\"a\" b@c>", "<a \"b\"@c>", "<\"a\" \"b\"@c>", "<a b>", "<@r:a b@c>",
	        "<a b@[127.0.0.1]>", "<a(x)b@c>", "<a@b(c>", "<a\\", "<a\\>", "<(c)", "<a@b c>",
	        "<a@b\\.c>", "<a@b,c@d>", "(c)", "\\", "a@b(c)d", "<\"a>"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct smtp_mailbox mailbox;
		size_t left;
		if (parse_lenient(bad[i], &mailbox, &left) == 0)
			fail_msg("taken: %s as %.*s", bad[i], (int)mailbox.address.size,
			        mailbox.address.data);
	}
}

static int of_lengths(int local, int label, int labels)
{
	char text[1000];
	int size = snprintf(text, sizeof text, "<%.*s@", local,
	        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	for (int i = 0; i < labels; i++)
		size += snprintf(text + size, sizeof text - (size_t)size, "%s%.*s", i ? "." : "",
		        label,
		        "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy");
	text[size++] = '>';
	struct smtp_mailbox mailbox;
	size_t left;
	return parse(text, (size_t)size, &mailbox, &left);
}

static void lengths(void **state)
{
	(void)state;
	assert_int_equal(of_lengths(64, 10, 1), 0);
	assert_int_equal(of_lengths(65, 10, 1), WEIR_E_SYNTAX);
	assert_int_equal(of_lengths(1, 63, 1), 0);
	assert_int_equal(of_lengths(1, 64, 1), WEIR_E_SYNTAX);
	/* 254 in all: 256 with the brackets. */
	assert_int_equal(of_lengths(62, 63, 3), 0);
	assert_int_equal(of_lengths(63, 62, 3), 0);
	assert_int_equal(of_lengths(63, 63, 3), WEIR_E_SYNTAX);
	assert_int_equal(of_lengths(1, 63, 4), WEIR_E_SYNTAX);
}

static void quotes_are_taken_off(void **state)
{
	(void)state;
	char text[WEIR_SMTP_LOCAL_MAX];
	static const char *const cases[][2] = {{"alice", "alice"}, {"\"alice\"", "alice"},
	        {"\"a\\\"b\"", "a\"b"}, {"\"\\\\\"", "\\"}, {"\"\"", ""}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_true(weir_span_equal(smtp_local_decode(weir_span_of(cases[i][0]), text),
		        weir_span_of(cases[i][1])));
}

static void mailboxes(void **state)
{
	(void)state;
	struct smtp_mailbox mailbox;
	assert_int_equal(smtp_mailbox_parse(WEIR_SPAN("a@b"), &mailbox), 0);
	assert_int_equal(smtp_mailbox_parse(WEIR_SPAN("a@b "), &mailbox), WEIR_E_SYNTAX);
	assert_int_equal(smtp_mailbox_parse(WEIR_SPAN("<a@b>"), &mailbox), WEIR_E_SYNTAX);
	assert_int_equal(smtp_mailbox_parse(WEIR_SPAN("postmaster"), &mailbox), WEIR_E_SYNTAX);
	assert_int_equal(smtp_mailbox_parse(WEIR_SPAN(""), &mailbox), WEIR_E_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(paths),
	        cmocka_unit_test(no_paths),
	        cmocka_unit_test(comments_and_backslashes),
	        cmocka_unit_test(lengths),
	        cmocka_unit_test(quotes_are_taken_off),
	        cmocka_unit_test(mailboxes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
