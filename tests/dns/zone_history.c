/* Differences against plain lists: applied to the old zone, each gives the new one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <weir/error.h>

#include "allocation.h"
#include "random_zone.h"

static struct weir_dns_zone *make(const struct random_zone *model)
{
	struct weir_dns_zone *zone = random_zone_make(model);
	assert_non_null(zone);
	return zone;
}

/* Applies the step at hand, which ends at the next second SOA record or at the end. */
static void apply_step(struct dns_steps *steps, struct zone_lines *lines)
{
	struct zone_entry entry;
	unsigned delta = steps->delta, soas = 0;
	for (; dns_steps_peek(steps, &entry) && steps->delta == delta; dns_steps_step(steps)) {
		soas += entry.type == WEIR_DNS_SOA;
		assert_in_range(soas, 1, 2);
		if (soas == 1)
			assert_true(zone_lines_remove(lines, &entry));
		else
			zone_lines_add(lines, &entry);
	}
	assert_int_equal(soas, 2);
}

static void a_step_applied_to_the_old_zone_gives_the_new_one(void **state)
{
	struct dice dice = {.state = 42};
	unsigned few = 0;
	(void)state;
	for (unsigned run = 0; run < 3000; run++) {
		struct random_zone model = {.serial = run * 0x10000000u};
		random_zone_change(&model, &dice, 80);
		struct weir_dns_zone *old = make(&model);
		random_zone_change(&model, &dice, run % 3 ? 10 : 100);
		struct weir_dns_zone *new = make(&model);
		assert_int_equal(weir_dns_zone_follow(new, old), 0);
		if (!new->history) { /* it is larger than the zone */
			few++;
			weir_dns_zone_release(old);
			weir_dns_zone_release(new);
			continue;
		}
		struct dns_steps steps = {.history = new->history};
		struct zone_lines lines = zone_lines_of(old), wanted = zone_lines_of(new);
		apply_step(&steps, &lines);
		assert_true(zone_lines_equal(&lines, &wanted));
		zone_lines_free(&lines);
		zone_lines_free(&wanted);
		weir_dns_zone_release(old);
		weir_dns_zone_release(new);
	}
	assert_in_range(few, 0, 1500);
}

/* From every version that is remembered, the steps lead to the last. */
static void play_history(struct random_zone *model, unsigned changes, unsigned *ret_known)
{
	struct dice dice = {.state = 7};
	enum {
		VERSIONS = WEIR_DNS_HISTORY_STEPS_MAX + 20
	};
	struct zone_lines versions[VERSIONS];
	uint32_t serials[VERSIONS];
	struct weir_dns_zone *zone = NULL;
	*ret_known = 0;
	for (unsigned i = 0; i < VERSIONS; i++) {
		struct weir_dns_zone *old = zone;
		random_zone_change(model, &dice, i || !changes ? changes : 600);
		zone = make(model);
		if (old)
			assert_int_equal(weir_dns_zone_follow(zone, old), 0);
		weir_dns_zone_release(old);
		versions[i] = zone_lines_of(zone);
		serials[i] = model->serial;
	}
	assert_true(zone->history->size <= zone->size);
	for (unsigned i = 0; i < VERSIONS; i++) {
		struct dns_steps steps = {.history = zone->history};
		bool known = dns_history_find(zone, serials[i], &steps.delta);
		*ret_known += known;
		assert_int_equal(
		        known, i < VERSIONS - 1 && i >= VERSIONS - 1 - zone->history->count);
		for (unsigned to = i + 1; known && to < VERSIONS; to++)
			apply_step(&steps, &versions[i]);
		if (known)
			assert_true(zone_lines_equal(&versions[i], &versions[VERSIONS - 1]));
	}
	for (unsigned i = 0; i < VERSIONS; i++)
		zone_lines_free(&versions[i]);
	weir_dns_zone_release(zone);
}

static void histories_are_handed_on_and_bounded(void **state)
{
	struct random_zone model = {.serial = UINT32_MAX - 40};
	unsigned known;
	(void)state;
	play_history(&model, 20, &known);
	assert_in_range(known, 3, WEIR_DNS_HISTORY_STEPS_MAX - 1);
	memset(model.there, true, sizeof model.there);
	play_history(&model, 0, &known);
	assert_int_equal(known, WEIR_DNS_HISTORY_STEPS_MAX);
}

static void what_is_not_later_has_no_history_of_its_own(void **state)
{
	struct random_zone model = {.serial = 5};
	struct weir_dns_zone *first = make(&model), *other;
	(void)state;
	model.serial = 6;
	struct weir_dns_zone *second = make(&model), *again = make(&model);
	assert_int_equal(weir_dns_zone_follow(second, first), 0);
	assert_int_equal(second->history->count, 1);
	/* A version that is read again has the history of the previous one. */
	assert_int_equal(weir_dns_zone_follow(again, second), 0);
	assert_int_equal(again->history->count, 1);
	model.serial = 4;
	struct weir_dns_zone *older = make(&model);
	assert_int_equal(weir_dns_zone_follow(older, first), 0);
	assert_null(older->history);
	assert_int_equal(
	        weir_dns_zone_create_placeholder(&first->apex, WEIR_DNS_EDE_NOT_READY, &other), 0);
	assert_int_equal(weir_dns_zone_follow(older, other), 0);
	assert_null(older->history);
	weir_dns_zone_release(first);
	weir_dns_zone_release(second);
	weir_dns_zone_release(again);
	weir_dns_zone_release(older);
	weir_dns_zone_release(other);
}

static void a_difference_that_is_too_large(void **state)
{
	struct dice dice = {.state = 3};
	struct random_zone model = {.serial = 5};
	struct weir_buffer bytes = {0};
	(void)state;
	struct weir_dns_zone *old = make(&model);
	random_zone_change(&model, &dice, 100);
	struct weir_dns_zone *new = make(&model);
	assert_int_equal(dns_zone_difference(old, new, SIZE_MAX, &bytes), 0);
	size_t size = bytes.size;
	weir_buffer_finish(&bytes);
	assert_int_equal(dns_zone_difference(old, new, size, &bytes), 0);
	weir_buffer_finish(&bytes);
	assert_int_equal(dns_zone_difference(old, new, size - 1, &bytes), WEIR_E_LIMIT);
	assert_null(bytes.data);
	weir_dns_zone_release(old);
	weir_dns_zone_release(new);
}

static void without_memory(void **state)
{
	struct dice dice = {.state = 3};
	struct random_zone model = {.serial = 5};
	bool failed = true;
	(void)state;
	struct weir_dns_zone *old = make(&model);
	random_zone_change(&model, &dice, 100);
	struct weir_dns_zone *new = make(&model);
	for (unsigned good = 0; failed; good++) {
		fail_allocation_after(good, true);
		int error = weir_dns_zone_follow(new, old);
		failed = stop_failing_allocations();
		assert_int_equal(error < 0, failed);
		assert_int_equal(new->history != NULL, !failed);
	}
	weir_dns_zone_release(old);
	weir_dns_zone_release(new);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_step_applied_to_the_old_zone_gives_the_new_one),
	        cmocka_unit_test(histories_are_handed_on_and_bounded),
	        cmocka_unit_test(what_is_not_later_has_no_history_of_its_own),
	        cmocka_unit_test(a_difference_that_is_too_large),
	        cmocka_unit_test(without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
