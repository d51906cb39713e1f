/* The words that the console proposes, from usage lines as `help` prints them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <weir/error.h>

#include "allocation.h"
#include "console_complete.h"

static const char help[] = "help                                      lists the commands\n"
                           "ban list                                  lists networks\n"
                           "ban add NETWORK TIME                      bans a network\n"
                           "top [quiet|sent|replies] [NUMBER]         lists connections\n"
                           "queue                                     lists messages\n"
                           "queue retry ID|all                        makes a message due\n"
                           "queue delete ID                           deletes a message\n"
                           "log level [info|warning|error]            shows the level\n"
                           "quit\n";

static void assert_proposed(const char *typed, const char *wanted)
{
	struct weir_buffer proposals = {0};
	assert_int_equal(console_complete(weir_span_of(help), weir_span_of(typed), &proposals), 0);
	weir_buffer_append(&proposals, "", 1, CONSOLE_PROPOSALS_MAX);
	assert_string_equal(proposals.data, wanted);
	weir_buffer_finish(&proposals);
}

static void words_of_commands(void **state)
{
	(void)state;
	assert_proposed("", "help\nban\ntop\nqueue\nlog\nquit\n");
	assert_proposed("  q", "queue\nquit\n");
	assert_proposed("qu", "queue\nquit\n");
	assert_proposed("queue", "queue\n");
	assert_proposed("queue ", "retry\ndelete\n");
	assert_proposed("queue  r", "retry\n");
	assert_proposed("ban ", "list\nadd\n");
	assert_proposed("x", "");
	assert_proposed("x ", "");
	assert_proposed("help ", "");
	assert_proposed("quit ", "");
	/* The description is not a word of the command. */
	assert_proposed("help l", "");
}

static void words_of_arguments(void **state)
{
	(void)state;
	assert_proposed("log level ", "info\nwarning\nerror\n");
	assert_proposed("log level e", "error\n");
	assert_proposed("log level error ", "");
	assert_proposed("top ", "quiet\nsent\nreplies\n");
	assert_proposed("top r", "replies\n");
	assert_proposed("queue retry ", "all\n");
	assert_proposed("queue retry a", "all\n");
	/* Capitals stand for any word, and are not proposed. */
	assert_proposed("ban add ", "");
	assert_proposed("ban add 192.0.2.0/24 ", "");
	assert_proposed("ban add N", "");
	assert_proposed("top loud ", "");
}

static void assert_common(const char *proposals, const char *wanted)
{
	struct weir_span common = console_common(weir_span_of(proposals));
	assert_true(weir_span_equal(common, weir_span_of(wanted)));
}

static void common_beginning(void **state)
{
	(void)state;
	assert_common("", "");
	assert_common("queue\n", "queue");
	assert_common("queue\nquit\n", "qu");
	assert_common("quit\nquiet\nquit\n", "qui");
	assert_common("a\nb\n", "");
	assert_common("ab\na\n", "a");
}

static void any_reply_is_survived(void **state)
{
	(void)state;
	static const char *const replies[] = {"", "\n", "\n\n", " ", "  a", "|", "[", "]", "[]",
	        "[|]", "|||", "a  ", "a", "a \n b", "\xff\n", "a [b|"};
	static const char *const typed[] = {"", " ", "a", "a ", "a b", "\xff", "[ ", "| a"};
	for (size_t i = 0; i < sizeof replies / sizeof *replies; i++)
		for (size_t j = 0; j < sizeof typed / sizeof *typed; j++) {
			struct weir_buffer proposals = {0};
			console_complete(
			        weir_span_of(replies[i]), weir_span_of(typed[j]), &proposals);
			console_common(weir_buffer_span(&proposals));
			weir_buffer_finish(&proposals);
		}
}

static void proposals_are_bounded(void **state)
{
	(void)state;
	static char many[20000];
	size_t size = 0;
	struct weir_buffer proposals = {0};
	for (unsigned i = 0; i < 1500; i++)
		size += (size_t)snprintf(many + size, sizeof many - size, "c%04u\n", i);
	assert_int_equal(
	        console_complete(weir_span(many, size), WEIR_SPAN("c"), &proposals), WEIR_E_LIMIT);
	assert_true(proposals.size <= CONSOLE_PROPOSALS_MAX);
	assert_int_equal(proposals.data[proposals.size - 1], '\n');
	weir_buffer_finish(&proposals);
}

static void without_memory_words_are_missing(void **state)
{
	(void)state;
	struct weir_buffer proposals = {0};
	fail_allocation_after(0, true);
	int error = console_complete(weir_span_of(help), WEIR_SPAN("q"), &proposals);
	assert_true(stop_failing_allocations());
	assert_int_equal(error, -ENOMEM);
	assert_int_equal(proposals.size, 0);
	weir_buffer_finish(&proposals);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(words_of_commands),
	        cmocka_unit_test(words_of_arguments),
	        cmocka_unit_test(common_beginning),
	        cmocka_unit_test(any_reply_is_survived),
	        cmocka_unit_test(proposals_are_bounded),
	        cmocka_unit_test(without_memory_words_are_missing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
