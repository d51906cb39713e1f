/* The parts of forms: every cut of the input gives the same, and what is no form is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <weir/error.h>
#include <weir/list.h>
#include "form_upload_parts.h"

/* What came, as text: "<name>bytes;" for each file. */
struct record {
	struct form_parts parts;
	bool hold; /* after each callback, until the next feed */
	bool held;
	int fail_at; /* the callback with this number fails; 0: none */
	size_t size;
	char text[64 * 1024];
};

static struct record *record_of(const struct form_parts *parts)
{
	return WEIR_CONTAINER(parts, struct record, parts);
}

static int note(struct form_parts *parts, struct weir_span text)
{
	struct record *record = record_of(parts);
	assert_true(record->size + text.size < sizeof record->text);
	memcpy(record->text + record->size, text.data, text.size);
	record->size += text.size;
	record->text[record->size] = 0;
	record->held = record->hold;
	return record->fail_at && --record->fail_at == 0 ? -77 : 0;
}

static int on_begin(struct form_parts *parts, struct weir_span filename)
{
	int error = note(parts, WEIR_SPAN("<"));
	if (error == 0)
		error = note(parts, filename);
	return error ? error : note(parts, WEIR_SPAN(">"));
}

static int on_end(struct form_parts *parts)
{
	return note(parts, WEIR_SPAN(";"));
}

static bool is_held(const struct form_parts *parts)
{
	return record_of(parts)->held;
}

static const struct form_parts_type type = {on_begin, note, on_end, is_held};

static struct record *create(bool hold)
{
	struct record *record = calloc(1, sizeof *record);
	assert_non_null(record);
	form_parts_init(&record->parts, &type, WEIR_SPAN("AaB03x"));
	record->hold = hold;
	return record;
}

/* Feeds, and goes on for as long as it was held. */
static int feed(struct record *record, const char *data, size_t size)
{
	record->held = false;
	int error = form_parts_feed(&record->parts, weir_span(data, size));
	while (error == 0 && record->held) {
		record->held = false;
		error = form_parts_feed(&record->parts, weir_span("", 0));
	}
	return error;
}

static void destroy(struct record *record)
{
	form_parts_free(&record->parts);
	free(record);
}

#define B "--AaB03x"
#define FIELD "Content-Disposition: form-data; name=\"f\"\r\n"
#define FILE_OF(name) "Content-Disposition: form-data; name=\"f\"; filename=\"" name "\"\r\n"

struct body {
	const char *what;
	const char *body;
	const char *wanted; /* NULL: refused */
};

static const struct body bodies[] = {
        {"one file", B "\r\n" FILE_OF("a") "\r\nhello\r\n" B "--\r\n", "<a>hello;"},
        {"no CRLF at the end", B "\r\n" FILE_OF("a") "\r\nhello\r\n" B "--", "<a>hello;"},
        {"two files and a field",
                B "\r\n" FILE_OF("a") "Content-Type: text/plain\r\n\r\n1\r\n" B "\r\n" FIELD
                                      "\r\nignored\r\n" B "\r\n" FILE_OF("b") "\r\n2\r\n" B
                                                                              "--\r\n",
                "<a>1;<b>2;"},
        {"an empty file", B "\r\n" FILE_OF("a") "\r\n\r\n" B "--\r\n", "<a>;"},
        {"no file chosen", B "\r\n" FILE_OF("") "\r\n\r\n" B "--\r\n", ""},
        {"no part", B "--\r\n", ""},
        {"preamble and epilogue",
                "this is\r\n-" B "\r\n--\r\n" B "\r\n" FILE_OF("a") "\r\nx\r\n" B "--\r\nmore\r\n" B
                                                                    "\r\n",
                "<a>x;"},
        {"what looks like a boundary",
                B "\r\n" FILE_OF("a") "\r\n" B "\r\n--AaB03\r\n--AaB03y\r\r\n-\n" B "\r\n" B
                                      "--\r\n",
                "<a>" B "\r\n--AaB03\r\n--AaB03y\r\r\n-\n" B ";"},
        {"CRLFs", B "\r\n" FILE_OF("a") "\r\n\r\n\r\n\r\n\r\n" B "--\r\n", "<a>\r\n\r\n\r\n;"},
        {"a name with a path", B "\r\n" FILE_OF("..\\/b") "\r\nx\r\n" B "--", "<..\\/b>x;"},
        {"an encoding that is none",
                B "\r\n" FILE_OF("a") "content-transfer-encoding: BINARY\r\n\r\nx\r\n" B "--",
                "<a>x;"},
        {"base64", B "\r\n" FILE_OF("a") "Content-Transfer-Encoding: base64\r\n\r\nx\r\n" B "--",
                NULL},
        {"a longer boundary", B "\r\n" FILE_OF("a") "\r\nx\r\n" B "y\r\n", NULL},
        {"padding behind it", B " \t\r\n" FILE_OF("a") "\r\nx\r\n" B "--\r\n", "<a>x;"},
        {"more than padding behind it", B " x\r\n" FILE_OF("a") "\r\nx\r\n" B "--\r\n", NULL},
        {"padding before the hyphens", B "\r\n" FILE_OF("a") "\r\nx\r\n" B " --\r\n", NULL},
        {"one hyphen", B "\r\n" FILE_OF("a") "\r\nx\r\n" B "-\r\n", NULL},
        {"a bare LF behind it", B "\n" FILE_OF("a") "\r\nx\r\n" B "--\r\n", NULL},
        {"no header", B "\r\n\r\nx\r\n" B "--\r\n", NULL},
        {"no disposition", B "\r\nContent-Type: a/b\r\n\r\nx\r\n" B "--\r\n", NULL},
        {"two dispositions", B "\r\n" FIELD FIELD "\r\nx\r\n" B "--\r\n", NULL},
        {"an attachment",
                B "\r\nContent-Disposition: attachment; filename=a\r\n\r\nx\r\n" B "--\r\n", NULL},
        {"a folded line", B "\r\n" FIELD " more: x\r\n\r\nx\r\n" B "--\r\n", NULL},
        {"no colon", B "\r\nContent\r\n\r\nx\r\n" B "--\r\n", NULL},
};

static void check(const struct body *body, const struct record *record, int error)
{
	if (error != (body->wanted ? 0 : WEIR_E_SYNTAX))
		fail_msg("%s: %d", body->what, error);
	if (!body->wanted)
		return;
	if (strcmp(record->text, body->wanted) != 0)
		fail_msg("%s: %s", body->what, record->text);
	if (!form_parts_complete(&record->parts))
		fail_msg("%s: not complete", body->what);
}

static void every_pair_of_cuts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		struct weir_span all = weir_span_of(bodies[i].body);
		for (size_t first = 0; first <= all.size; first++)
			for (size_t second = first; second <= all.size; second++) {
				struct record *record = create(second & 1);
				int error = feed(record, all.data, first);
				if (error == 0)
					error = feed(record, all.data + first, second - first);
				if (error == 0)
					error = feed(record, all.data + second, all.size - second);
				check(&bodies[i], record, error);
				destroy(record);
			}
	}
}

static void byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		struct weir_span all = weir_span_of(bodies[i].body);
		struct record *record = create(i & 1);
		int error = 0;
		for (size_t at = 0; at < all.size && error == 0; at++) {
			/* In memory of its own, so that a look beyond it would be noticed. */
			char *byte = malloc(1);
			*byte = all.data[at];
			error = feed(record, byte, 1);
			free(byte);
		}
		check(&bodies[i], record, error);
		destroy(record);
	}
}

static void an_error_of_a_callback_ends_it(void **state)
{
	static const char body[] = B "\r\n" FILE_OF("a") "\r\nhello\r\n" B "--\r\n";
	(void)state;
	for (int at = 1; at <= 5; at++) {
		struct record *record = create(false);
		record->fail_at = at;
		assert_int_equal(feed(record, body, sizeof body - 1), -77);
		size_t size = record->size;
		assert_int_equal(feed(record, body, sizeof body - 1), -77);
		assert_int_equal(record->size, size);
		assert_false(form_parts_complete(&record->parts));
		destroy(record);
	}
}

static int feed_text(struct record *record, const char *text)
{
	return feed(record, text, strlen(text));
}

static void headers_are_bounded(void **state)
{
	char line[1024];
	int error = 0, lines = 0;
	(void)state;
	memset(line, 'x', sizeof line);
	memcpy(line, "A: ", 3);
	memcpy(line + sizeof line - 3, "\r\n", 3);
	struct record *record = create(false);
	assert_int_equal(feed_text(record, B "\r\n" FILE_OF("a")), 0);
	for (; lines < 20 && error == 0; lines++)
		error = feed_text(record, line);
	assert_int_equal(error, WEIR_E_LIMIT);
	assert_int_equal(lines, 8);
	destroy(record);

	record = create(false);
	error = feed_text(record, B "\r\n" FILE_OF("a"));
	for (lines = 0; lines < 20 && error == 0; lines++)
		error = feed_text(record, "A: b\r\n");
	assert_int_equal(error, WEIR_E_LIMIT);
	assert_int_equal(lines, FORM_HEADER_FIELDS_MAX);
	destroy(record);

	record = create(false);
	error = feed_text(record, B "\r\nA: ");
	for (lines = 0; lines < 2000 && error == 0; lines++)
		error = feed_text(record, "xxxxxxxxxx");
	assert_int_equal(error, WEIR_E_LIMIT);
	assert_in_range(lines, 800, 830);
	destroy(record);
}

static void parts_are_bounded(void **state)
{
	struct record *record = create(false);
	int error = feed_text(record, B), parts = 0;
	(void)state;
	for (; parts < 2000 && error == 0; parts++)
		error = feed_text(record, "\r\n" FIELD "\r\nx\r\n" B);
	assert_int_equal(error, WEIR_E_LIMIT);
	assert_int_equal(parts, FORM_PARTS_MAX + 1);
	destroy(record);
}

static void an_end_too_early_is_not_complete(void **state)
{
	static const char body[] = B "\r\n" FILE_OF("a") "\r\nhello\r\n" B "--";
	(void)state;
	for (size_t size = 0; size < sizeof body - 1; size++) {
		struct record *record = create(false);
		assert_int_equal(feed(record, body, size), 0);
		assert_false(form_parts_complete(&record->parts));
		destroy(record);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_pair_of_cuts),
	        cmocka_unit_test(byte_by_byte),
	        cmocka_unit_test(an_error_of_a_callback_ends_it),
	        cmocka_unit_test(headers_are_bounded),
	        cmocka_unit_test(parts_are_bounded),
	        cmocka_unit_test(an_end_too_early_is_not_complete),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
