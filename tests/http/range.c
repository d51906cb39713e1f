/* Byte ranges: case by case, and against a model that marks every byte asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "range.h"

enum {
	IGNORED,
	SATISFIABLE,
	UNSATISFIABLE
};

static void cases_by_name(void **state)
{
	static const struct {
		const char *what, *value;
		uint64_t size;
		int result;
		const char *ranges;
	} cases[] = {
	        {"from the start", "bytes=0-4", 10, SATISFIABLE, "0+5 "},
	        {"one byte", "bytes=0-0", 10, SATISFIABLE, "0+1 "},
	        {"to the end", "bytes=3-", 10, SATISFIABLE, "3+7 "},
	        {"clipped", "bytes=3-99", 10, SATISFIABLE, "3+7 "},
	        {"the last bytes", "bytes=-3", 10, SATISFIABLE, "7+3 "},
	        {"more last bytes than there are", "bytes=-30", 10, SATISFIABLE, "0+10 "},
	        {"the unit in capitals", "BYTES=0-4", 10, SATISFIABLE, "0+5 "},
	        {"two, with white space", "bytes=0-1 ,\t4-5", 10, SATISFIABLE, "0+2 4+2 "},
	        {"not in order", "bytes=6-7,0-1", 10, SATISFIABLE, "6+2 0+2 "},
	        {"empty elements", "bytes=,0-1,,3-3,", 10, SATISFIABLE, "0+2 3+1 "},
	        {"one unsatisfiable of two", "bytes=90-,0-1", 10, SATISFIABLE, "0+2 "},
	        {"overlapping", "bytes=0-4,3-8", 10, SATISFIABLE, "0+9 "},
	        {"touching", "bytes=0-4,5-8", 10, SATISFIABLE, "0+9 "},
	        {"one bridges two", "bytes=0-1,8-9,1-8", 10, SATISFIABLE, "0+10 "},
	        {"merged in the place of the first", "bytes=8-9,4-4,0-2,1-3", 10, SATISFIABLE,
	                "8+2 0+5 "},
	        {"beyond 64 bits", "bytes=1-99999999999999999999", 10, SATISFIABLE, "1+9 "},
	        {"a huge representation", "bytes=1-", UINT64_MAX, SATISFIABLE,
	                "1+18446744073709551614 "},
	        {"first beyond 64 bits", "bytes=99999999999999999999-", 10, UNSATISFIABLE, ""},
	        {"behind the end", "bytes=10-", 10, UNSATISFIABLE, ""},
	        {"no last bytes", "bytes=-0", 10, UNSATISFIABLE, ""},
	        {"all behind the end", "bytes=10-11,-0,20-", 10, UNSATISFIABLE, ""},
	        {"of nothing", "bytes=0-", 0, IGNORED, ""},
	        {"the last of nothing", "bytes=-5", 0, IGNORED, ""},
	        {"no unit", "0-4", 10, IGNORED, ""},
	        {"another unit", "lines=0-4", 10, IGNORED, ""},
	        {"a space before =", "bytes =0-4", 10, IGNORED, ""},
	        {"an empty value", "", 10, IGNORED, ""},
	        {"an empty set", "bytes=", 10, IGNORED, ""},
	        {"commas alone", "bytes=,,", 10, IGNORED, ""},
	        {"a dash alone", "bytes=-", 10, IGNORED, ""},
	        {"a number alone", "bytes=5", 10, IGNORED, ""},
	        {"the wrong way round", "bytes=5-4", 10, IGNORED, ""},
	        {"a sign", "bytes=+0-4", 10, IGNORED, ""},
	        {"two dashes", "bytes=0--4", 10, IGNORED, ""},
	        {"spaces inside", "bytes=0 - 4", 10, IGNORED, ""},
	        {"hexadecimal", "bytes=0x0-4", 10, IGNORED, ""},
	        {"one malformed of two", "bytes=0-1,a", 10, IGNORED, ""},
	        {"two units", "bytes=bytes=0-1", 10, IGNORED, ""},
	        {"17 ranges",
	                "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,"
	                "26-26,28-28,30-30,32-32",
	                99, IGNORED, ""},
	        {"four overlapping", "bytes=0-,0-,0-,0-", 10, IGNORED, ""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct weir_http_ranges ranges = {.count = 0};
		char text[512] = "";
		int result =
		        weir_http_range_parse(weir_span_of(cases[i].value), cases[i].size, &ranges);
		for (unsigned j = 0, used = 0; j < ranges.count; j++)
			used += (unsigned)snprintf(text + used, sizeof text - used, "%llu+%llu ",
			        (unsigned long long)ranges.ranges[j].offset,
			        (unsigned long long)ranges.ranges[j].size);
		if (result != cases[i].result || strcmp(text, cases[i].ranges) != 0)
			fail_msg("%s: %d %s", cases[i].what, result, text);
	}
}

static unsigned next_random(unsigned below)
{
	static uint32_t seed = 2463534242u;
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % below;
}

/* Sets of up to five ranges over a few bytes; the model marks the bytes of each. */
static void model_of_bytes(void **state)
{
	enum {
		SIZE = 24
	};
	unsigned satisfiable = 0;
	(void)state;
	for (unsigned round = 0; round < 100000; round++) {
		bool wanted[SIZE] = {false}, got[SIZE] = {false}, any = false;
		char value[256];
		int used = snprintf(value, sizeof value, "bytes=");
		for (unsigned count = 1 + next_random(5); count; count--) {
			unsigned first = next_random(SIZE + 4), last = first + next_random(6);
			unsigned form = next_random(6);
			if (form == 0) {
				used += snprintf(
				        value + used, sizeof value - used, "-%u", first % 6);
				last = SIZE - 1;
				first = SIZE - first % 6;
			} else if (form == 1) {
				used += snprintf(value + used, sizeof value - used, "%u-", first);
				last = SIZE - 1;
			} else {
				used += snprintf(
				        value + used, sizeof value - used, "%u-%u", first, last);
			}
			for (unsigned i = first; i <= last && i < SIZE; i++)
				any = wanted[i] = true;
			used += snprintf(value + used, sizeof value - used, count > 1 ? "," : "");
		}
		struct weir_http_ranges ranges;
		int result = weir_http_range_parse(weir_span_of(value), SIZE, &ranges);
		if (result == IGNORED) /* too many overlaps; the ranges are well-formed */
			continue;
		assert_int_equal(result, any ? SATISFIABLE : UNSATISFIABLE);
		if (!any)
			continue;
		satisfiable++;
		for (unsigned i = 0; i < ranges.count; i++) {
			const struct weir_http_range *range = &ranges.ranges[i];
			assert_true(range->size > 0 && range->offset + range->size <= SIZE);
			for (uint64_t at = range->offset; at < range->offset + range->size; at++) {
				if (got[at])
					fail_msg("%s: byte %u twice", value, (unsigned)at);
				got[at] = true;
			}
			/* Neighbours would have been merged. */
			uint64_t end = range->offset + range->size;
			for (unsigned j = 0; j < ranges.count; j++)
				assert_true(ranges.ranges[j].offset != end);
		}
		if (memcmp(wanted, got, sizeof got) != 0)
			fail_msg("%s: other bytes", value);
	}
	assert_true(satisfiable > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(cases_by_name),
	        cmocka_unit_test(model_of_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
