/* The file names of a Maildir, and the scan of a message in pieces. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mail_message.h"

struct example {
	const char *name, *unique;
	uint64_t stored, octets;
	bool measured, dotless;
};

static void names_are_understood(void **state)
{
	(void)state;
	static const struct example examples[] = {
	        {"1.M2P3.h,S=10,W=12", "1.M2P3.h", 10, 12, true, false},
	        {"1.M2P3.h,S=10,W=12:2,S", "1.M2P3.h", 10, 12, true, false},
	        {"1.M2P3.h,S=10,W=10,D=0:2,", "1.M2P3.h", 10, 10, true, true},
	        {"1.M2P3.h,W=10,S=10,D=0", "1.M2P3.h", 10, 10, true, true},
	        /* D=0 does not apply to a file whose line ends are translated. */
	        {"1.M2P3.h,S=9,W=10,D=0", "1.M2P3.h", 9, 10, true, false},
	        {"1.M2P3.h,S=10,W=10,D=3", "1.M2P3.h", 10, 10, true, false},
	        {"1.M2P3.h,S=10", "1.M2P3.h", 10, 0, false, false},
	        {"1.M2P3.h,W=10", "1.M2P3.h", 0, 10, false, false},
	        {"1.M2P3.h", "1.M2P3.h", 0, 0, false, false},
	        {"1.M2P3.h:2,S=5,W=5", "1.M2P3.h", 0, 0, false, false},
	        {"a,b,S=1,W=1", "a,b", 1, 1, true, false},
	        {"a,S=x,W=1", "a,S=x", 0, 1, false, false},
	        {"a,S=,W=1", "a,S=", 0, 1, false, false},
	        {"a,S=99999999999999999999,W=1", "a,S=99999999999999999999", 0, 1, false, false},
	        {"a,S", "a,S", 0, 0, false, false},
	        {"a,", "a,", 0, 0, false, false},
	        {",S=1,W=1", "", 1, 1, true, false},
	        {":2,S", "", 0, 0, false, false},
	        {"", "", 0, 0, false, false},
	};
	for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
		const struct example *example = &examples[i];
		struct mail_name name;
		mail_name_parse(weir_span_of(example->name), &name);
		assert_true(weir_span_equal(name.unique, weir_span_of(example->unique)));
		assert_int_equal(name.measured, example->measured);
		assert_int_equal(name.dotless, example->dotless);
		if (example->measured) {
			assert_int_equal(name.stored, example->stored);
			assert_int_equal(name.octets, example->octets);
		}
	}
}

static void uids_are_printable_and_short(void **state)
{
	(void)state;
	char uid[WEIR_MAIL_UID_MAX + 1], other[WEIR_MAIL_UID_MAX + 1], longest[256];
	mail_name_uid(WEIR_SPAN("1.M2P3.h"), uid);
	assert_string_equal(uid, "1.M2P3.h");
	memset(longest, 'x', sizeof longest);
	mail_name_uid(weir_span(longest, WEIR_MAIL_UID_MAX), uid);
	assert_int_equal(strlen(uid), WEIR_MAIL_UID_MAX);
	assert_memory_equal(uid, longest, WEIR_MAIL_UID_MAX);
	mail_name_uid(weir_span(longest, WEIR_MAIL_UID_MAX + 1), uid);
	assert_int_equal(strlen(uid), 37);
	assert_memory_equal(uid, "hash-", 5);
	mail_name_uid(weir_span(longest, WEIR_MAIL_UID_MAX + 2), other);
	assert_string_not_equal(uid, other);
	for (const char *const *bad = (const char *const[]){"", "a b", "\xc3\xa4", "a\x7f", NULL};
	        *bad; bad++) {
		mail_name_uid(weir_span_of(*bad), uid);
		assert_int_equal(strlen(uid), 37);
	}
}

static struct mail_scan scan_of(struct weir_span bytes, size_t cut, bool unix_lines)
{
	struct mail_scan scan = {.unix_lines = unix_lines};
	mail_scan(&scan, weir_span(bytes.data, cut));
	mail_scan(&scan, weir_span_skip(bytes, cut));
	return scan;
}

/*
 * Every text of up to seven of the characters that matter, cut everywhere, against a plain search.
 */
static void scans_agree_with_a_plain_look(void **state)
{
	(void)state;
	static const char letters[] = ".\r\nx";
	for (unsigned size = 0; size <= 7; size++) {
		for (unsigned number = 0; number < 1u << (2 * size); number++) {
			char text[8] = "";
			for (unsigned i = 0; i < size; i++)
				text[i] = letters[number >> (2 * i) & 3];
			bool dotted = text[0] == '.' || strstr(text, "\r\n.");
			bool unix_dotted = text[0] == '.' || strstr(text, "\n.");
			bool ended = !size || (size >= 2 && !strcmp(text + size - 2, "\r\n"));
			bool unix_ended = !size || text[size - 1] == '\n';
			unsigned bare = 0;
			for (unsigned i = 0; i < size; i++)
				bare += text[i] == '\n' && (i == 0 || text[i - 1] != '\r');
			for (unsigned cut = 0; cut <= size; cut++) {
				struct weir_span bytes = weir_span(text, size);
				struct mail_scan scan = scan_of(bytes, cut, false);
				assert_int_equal(scan.dotted, dotted);
				assert_int_equal(mail_scan_ended(&scan), ended);
				assert_int_equal(scan.stored, size);
				scan = scan_of(bytes, cut, true);
				assert_int_equal(scan.dotted, unix_dotted);
				assert_int_equal(mail_scan_ended(&scan), unix_ended);
				assert_int_equal(scan.bare, bare);
			}
		}
	}
}

static void new_names_are_understood_and_differ(void **state)
{
	(void)state;
	char one[MAIL_NAME_SIZE], two[MAIL_NAME_SIZE], uid[WEIR_MAIL_UID_MAX + 1];
	struct mail_name name;
	struct mail_scan scan = scan_of(WEIR_SPAN("Subject: x\r\n\r\ny\r\n"), 3, false);
	assert_int_equal(mail_name_make(&scan, one), 0);
	assert_int_equal(mail_name_make(&scan, two), 0);
	assert_string_not_equal(one, two);
	mail_name_parse(weir_span_of(one), &name);
	assert_true(name.measured && name.dotless);
	assert_int_equal(name.stored, 17);
	assert_int_equal(name.octets, 17);
	mail_name_uid(name.unique, uid);
	assert_true(weir_span_equal(name.unique, weir_span_of(uid)));
	scan = scan_of(WEIR_SPAN("x\r\n.\r\n"), 0, false);
	assert_int_equal(mail_name_make(&scan, one), 0);
	mail_name_parse(weir_span_of(one), &name);
	assert_true(name.measured && !name.dotless);
	scan = scan_of(WEIR_SPAN("not ended"), 0, false);
	assert_int_equal(mail_name_make(&scan, one), 0);
	mail_name_parse(weir_span_of(one), &name);
	assert_true(name.measured && !name.dotless);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(names_are_understood),
	        cmocka_unit_test(uids_are_printable_and_short),
	        cmocka_unit_test(scans_agree_with_a_plain_look),
	        cmocka_unit_test(new_names_are_understood_and_differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
