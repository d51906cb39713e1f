/* Lines of the control connection: telnet's bytes, verbs and arguments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <weir/error.h>
#include "session.h"

static void strips_telnet(void **state)
{
	static const struct {
		struct weir_span line;
		const char *text;
		struct weir_span answer;
	} cases[] = {
	        {WEIR_SPAN("NOOP\r"), "NOOP", WEIR_SPAN("")},
	        {WEIR_SPAN("NOOP"), "NOOP", WEIR_SPAN("")},
	        {WEIR_SPAN(""), "", WEIR_SPAN("")},
	        {WEIR_SPAN("\r"), "", WEIR_SPAN("")},
	        {WEIR_SPAN("CWD a\r\r"), "CWD a\r", WEIR_SPAN("")},
	        {WEIR_SPAN("CWD a\r\0b\r"), "CWD a\rb", WEIR_SPAN("")},
	        {WEIR_SPAN("CWD a\r\0"), "CWD a\r", WEIR_SPAN("")},
	        {WEIR_SPAN("\xff\xf4\xff\xf2"
	                   "ABOR\r"),
	                "ABOR", WEIR_SPAN("")},
	        /* Without IAC, as one urgent byte each. */
	        {WEIR_SPAN("\xf2"
	                   "ABOR\r"),
	                "ABOR", WEIR_SPAN("")},
	        {WEIR_SPAN("\xf4\xf2"
	                   "ABOR\r"),
	                "ABOR", WEIR_SPAN("")},
	        {WEIR_SPAN("\xff\xf4\xf2"
	                   "ABOR\r"),
	                "ABOR", WEIR_SPAN("")},
	        {WEIR_SPAN("\xff"
	                   "ABOR\r"),
	                "ABOR", WEIR_SPAN("")},
	        {WEIR_SPAN("\xf4"), "", WEIR_SPAN("")},
	        {WEIR_SPAN("CWD \xf4\r"), "CWD \xf4", WEIR_SPAN("")},
	        {WEIR_SPAN("CWD \xff\xff\r"), "CWD \xff", WEIR_SPAN("")},
	        {WEIR_SPAN("CWD \xffy\r"), "CWD \xffy", WEIR_SPAN("")},
	        {WEIR_SPAN("A\xff\xfb\x01"
	                   "B\r"),
	                "AB", WEIR_SPAN("\xff\xfe\x01")},
	        {WEIR_SPAN("A\xff\xfd\x01"
	                   "B\r"),
	                "AB", WEIR_SPAN("\xff\xfc\x01")},
	        {WEIR_SPAN("A\xff\xfc\x01\xff\xfe\x02"
	                   "B\r"),
	                "AB", WEIR_SPAN("")},
	        {WEIR_SPAN("A\xff\xfa\x01xyz\xff\xf0"
	                   "B\r"),
	                "AB", WEIR_SPAN("")},
	        {WEIR_SPAN("A\xff\xfa\x01xyz"), "A", WEIR_SPAN("")},
	        {WEIR_SPAN("A\xff"), "A", WEIR_SPAN("")},
	        {WEIR_SPAN("A\xff\xfb"), "A", WEIR_SPAN("")},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct ftp_telnet_answer answer;
		char to[64];
		ssize_t size = ftp_telnet_strip(cases[i].line, to, &answer);
		assert_int_equal(size, strlen(cases[i].text));
		assert_string_equal(to, cases[i].text);
		assert_true(weir_span_equal(weir_span(answer.bytes, answer.size), cases[i].answer));
	}
}

static void refuses_nul(void **state)
{
	struct ftp_telnet_answer answer;
	char to[64];
	(void)state;
	assert_int_equal(ftp_telnet_strip(WEIR_SPAN("CWD a\0b\r"), to, &answer), WEIR_E_SYNTAX);
	assert_int_equal(ftp_telnet_strip(WEIR_SPAN("\0"), to, &answer), WEIR_E_SYNTAX);
	assert_int_equal(ftp_telnet_strip(WEIR_SPAN("a\r\0\0"), to, &answer), WEIR_E_SYNTAX);
}

/* A line full of options gets a bounded answer. */
static void bounds_answers(void **state)
{
	char line[3 * 1000], to[sizeof line + 1];
	struct ftp_telnet_answer answer;
	(void)state;
	for (size_t i = 0; i < sizeof line; i += 3)
		memcpy(line + i, "\xff\xfd\x18", 3);
	assert_int_equal(ftp_telnet_strip(weir_span(line, sizeof line), to, &answer), 0);
	assert_int_equal(answer.size, 3 * WEIR_FTP_TELNET_ANSWERS_MAX);
}

static void splits(void **state)
{
	static const struct {
		const char *line, *verb, *argument;
	} cases[] = {
	        {"NOOP", "NOOP", ""},
	        {"noop", "NOOP", ""},
	        {"Cwd  a b ", "CWD", " a b "},
	        {"CWD ", "CWD", ""},
	        {"", "", ""},
	        {" CWD", "", "CWD"},
	        {"ABCDEFG x", "ABCDEFG", "x"},
	        {"ABCDEFGH x", "", "x"},
	        {"CWD\ta", "CWD\tA", ""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct ftp_command command = ftp_command_parse(cases[i].line);
		assert_string_equal(command.verb, cases[i].verb);
		assert_string_equal(command.argument, cases[i].argument);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(strips_telnet),
	        cmocka_unit_test(refuses_nul),
	        cmocka_unit_test(bounds_answers),
	        cmocka_unit_test(splits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
