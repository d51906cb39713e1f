/*
 * Secondaries on the loop of their own primary: options that change, NOTIFY, ends in every state,
 * and allocations that fail. Replies of real servers are tested in test_dns_secondary.py.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/dns_secondary.h>
#include <weir/error.h>
#include <weir/loop.h>

#include "allocation.h"
#include "random_zone.h"

static struct {
	struct weir_loop *loop;
	struct weir_dns_server *primary;
	struct weir_address address;
	struct weir_dns_secondaries *secondaries;
	struct weir_dns_name name;
	unsigned changes;
	unsigned events[WEIR_DNS_KEEP_FAILED + 1];
	unsigned number; /* of the file: what the pool still writes is another test's */
	char directory[40], path[60];
} test;

static const struct weir_network anybody = {0};

static void set_primary(uint32_t serial)
{
	struct random_zone model = {.serial = serial};
	struct dice dice = {.state = 1};
	random_zone_change(&model, &dice, 50);
	model.serial = serial;
	struct weir_dns_zone_entry entry = {.zone = random_zone_make(&model),
	        .policy = {.networks = &anybody, .network_count = 1}};
	struct weir_dns_zones *zones;
	assert_non_null(entry.zone);
	assert_int_equal(weir_dns_zones_create(&entry, 1, &zones), 0);
	weir_dns_zone_release(entry.zone);
	if (test.primary) {
		weir_dns_set_zones(test.primary, zones);
	} else {
		struct weir_dns_options options;
		weir_dns_options_init(&options);
		options.zones = zones;
		assert_int_equal(
		        weir_address_parse(WEIR_SPAN("127.0.0.1:0"), &options.listener.address), 0);
		assert_int_equal(weir_dns_create(test.loop, &options, &test.primary), 0);
		test.address = *weir_server_address(weir_dns_listener(test.primary));
	}
	weir_dns_zones_release(zones);
}

static void on_changed(void *context)
{
	(void)context;
	test.changes++;
}

static void on_event(void *context, const struct weir_dns_event *event)
{
	(void)context;
	test.events[event->kind]++;
}

static const char *path_of(unsigned number)
{
	snprintf(test.path, sizeof test.path, "%s/z%u", test.directory, number);
	return test.path;
}

static int create(void)
{
	struct weir_dns_secondaries_options options;
	weir_dns_secondaries_options_init(&options);
	options.changed = on_changed;
	options.log = on_event;
	memset(test.events, 0, sizeof test.events);
	test.changes = 0;
	path_of(++test.number);
	return weir_dns_secondaries_create(test.loop, &options, &test.secondaries);
}

static struct weir_dns_secondary_options zone_options(void)
{
	struct weir_dns_secondary_options options;
	weir_dns_secondary_options_init(&options);
	options.name = test.name;
	options.primaries = &test.address;
	options.primary_count = 1;
	return options;
}

/* The default interval if `retry_s` is 0. */
static int set(bool saved, uint32_t retry_s, bool wait)
{
	struct weir_dns_secondary_options options = zone_options();
	options.path = saved ? test.path : NULL;
	if (retry_s)
		options.retry_min_s = retry_s;
	return weir_dns_secondaries_set(test.secondaries, &options, 1, wait);
}

/* 0: a placeholder. */
static uint32_t serial(void)
{
	struct weir_dns_zone_info info;
	struct weir_dns_zone *zone = weir_dns_secondaries_zone(test.secondaries, &test.name);
	assert_non_null(zone);
	weir_dns_zone_info(zone, &info);
	return info.unavailable ? 0 : info.serial;
}

static void turn_until(uint32_t wanted)
{
	for (unsigned i = 0; i < 3000 && serial() != wanted; i++)
		weir_loop_turn(test.loop, 10);
	assert_int_equal(serial(), wanted);
}

static void turn(unsigned times)
{
	while (times--)
		weir_loop_turn(test.loop, 1);
}

static void destroy(void)
{
	weir_dns_secondaries_destroy(test.secondaries);
	test.secondaries = NULL;
	turn(3);
}

static unsigned notify(void)
{
	struct weir_address from = test.address;
	from.v4.sin_port = 0;
	return weir_dns_secondaries_notified(test.secondaries, &test.name, &from, NULL);
}

static void a_zone_comes_and_follows_its_primary(void **state)
{
	(void)state;
	set_primary(5);
	assert_int_equal(create(), 0);
	assert_int_equal(set(true, 0, false), 0);
	assert_int_equal(serial(), 0);
	turn_until(5);
	assert_true(test.changes >= 2);
	turn(1200 / WEIR_TIMER_TICK_MS);
	for (uint32_t version = 6; version < 8; version++) {
		struct weir_dns_zone_info info;
		set_primary(version);
		assert_int_equal(notify(), WEIR_DNS_NOERROR);
		turn_until(version);
		weir_dns_zone_info(weir_dns_secondaries_zone(test.secondaries, &test.name), &info);
		assert_int_equal(info.steps, version - 5);
	}
	assert_int_equal(test.events[WEIR_DNS_FETCHED], 3);
	assert_int_equal(test.events[WEIR_DNS_FETCH_FAILED], 0);
	destroy();
}

static void options_that_cannot_work_are_refused(void **state)
{
	struct weir_dns_secondaries_options options = {.changed = on_changed};
	struct weir_dns_secondaries *secondaries;
	(void)state;
	assert_int_equal(weir_dns_secondaries_create(test.loop, &options, &secondaries), -EINVAL);
	weir_dns_secondaries_options_init(&options);
	assert_int_equal(weir_dns_secondaries_create(test.loop, &options, &secondaries), -EINVAL);
}

static void options_change_and_the_version_stays(void **state)
{
	struct weir_dns_secondary_options twice[2] = {zone_options(), zone_options()};
	(void)state;
	set_primary(9);
	assert_int_equal(create(), 0);
	assert_int_equal(set(false, 0, true), 0);
	turn_until(9);
	unsigned fetched = test.events[WEIR_DNS_FETCHED];
	assert_int_equal(set(false, 0, true), 0);
	assert_int_equal(serial(), 9);
	assert_int_equal(
	        weir_dns_secondaries_set(test.secondaries, twice, 2, false), WEIR_E_SYNTAX);
	twice[0].primary_count = 0;
	assert_int_equal(
	        weir_dns_secondaries_set(test.secondaries, twice, 1, false), WEIR_E_SYNTAX);
	twice[0].primary_count = WEIR_DNS_PRIMARIES_MAX + 1;
	assert_int_equal(weir_dns_secondaries_set(test.secondaries, twice, 1, false), WEIR_E_LIMIT);
	for (unsigned i = 0; i < 5; i++) {
		struct weir_dns_secondary_options none = zone_options();
		uint32_t *members[] = {&none.refresh_min_s, &none.refresh_max_s, &none.retry_min_s,
		        &none.retry_max_s};
		if (i < 4)
			*members[i] = 0;
		else
			none.bytes_max = 0;
		assert_int_equal(
		        weir_dns_secondaries_set(test.secondaries, &none, 1, false), -EINVAL);
	}
	assert_int_equal(serial(), 9);
	/* With a path it is written without being fetched again. */
	assert_int_equal(set(true, 77, true), 0);
	assert_int_equal(serial(), 9);
	struct stat status;
	for (unsigned i = 0; i < 1000 && stat(test.path, &status) < 0; i++)
		weir_loop_turn(test.loop, 10);
	assert_int_equal(stat(test.path, &status), 0);
	assert_int_equal(test.events[WEIR_DNS_FETCHED], fetched);
	assert_int_equal(weir_dns_secondaries_set(test.secondaries, NULL, 0, false), 0);
	assert_null(weir_dns_secondaries_zone(test.secondaries, &test.name));
	assert_int_equal(notify(), WEIR_DNS_NOTAUTH);
	/* The saved version is there at once. */
	assert_int_equal(set(true, 0, true), 0);
	assert_int_equal(serial(), 9);
	destroy();
}

static void who_may_notify(void **state)
{
	struct weir_address other;
	struct weir_dns_name name = test.name;
	(void)state;
	set_primary(9);
	assert_int_equal(create(), 0);
	assert_int_equal(set(false, 0, true), 0);
	weir_address_parse(WEIR_SPAN("127.0.0.2:53"), &other);
	assert_int_equal(weir_dns_secondaries_notified(test.secondaries, &name, &other, NULL),
	        WEIR_DNS_REFUSED);
	weir_dns_name_parse(WEIR_SPAN("y"), &name);
	assert_int_equal(
	        weir_dns_secondaries_notified(test.secondaries, &name, &test.address, NULL),
	        WEIR_DNS_NOTAUTH);
	assert_int_equal(notify(), WEIR_DNS_NOERROR);
	/* The notice is still to be heeded. */
	destroy();
}

static void it_may_end_at_any_moment(void **state)
{
	(void)state;
	set_primary(20);
	for (unsigned turns = 0; turns < 25; turns++) {
		assert_int_equal(create(), 0);
		assert_int_equal(set(true, 0, turns % 2), 0);
		turn(turns);
		notify();
		turn(turns % 3);
		destroy();
	}
}

/* Whatever fails, it is as it was, or the next round mends it. */
static void without_memory(void **state)
{
	bool failed = true;
	(void)state;
	set_primary(30);
	for (unsigned good = 0; failed; good += good < 30 ? 1 : 9) {
		fail_allocation_after(good, false);
		int error = create();
		if (error == 0) {
			error = set(good % 2, 1, good % 3 == 0);
			for (unsigned i = 0; i < 40 && error == 0 && serial() != 30; i++)
				weir_loop_turn(test.loop, 2);
			failed = stop_failing_allocations();
			if (error == 0)
				turn_until(30);
			destroy();
		}
		stop_failing_allocations();
	}
}

static int start(void **state)
{
	(void)state;
	snprintf(test.directory, sizeof test.directory, "/tmp/weir-secondary-XXXXXX");
	if (!mkdtemp(test.directory) || weir_loop_create(&test.loop) < 0)
		return -1;
	return weir_dns_name_parse(WEIR_SPAN("z"), &test.name);
}

static int end(void **state)
{
	(void)state;
	weir_dns_destroy(test.primary);
	turn(3);
	weir_loop_destroy(test.loop);
	while (test.number)
		unlink(path_of(test.number--));
	return rmdir(test.directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_zone_comes_and_follows_its_primary),
	        cmocka_unit_test(options_that_cannot_work_are_refused),
	        cmocka_unit_test(options_change_and_the_version_stays),
	        cmocka_unit_test(who_may_notify),
	        cmocka_unit_test(it_may_end_at_any_moment),
	        cmocka_unit_test(without_memory),
	};
	return cmocka_run_group_tests(tests, start, end);
}
