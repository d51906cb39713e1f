/* Command lines of the admin socket: their words, and which command they name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <weir/error.h>

#include "admin_command.h"

static struct admin_line line;

static int parse(const char *text)
{
	return admin_parse(weir_span_of(text), &line);
}

static void words_are_cut_at_spaces(void **state)
{
	(void)state;
	assert_int_equal(parse("  guard\tclear   192.0.2.7 "), 0);
	assert_int_equal(line.count, 3);
	assert_string_equal(line.words[0], "guard");
	assert_string_equal(line.words[1], "clear");
	assert_string_equal(line.words[2], "192.0.2.7");
	assert_int_equal(parse(""), 0);
	assert_int_equal(line.count, 0);
	assert_int_equal(parse("gru\xc3\xbc\xc3\x9f"), 0);
	assert_int_equal(line.count, 1);
}

static void lines_are_bounded(void **state)
{
	char text[ADMIN_LINE_MAX + 2];
	(void)state;
	memset(text, 'a', sizeof text);
	assert_int_equal(admin_parse(weir_span(text, ADMIN_LINE_MAX), &line), 0);
	assert_int_equal(strlen(line.words[0]), ADMIN_LINE_MAX);
	assert_int_equal(admin_parse(weir_span(text, ADMIN_LINE_MAX + 1), &line), WEIR_E_LIMIT);
	assert_int_equal(parse("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"), 0);
	assert_int_equal(line.count, ADMIN_WORDS_MAX);
	assert_int_equal(parse("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17"), WEIR_E_LIMIT);
}

static void control_characters_are_refused(void **state)
{
	(void)state;
	assert_int_equal(parse("a\x1b[2J"), WEIR_E_SYNTAX);
	assert_int_equal(parse("a\rb"), WEIR_E_SYNTAX);
	assert_int_equal(parse("\x7f"), WEIR_E_SYNTAX);
	assert_int_equal(admin_parse(weir_span("a\0b", 3), &line), WEIR_E_SYNTAX);
}

static const struct admin_command first_commands[] = {
        {.name = "guard"}, {.name = "close"}, {.name = "guard list all"}, {0}};
static const struct admin_command second_commands[] = {{.name = "guard list"}, {0}};

static const char *found(const char *text, unsigned *ret_words)
{
	struct admin_table second = {.commands = second_commands};
	struct admin_table first = {&second, first_commands, NULL};
	const struct admin_table *table;
	assert_int_equal(parse(text), 0);
	const struct admin_command *command = admin_find(&first, &line, &table, ret_words);
	return command ? command->name : "none";
}

static void the_longest_name_is_the_command(void **state)
{
	unsigned words;
	(void)state;
	assert_string_equal(found("guard list", &words), "guard list");
	assert_int_equal(words, 2);
	assert_string_equal(found("guard list all x", &words), "guard list all");
	assert_int_equal(words, 3);
	assert_string_equal(found("guard clear", &words), "guard");
	assert_int_equal(words, 1);
	assert_string_equal(found("guards", &words), "none");
	assert_string_equal(found("guar", &words), "none");
	assert_string_equal(found("", &words), "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(words_are_cut_at_spaces),
	        cmocka_unit_test(lines_are_bounded),
	        cmocka_unit_test(control_characters_are_refused),
	        cmocka_unit_test(the_longest_name_is_the_command),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
