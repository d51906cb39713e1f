/* Sets of cells: one for each table and labels, bounded, readable by another thread. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <weir/loop.h>
#include <weir/metrics.h>

#include "allocation.h"
#include "clock.h"

struct cells {
	uint64_t count;
	uint64_t took_ms[WEIR_METRIC_HISTOGRAM_CELLS];
};

static const struct weir_metric rows[] = {
        {.name = "weir_test_things_total",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct cells, count)},
        {0},
};
static const struct weir_metric_table table = {rows, sizeof(struct cells), {"name", "kind"}};
static const struct weir_metric_table other_table = {rows, sizeof(struct cells), {"name", "kind"}};

static struct weir_loop *loop;

static int set_up(void **state)
{
	(void)state;
	return weir_loop_create(&loop);
}

static int tear_down(void **state)
{
	(void)state;
	weir_loop_destroy(loop);
	return 0;
}

static struct cells *set_of(const char *name, const char *kind)
{
	return weir_metrics_set(loop, &table, (const char *[]){name, kind});
}

static const struct weir_metric_set *find(const void *cells)
{
	const struct weir_metric_set *set = weir_metrics_first(loop);
	while (set && set->cells != cells)
		set = set->next;
	return set;
}

static void equal_labels_share_a_set(void **state)
{
	(void)state;
	struct cells *a = set_of("a", "x");
	char copy[] = "a";
	assert_non_null(a);
	assert_ptr_equal(set_of(copy, "x"), a);
	copy[0] = 'z';
	assert_string_equal(find(a)->values[0], "a");
	assert_ptr_not_equal(set_of("a", "y"), a);
	assert_ptr_not_equal(set_of("ax", ""), set_of("a", "x"));
	assert_ptr_not_equal(weir_metrics_set(loop, &other_table, (const char *[]){"a", "x"}), a);
	assert_int_equal(a->count, 0);
}

static void a_long_label_is_cut(void **state)
{
	(void)state;
	char text[WEIR_METRIC_LABEL_MAX + 10];
	memset(text, 'n', sizeof text);
	text[sizeof text - 1] = 0;
	struct cells *cells = set_of(text, "");
	assert_int_equal(strlen(find(cells)->values[0]), WEIR_METRIC_LABEL_MAX);
	text[WEIR_METRIC_LABEL_MAX + 2] = 'm';
	assert_ptr_equal(set_of(text, ""), cells);
}

/* A configuration that is reloaded with new names for ever cannot use up the memory. */
static void sets_are_bounded(void **state)
{
	(void)state;
	char name[32];
	for (unsigned i = 0; i < WEIR_METRIC_SETS_MAX + 100; i++) {
		snprintf(name, sizeof name, "site %u", i);
		assert_non_null(set_of(name, ""));
	}
	size_t count = 0;
	for (const struct weir_metric_set *set = weir_metrics_first(loop); set; set = set->next)
		count++;
	assert_int_equal(count, WEIR_METRIC_SETS_MAX + 1);
	struct cells *rest = set_of("one more", "");
	assert_ptr_equal(set_of("and another", "x"), rest);
	assert_string_equal(find(rest)->values[0], "other");
	assert_string_equal(find(rest)->values[1], "other");
	assert_ptr_not_equal(set_of("site 7", ""), rest);
}

static void without_memory_there_is_no_set(void **state)
{
	(void)state;
	fail_allocation_after(0, true);
	assert_null(set_of("a", ""));
	assert_true(stop_failing_allocations());
	assert_non_null(set_of("a", ""));
}

static void durations_fall_into_fixed_buckets(void **state)
{
	(void)state;
	static const struct {
		int64_t ms;
		unsigned bucket;
	} cases[] = {{-5, 0}, {0, 0}, {1, 1}, {2, 2}, {3, 2}, {4, 3}, {1023, 10}, {1024, 11},
	        {65535, 16}, {65536, 17}, {INT64_MAX / 2, 17}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint64_t histogram[WEIR_METRIC_HISTOGRAM_CELLS] = {0};
		weir_metric_observe_ms(histogram, cases[i].ms);
		assert_int_equal(histogram[cases[i].bucket], 1);
		assert_int_equal(histogram[WEIR_METRIC_BUCKETS], cases[i].ms > 0 ? cases[i].ms : 0);
	}
}

static uint64_t own_cell(const char *name)
{
	for (const struct weir_metric_set *set = weir_metrics_first(loop); set; set = set->next)
		for (const struct weir_metric *row = set->table->metrics; row->name; row++)
			if (strcmp(row->name, name) == 0)
				return weir_metric_read(&set->cells[row->cell]);
	fail_msg("%s is missing", name);
	return 0;
}

static void hold_the_loop(struct weir_task *task)
{
	(void)task;
	clock_advance(300);
}

static void a_turn_that_takes_long_is_seen(void **state)
{
	(void)state;
	struct weir_task task = {.run = hold_the_loop};
	weir_loop_turn(loop, 0);
	weir_loop_defer(loop, &task);
	weir_loop_turn(loop, 0);
	weir_loop_turn(loop, 0);
	uint64_t longest_ms = own_cell("weir_loop_longest_turn_seconds");
	assert_in_range(longest_ms, 280, 20000);
}

static void the_lanes_are_counted(void **state)
{
	(void)state;
	struct weir_lane_info info;
	weir_work_info(WEIR_LANE_NAMES, &info);
	assert_int_equal(info.queued, 0);
	assert_int_equal(info.refused, 0);
}

/* -- another thread ---------------------------------------------------------------------------- */

static atomic_bool reading;

static void *read_all(void *context)
{
	uint64_t last = 0;
	(void)context;
	while (atomic_load(&reading))
		for (const struct weir_metric_set *set = weir_metrics_first(loop); set;
		        set = set->next) {
			if (set->table != &table)
				continue;
			uint64_t now = weir_metric_read(set->cells);
			if (strcmp(set->values[0], "counted") != 0)
				continue;
			if (now < last)
				return set->values[0] ? (void *)1 : NULL;
			last = now;
		}
	return NULL;
}

static void another_thread_reads_while_sets_are_made(void **state)
{
	(void)state;
	pthread_t thread;
	void *wrong = NULL;
	char name[32];
	struct cells *counted = set_of("counted", "");
	atomic_store(&reading, true);
	assert_int_equal(pthread_create(&thread, NULL, read_all, NULL), 0);
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(name, sizeof name, "%u", i);
		assert_non_null(set_of(name, "x"));
		weir_metric_add(&counted->count, 1);
	}
	atomic_store(&reading, false);
	pthread_join(thread, &wrong);
	assert_null(wrong);
	assert_int_equal(counted->count, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(equal_labels_share_a_set, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_long_label_is_cut, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(sets_are_bounded, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(without_memory_there_is_no_set, set_up, tear_down),
	        cmocka_unit_test(durations_fall_into_fixed_buckets),
	        cmocka_unit_test_setup_teardown(a_turn_that_takes_long_is_seen, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(the_lanes_are_counted, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                another_thread_reads_while_sets_are_made, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
