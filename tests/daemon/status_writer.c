/* The three formats of a status: their shapes, hostile texts, and memory that is short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <weir/error.h>

#include "allocation.h"
#include "status_writer.h"

/* A group, a list of two items with more, and an empty list. */
static int write_sample(enum status_format format, struct weir_buffer *to)
{
	static const uint64_t numbers[] = {1, 2, 3};
	struct status_writer writer;
	status_begin(&writer, format, to);
	status_group(&writer, "a_group");
	status_number(&writer, "large_number", 1234567);
	status_signed(&writer, "below", -1000);
	status_group_end(&writer);
	status_list(&writer, "a_list");
	for (unsigned i = 0; i < 2; i++) {
		status_item(&writer);
		status_text(&writer, "the_name", i ? "two" : "one");
		status_decimal(&writer, "rate", i + 0.25);
		status_array(&writer, "parts", numbers, i ? 3 : 0);
		status_item_end(&writer);
	}
	status_list_end(&writer, "a_list", 7);
	status_list(&writer, "empty");
	status_list_end(&writer, "empty", 0);
	return status_end(&writer);
}

static void expect_sample(enum status_format format, const char *expected)
{
	struct weir_buffer text = {0};
	assert_int_equal(write_sample(format, &text), 0);
	assert_int_equal(weir_buffer_append(&text, "", 1, SIZE_MAX), 0);
	assert_string_equal(text.data, expected);
	weir_buffer_finish(&text);
}

static void text_has_a_line_for_each(void **state)
{
	(void)state;
	expect_sample(STATUS_TEXT, "a group\n"
	                           "  large number                 1234567\n"
	                           "  below                        -1000\n"
	                           "\n"
	                           "a list\n"
	                           "  the name one, rate 0.2\n"
	                           "  the name two, rate 1.2\n"
	                           "  and 7 more\n"
	                           "\n"
	                           "empty\n"
	                           "  none\n");
}

static void json_is_one_object(void **state)
{
	(void)state;
	expect_sample(STATUS_JSON, "{\"a_group\":{\"large_number\":1234567,\"below\":-1000},\n"
	                           "\"a_list\":[\n"
	                           "{\"the_name\":\"one\",\"rate\":0.2,\"parts\":[]},\n"
	                           "{\"the_name\":\"two\",\"rate\":1.2,\"parts\":[1,2,3]}],\n"
	                           "\"a_list_more\":7,\n"
	                           "\"empty\":[]}\n");
}

static void html_has_a_table_for_each(void **state)
{
	(void)state;
	expect_sample(STATUS_HTML,
	        "<section id=\"a_group\"><h2>a group</h2><div><table><tbody>"
	        "<tr><th>large number</th><td class=\"n\">1,234,567</td></tr>"
	        "<tr><th>below</th><td class=\"n\">-1,000</td></tr>"
	        "</tbody></table></div></section>\n"
	        "<section id=\"a_list\"><h2>a list</h2><div>"
	        "<table><thead><tr><th>the name</th><th class=\"n\">rate</th></tr></thead><tbody>"
	        "<tr><td>one</td><td class=\"n\">0.2</td></tr>"
	        "<tr><td>two</td><td class=\"n\">1.2</td></tr>"
	        "</tbody></table><p>and 7 more</p></div></section>\n"
	        "<section id=\"empty\"><h2>empty</h2><div><p>none</p></div></section>\n");
}

static void nothing_is_an_empty_object(void **state)
{
	struct status_writer writer;
	struct weir_buffer text = {0};
	(void)state;
	status_begin(&writer, STATUS_JSON, &text);
	assert_int_equal(status_end(&writer), 0);
	assert_int_equal(text.size, 3);
	assert_memory_equal(text.data, "{}\n", 3);
	weir_buffer_finish(&text);
}

static const struct {
	const char *text;
	const char *plain;
	const char *json;
	const char *html;
} hostile[] = {
        {"<script>alert('1')</script>", "<script>alert('1')</script>",
                "<script>alert('1')</script>", "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;"},
        {"a\"b\\c&amp;", "a\"b\\c&amp;", "a\\\"b\\\\c&amp;", "a&quot;b\\c&amp;amp;"},
        {"a\r\nb\tc\x1b[2J\x7f", "a??b?c?[2J?", "a??b?c?[2J?", "a??b?c?[2J?"},
        /* Good UTF-8 stays. */
        {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
                "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
                "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
                "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"},
        /* Alone, overlong, a surrogate, too large, cut off, and a control character of C1. */
        {"\xff \x80 \xc0\xbc \xe0\x80\xbc \xf0\x80\x80\xbc", "? ? ?? ??? ????", "? ? ?? ??? ????",
                "? ? ?? ??? ????"},
        {"\xed\xa0\x80 \xf4\x90\x80\x80 \xe2\x82", "??? ???? ??", "??? ???? ??", "??? ???? ??"},
        {"\xc2\x9b"
         "1m \xc2<",
                "??1m ?<", "??1m ?<", "??1m ?&lt;"},
        {"", "", "", ""},
};

static void expect_text(enum status_format format, const char *given, const char *expected)
{
	struct status_writer writer;
	struct weir_buffer text = {0};
	status_begin(&writer, format, &text);
	status_group(&writer, "g");
	text.size = 0;
	status_text(&writer, "n", given);
	size_t size = strlen(expected);
	size_t before = format == STATUS_JSON   ? strlen("\"n\":\"")
	                : format == STATUS_HTML ? strlen("<tr><th>n</th><td>")
	                                        : 31;
	assert_in_range(text.size, before + size, before + size + 10);
	assert_memory_equal(text.data + before, expected, size);
	char behind = text.data[before + size];
	assert_int_equal(behind, format == STATUS_JSON ? '"' : format == STATUS_HTML ? '<' : '\n');
	status_end(&writer);
	weir_buffer_finish(&text);
}

static void hostile_texts_are_escaped(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
		expect_text(STATUS_TEXT, hostile[i].text, hostile[i].plain);
		expect_text(STATUS_JSON, hostile[i].text, hostile[i].json);
		expect_text(STATUS_HTML, hostile[i].text, hostile[i].html);
	}
}

static void a_long_text_is_cut(void **state)
{
	char text[STATUS_TEXT_MAX + 100], expected[STATUS_TEXT_MAX + 1];
	(void)state;
	memset(text, 'x', sizeof text);
	text[sizeof text - 1] = 0;
	memset(expected, 'x', STATUS_TEXT_MAX);
	expected[STATUS_TEXT_MAX] = 0;
	expect_text(STATUS_TEXT, text, expected);
	expect_text(STATUS_JSON, text, expected);
	expect_text(STATUS_HTML, text, expected);
}

static void the_size_is_bounded(void **state)
{
	struct status_writer writer;
	struct weir_buffer text = {0};
	(void)state;
	status_begin(&writer, STATUS_HTML, &text);
	status_list(&writer, "l");
	for (unsigned i = 0; i < STATUS_SIZE_MAX / 16; i++) {
		status_item(&writer);
		status_text(&writer, "name", "0123456789");
		status_item_end(&writer);
	}
	status_list_end(&writer, "l", 0);
	assert_int_equal(status_end(&writer), WEIR_E_LIMIT);
	assert_true(text.size <= STATUS_SIZE_MAX);
	weir_buffer_finish(&text);
}

static void memory_may_be_short(void **state)
{
	(void)state;
	for (unsigned format = STATUS_TEXT; format <= STATUS_HTML; format++) {
		bool failed = true;
		for (unsigned good = 0; failed && good < 100; good++) {
			struct weir_buffer text = {0};
			fail_allocation_after(good, false);
			int error = write_sample(format, &text);
			failed = stop_failing_allocations();
			assert_true(failed ? error < 0 : error == 0);
			weir_buffer_finish(&text);
		}
		assert_false(failed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(text_has_a_line_for_each),
	        cmocka_unit_test(json_is_one_object),
	        cmocka_unit_test(html_has_a_table_for_each),
	        cmocka_unit_test(nothing_is_an_empty_object),
	        cmocka_unit_test(hostile_texts_are_escaped),
	        cmocka_unit_test(a_long_text_is_cut),
	        cmocka_unit_test(the_size_is_bounded),
	        cmocka_unit_test(memory_may_be_short),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
