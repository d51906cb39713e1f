/* Parsing lines of POP3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <weir/error.h>

#include "pop3_state.h"

static void assert_span(struct weir_span span, const char *text)
{
	assert_true(weir_span_equal(span, weir_span_of(text)));
}

static void verbs_and_arguments(void **state)
{
	(void)state;
	struct pop3_command command;
	assert_int_equal(pop3_command_parse(WEIR_SPAN("STAT"), &command), 0);
	assert_span(command.verb, "STAT");
	assert_int_equal(command.count, 0);
	assert_null(command.rest.data);
	assert_int_equal(pop3_command_parse(WEIR_SPAN("STAT  "), &command), 0);
	assert_int_equal(command.count, 0);
	assert_int_equal(pop3_command_parse(WEIR_SPAN("TOP 1 10 "), &command), 0);
	assert_span(command.verb, "TOP");
	assert_int_equal(command.count, 2);
	assert_span(command.arguments[0], "1");
	assert_span(command.arguments[1], "10");
	assert_int_equal(pop3_command_parse(WEIR_SPAN("TOP 1 2 3"), &command), 0);
	assert_int_equal(command.count, 3);
	assert_int_equal(pop3_command_parse(WEIR_SPAN("TOP 1 2 3 4 5 6"), &command), 0);
	assert_int_equal(command.count, 3);
	assert_int_equal(pop3_command_parse(WEIR_SPAN("LIST  1"), &command), 0);
	assert_int_equal(command.count, 2);
	assert_span(command.arguments[0], "");
	assert_int_equal(pop3_command_parse(WEIR_SPAN("PASS  a b \xc3\xa4 "), &command), 0);
	assert_span(command.rest, " a b \xc3\xa4 ");
	assert_int_equal(pop3_command_parse(WEIR_SPAN("PASS "), &command), 0);
	assert_int_equal(command.rest.size, 0);
	assert_int_equal(command.count, 0);
}

static void what_is_no_command(void **state)
{
	(void)state;
	struct pop3_command command;
	assert_int_equal(pop3_command_parse(WEIR_SPAN(""), &command), WEIR_E_SYNTAX);
	assert_int_equal(pop3_command_parse(WEIR_SPAN(" STAT"), &command), WEIR_E_SYNTAX);
	assert_int_equal(pop3_command_parse(WEIR_SPAN("ST\0AT"), &command), WEIR_E_SYNTAX);
	assert_int_equal(pop3_command_parse(WEIR_SPAN("STAT\r"), &command), WEIR_E_SYNTAX);
	assert_int_equal(pop3_command_parse(WEIR_SPAN("LIST\t1"), &command), WEIR_E_SYNTAX);
	assert_int_equal(pop3_command_parse(WEIR_SPAN("NOOP\x7f"), &command), WEIR_E_SYNTAX);
}

static void numbers(void **state)
{
	(void)state;
	uint64_t number = 7;
	assert_int_equal(pop3_number(WEIR_SPAN("0"), &number), 0);
	assert_int_equal(number, 0);
	assert_int_equal(pop3_number(WEIR_SPAN("007"), &number), 0);
	assert_int_equal(number, 7);
	assert_int_equal(pop3_number(WEIR_SPAN("18446744073709551615"), &number), 0);
	assert_true(number == UINT64_MAX);
	assert_int_equal(pop3_number(WEIR_SPAN("18446744073709551616"), &number), WEIR_E_LIMIT);
	for (const char *const *bad = (const char *const[]){"", "-1", "+1", "1x", " 1",
	             "000000000000000000001", NULL};
	        *bad; bad++)
		assert_int_equal(pop3_number(weir_span_of(*bad), &number), WEIR_E_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(verbs_and_arguments),
	        cmocka_unit_test(what_is_no_command),
	        cmocka_unit_test(numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
