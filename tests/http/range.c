/* Byte ranges: case by case, and against a model that marks every byte asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fields.h"

enum {
	IGNORED,
	SATISFIABLE,
	UNSATISFIABLE
};

static const struct {
	const char *what, *value;
	uint64_t size;
	int result;
	const char *ranges;
} values[] = {
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
        {"merged in the place of the first", "bytes=8-9,4-4,0-2,1-3", 10, SATISFIABLE, "8+2 0+5 "},
        {"beyond 64 bits", "bytes=1-99999999999999999999", 10, SATISFIABLE, "1+9 "},
        {"a huge representation", "bytes=1-", UINT64_MAX, SATISFIABLE, "1+18446744073709551614 "},
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

static void values_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		struct http_ranges ranges = {.count = 0};
		char text[512] = "";
		int result =
		        http_range_parse(weir_span_of(values[i].value), values[i].size, &ranges);
		for (unsigned j = 0, used = 0; j < ranges.count; j++)
			used += (unsigned)snprintf(text + used, sizeof text - used, "%llu+%llu ",
			        (unsigned long long)ranges.ranges[j].offset,
			        (unsigned long long)ranges.ranges[j].size);
		if (result != values[i].result || strcmp(text, values[i].ranges) != 0)
			fail_msg("%s: %d %s", values[i].what, result, text);
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

enum {
	SIZE = 24
};

struct bytes {
	bool marked[SIZE];
	bool any;
};

/* Appends one random range to the text, and marks its bytes. */
static int add_range(char *text, size_t capacity, struct bytes *bytes)
{
	unsigned first = next_random(SIZE + 4), last = first + next_random(6);
	int used;
	switch (next_random(6)) {
	case 0:
		used = snprintf(text, capacity, "-%u,", first % 6);
		first = SIZE - first % 6;
		last = SIZE - 1;
		break;
	case 1:
		used = snprintf(text, capacity, "%u-,", first);
		last = SIZE - 1;
		break;
	default:
		used = snprintf(text, capacity, "%u-%u,", first, last);
	}
	for (unsigned i = first; i <= last && i < SIZE; i++)
		bytes->any = bytes->marked[i] = true;
	return used;
}

/* Marks the bytes of what was parsed, each of which must be in one range only. */
static void mark(const struct http_ranges *ranges, struct bytes *bytes)
{
	for (unsigned i = 0; i < ranges->count; i++) {
		const struct http_range *range = &ranges->ranges[i];
		uint64_t end = range->offset + range->size;
		assert_true(range->size > 0 && end <= SIZE);
		for (uint64_t at = range->offset; at < end; at++) {
			assert_false(bytes->marked[at]);
			bytes->marked[at] = true;
		}
		/* Neighbours would have been merged. */
		for (unsigned j = 0; j < ranges->count; j++)
			assert_true(ranges->ranges[j].offset != end);
	}
}

static void model_of_bytes(void **state)
{
	unsigned satisfiable = 0;
	(void)state;
	for (unsigned round = 0; round < 100000; round++) {
		struct bytes wanted = {.any = false}, got = {.any = true};
		struct http_ranges ranges;
		char value[256] = "bytes=";
		for (int used = 6, count = 1 + (int)next_random(5); count; count--)
			used += add_range(value + used, sizeof value - (size_t)used, &wanted);
		int result = http_range_parse(weir_span_of(value), SIZE, &ranges);
		if (result == IGNORED) /* too many overlaps; the ranges are well-formed */
			continue;
		assert_int_equal(result, wanted.any ? SATISFIABLE : UNSATISFIABLE);
		if (!wanted.any)
			continue;
		satisfiable++;
		mark(&ranges, &got);
		if (memcmp(&wanted, &got, sizeof got) != 0)
			fail_msg("%s: other bytes", value);
	}
	assert_true(satisfiable > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(values_by_name),
	        cmocka_unit_test(model_of_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
