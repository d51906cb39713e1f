/* A zone written and read again is the same, whatever its records are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "allocation.h"
#include "random_zone.h"
#include "zone_builder.h"
#include "zone_file.h"

static void report(void *context, const char *path, unsigned line, const char *text)
{
	(void)context;
	print_message("%s:%u: %s\n", path, line, text);
}

static void check_first_line(const char *path)
{
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;
	assert_non_null(file);
	assert_true(getline(&line, &size, file) > 0);
	assert_true(strstr(line, "\tIN\tSOA\t") || strstr(line, "\tIN\tTYPE6\t"));
	free(line);
	fclose(file);
}

static void there_and_back(const struct weir_dns_zone *zone)
{
	char path[] = "/tmp/weir-zone-write-XXXXXX";
	struct weir_dns_zone *again = NULL;
	FILE *stream = fdopen(mkstemp(path), "w");
	assert_non_null(stream);
	assert_int_equal(weir_dns_zone_write(zone, stream), 0);
	assert_int_equal(fclose(stream), 0);
	check_first_line(path);
	int error = dns_zone_load_saved(path, &zone->apex, report, NULL, &again);
	unlink(path);
	assert_int_equal(error, 0);
	struct zone_lines wanted = zone_lines_of(zone), got = zone_lines_of(again);
	assert_true(zone_lines_equal(&wanted, &got));
	zone_lines_free(&wanted);
	zone_lines_free(&got);
	weir_dns_zone_release(again);
}

static void random_zones(void **state)
{
	struct dice dice = {.state = 99};
	(void)state;
	for (unsigned run = 0; run < 60; run++) {
		struct random_zone model = {.serial = run};
		random_zone_change(&model, &dice, 200);
		struct weir_dns_zone *zone = random_zone_make(&model);
		there_and_back(zone);
		weir_dns_zone_release(zone);
	}
}

static void add(struct dns_builder *builder, uint16_t type, const void *data, size_t size)
{
	struct weir_dns_name owner;
	weir_dns_name_parse(WEIR_SPAN("\\@\\$\\\"\\;x.z"), &owner);
	assert_int_equal(dns_builder_add(builder, &owner, type, 7, weir_span(data, size), 0), 0);
}

/* Bytes that quoting could break, types that are not known, the largest record there is. */
static void records_that_are_hard_to_write(void **state)
{
	static uint8_t huge[65000];
	struct dns_builder builder;
	struct weir_dns_zone *zone;
	struct weir_dns_name apex;
	uint8_t text[256] = {255};
	(void)state;
	for (unsigned i = 0; i < sizeof huge; i++)
		huge[i] = (uint8_t)(i * 7);
	for (unsigned i = 1; i < 256; i++)
		text[i] = (uint8_t)i;
	weir_dns_name_parse(WEIR_SPAN("z"), &apex);
	assert_int_equal(dns_builder_init(&builder, &apex), 0);
	assert_int_equal(
	        dns_builder_add(&builder, &apex, WEIR_DNS_SOA, 1,
	                weir_span("\2\"x\1z\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1", 27), 0),
	        0);
	assert_int_equal(
	        dns_builder_add(&builder, &apex, WEIR_DNS_NS, 1, weir_span("\3a\\b\1.\0", 7), 0),
	        0);
	add(&builder, WEIR_DNS_TXT, text, sizeof text);
	add(&builder, WEIR_DNS_TXT, "\0\2\";\1\\", 6);
	add(&builder, 65280, huge, sizeof huge);
	add(&builder, 65281, "", 0);
	add(&builder, 64, "\0\1\0\0\1\0\3\2h2", 10);
	add(&builder, 65, "\0\1\3foo\0", 7);
	add(&builder, 257, "\0\5issueca", 9);
	add(&builder, 29, "\0\22\26\23\200\0\0\0\200\0\0\0\0\230\226\200", 16);
	add(&builder, 52, "\3\1\1abcdefgh", 11);
	add(&builder, 44, "\1\1abcd", 6);
	add(&builder, WEIR_DNS_NAPTR, "\0\1\0\2\1u\7E2U+sip\4!^.!\0", 21);
	assert_int_equal(dns_builder_finish(&builder, NULL, NULL, &zone), 0);
	dns_builder_free(&builder);
	there_and_back(zone);
	weir_dns_zone_release(zone);
}

static void a_full_disk_is_told(void **state)
{
	struct random_zone model = {.serial = 1};
	struct dice dice = {.state = 1};
	(void)state;
	random_zone_change(&model, &dice, 400);
	struct weir_dns_zone *zone = random_zone_make(&model);
	FILE *stream = fopen("/dev/full", "w");
	assert_non_null(stream);
	setvbuf(stream, NULL, _IONBF, 0);
	assert_true(weir_dns_zone_write(zone, stream) < 0);
	fclose(stream);
	fail_allocation_after(0, true);
	int error = weir_dns_zone_write(zone, stdout);
	assert_true(stop_failing_allocations());
	assert_true(error < 0);
	weir_dns_zone_release(zone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(random_zones),
	        cmocka_unit_test(records_that_are_hard_to_write),
	        cmocka_unit_test(a_full_disk_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
