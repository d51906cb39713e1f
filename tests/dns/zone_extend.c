/* A zone with more texts, and a later serial: all else stays, and the zone before is untouched. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/dns_zone.h>
#include <weir/error.h>

#include "allocation.h"

#define ZONE                                                                                       \
	"$TTL 60\n@ SOA ns admin 10 60 60 3600 60\n@ NS ns\nns A 192.0.2.1\n"                      \
	"_acme-challenge.old TXT \"there\"\nsub NS ns.sub\nns.sub A 192.0.2.2\n"

static struct weir_dns_zone *zone_of(const char *text)
{
	char path[] = "/tmp/weir-zone-extend-XXXXXX";
	struct weir_dns_name apex;
	struct weir_dns_zone *zone = NULL;
	int fd = mkstemp(path);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	weir_dns_name_parse(WEIR_SPAN("example.org"), &apex);
	assert_int_equal(weir_dns_zone_load(path, &apex, NULL, NULL, &zone), 0);
	unlink(path);
	return zone;
}

static struct weir_dns_zone_text text_of(const char *owner, const char *text)
{
	struct weir_dns_zone_text ret = {.text = weir_span_of(text)};
	assert_int_equal(weir_dns_name_parse(weir_span_of(owner), &ret.owner), 0);
	return ret;
}

static void test_a_text(void **state)
{
	struct weir_dns_zone *zone = zone_of(ZONE), *more, *same, *wanted;
	struct weir_dns_zone_info info;
	(void)state;
	struct weir_dns_zone_text text = text_of("_ACME-challenge.Example.org", "proof");
	assert_int_equal(weir_dns_zone_extend(zone, 12, &text, 1, &more), 0);
	weir_dns_zone_info(more, &info);
	assert_int_equal(info.serial, 12);
	weir_dns_zone_info(zone, &info);
	assert_int_equal(info.serial, 10);
	wanted = zone_of("$TTL 60\n@ SOA ns admin 12 60 60 3600 60\n@ NS ns\nns A 192.0.2.1\n"
	                 "_acme-challenge.old TXT \"there\"\nsub NS ns.sub\nns.sub A 192.0.2.2\n"
	                 "_acme-challenge 1 TXT \"proof\"\n");
	assert_true(weir_dns_zone_equal(more, wanted));
	/* Secondaries can have the difference. */
	assert_int_equal(weir_dns_zone_follow(more, zone), 0);
	weir_dns_zone_info(more, &info);
	assert_int_equal(info.steps, 1);
	assert_int_equal(weir_dns_zone_extend(zone, 10, NULL, 0, &same), 0);
	assert_true(weir_dns_zone_equal(zone, same));
	weir_dns_zone_release(wanted);
	weir_dns_zone_release(same);
	weir_dns_zone_release(more);
	weir_dns_zone_release(zone);
}

static void test_what_cannot_be_added(void **state)
{
	struct weir_dns_zone *zone = zone_of(ZONE), *more = NULL, *placeholder;
	struct weir_dns_name apex;
	char large[300];
	(void)state;
	struct weir_dns_zone_text texts[2] = {
	        text_of("_acme-challenge.old.example.org", "there"), text_of("a.example.net", "x")};
	assert_int_equal(weir_dns_zone_extend(zone, 11, texts, 1, &more), -EBADMSG);
	assert_int_equal(weir_dns_zone_extend(zone, 11, texts + 1, 1, &more), WEIR_E_SYNTAX);
	memset(large, 'x', sizeof large);
	texts[0] = text_of("a.example.org", "x");
	texts[0].text = weir_span(large, 256);
	assert_int_equal(weir_dns_zone_extend(zone, 11, texts, 1, &more), WEIR_E_LIMIT);
	texts[0].text = weir_span(large, 255);
	texts[1] = texts[0];
	assert_int_equal(weir_dns_zone_extend(zone, 11, texts, 2, &more), -EBADMSG);
	assert_int_equal(weir_dns_zone_extend(zone, 11, texts, 1, &more), 0);
	weir_dns_zone_release(more);
	weir_dns_name_parse(WEIR_SPAN("example.org"), &apex);
	assert_int_equal(
	        weir_dns_zone_create_placeholder(&apex, WEIR_DNS_EDE_NOT_READY, &placeholder), 0);
	assert_int_equal(weir_dns_zone_extend(placeholder, 11, texts, 1, &more), -EINVAL);
	weir_dns_zone_release(placeholder);
	weir_dns_zone_release(zone);
}

static void test_without_memory(void **state)
{
	struct weir_dns_zone *zone = zone_of(ZONE);
	struct weir_dns_zone_text text = text_of("_acme-challenge.example.org", "proof");
	bool failed = true;
	(void)state;
	for (unsigned good = 0; failed; good++) {
		struct weir_dns_zone *more = NULL;
		fail_allocation_after(good, true);
		int error = weir_dns_zone_extend(zone, 11, &text, 1, &more);
		failed = stop_failing_allocations();
		assert_int_equal(error, failed ? -ENOMEM : 0);
		weir_dns_zone_release(more);
	}
	weir_dns_zone_release(zone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_a_text),
	        cmocka_unit_test(test_what_cannot_be_added),
	        cmocka_unit_test(test_without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
