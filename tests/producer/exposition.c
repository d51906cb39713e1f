/* The text of metrics, byte by byte, in outputs of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <weir/exposition.h>
#include <weir/loop.h>

#include "allocation.h"
#include "drain.h"

static const char *const verbs[] = {"GET", "PUT"}, *const results[] = {"ok", "bad"};
static const struct weir_metric_label verb = {"verb", verbs, 2}, result = {"result", results, 2};

struct cells {
	uint64_t requests[2][2];
	uint64_t took_ms[WEIR_METRIC_HISTOGRAM_CELLS];
	uint64_t longest_ms;
	uint64_t bytes;
};

static const struct weir_metric rows[] = {
        {.name = "a_requests_total",
                .help = "Requests",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct cells, requests),
                .labels = {&verb, &result}},
        {.name = "a_longest_seconds",
                .help = "The longest",
                .type = WEIR_METRIC_GAUGE_MOST,
                .unit = WEIR_METRIC_MILLISECONDS,
                .cell = WEIR_METRIC_CELL(struct cells, longest_ms)},
        {.name = "a_bytes_total",
                .help = "Bytes",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct cells, bytes)},
        {0},
};
static const struct weir_metric_table table = {rows, sizeof(struct cells), {"site"}};

static const struct weir_metric histogram_rows[] = {
        {.name = "a_took_seconds",
                .help = "Time",
                .type = WEIR_METRIC_HISTOGRAM,
                .unit = WEIR_METRIC_MILLISECONDS,
                .cell = WEIR_METRIC_CELL(struct cells, took_ms)},
        {0},
};
static const struct weir_metric_table histogram_table = {
        histogram_rows, sizeof(struct cells), {NULL}};

static struct weir_loop *loops[2];

static int set_up(void **state)
{
	(void)state;
	return weir_loop_create(&loops[0]) || weir_loop_create(&loops[1]);
}

static int tear_down(void **state)
{
	(void)state;
	weir_loop_destroy(loops[0]);
	weir_loop_destroy(loops[1]);
	return 0;
}

/* The text, without the loops' own metrics; to be freed. */
static char *text_of(
        const struct weir_metric_source *sources, enum weir_exposition_format format, size_t room)
{
	struct drain drained = {.loop = loops[0], .room = room};
	assert_null(drain(&drained, weir_produce_exposition(loops, 2, sources, format)));
	char *text = calloc(1, drained.bytes.size + 1), *to = text;
	assert_non_null(text);
	struct weir_span rest = weir_span(drained.bytes.data, drained.bytes.size), line;
	while (rest.size) {
		assert_true(weir_span_cut(&rest, '\n', &line));
		if (memmem(line.data, line.size, "weir_loop_", 10))
			continue;
		memcpy(to, line.data, line.size);
		to[line.size] = '\n';
		to += line.size + 1;
	}
	drain_free(&drained);
	return text;
}

static void expect(const struct weir_metric_source *sources, enum weir_exposition_format format,
        const char *expected)
{
	static const size_t rooms[] = {1, 7, 100, 4000, 72 * 1024};
	for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
		char *text = text_of(sources, format, rooms[i]);
		assert_string_equal(text, expected);
		free(text);
	}
}

static struct cells *cells_of(unsigned loop, const char *site)
{
	struct cells *cells = weir_metrics_set(loops[loop], &table, (const char *[]){site, ""});
	assert_non_null(cells);
	return cells;
}

static void loops_are_added_up(void **state)
{
	(void)state;
	struct cells *one = cells_of(0, "b.org"), *other = cells_of(1, "b.org");
	weir_metric_add(&one->requests[0][0], 3);
	weir_metric_add(&other->requests[0][0], 4);
	weir_metric_add(&other->requests[1][1], 1);
	weir_metric_set(&one->longest_ms, 1500);
	weir_metric_set(&other->longest_ms, 20);
	weir_metric_add(&cells_of(1, "a.org")->bytes, 9);
	expect(NULL, WEIR_EXPOSITION_PROMETHEUS,
	        "# TYPE a_requests_total counter\n"
	        "# HELP a_requests_total Requests\n"
	        "a_requests_total{site=\"b.org\",verb=\"GET\",result=\"ok\"} 7\n"
	        "a_requests_total{site=\"b.org\",verb=\"PUT\",result=\"bad\"} 1\n"
	        "# TYPE a_longest_seconds gauge\n"
	        "# HELP a_longest_seconds The longest\n"
	        "a_longest_seconds{site=\"a.org\"} 0\n"
	        "a_longest_seconds{site=\"b.org\"} 1.500\n"
	        "# TYPE a_bytes_total counter\n"
	        "# HELP a_bytes_total Bytes\n"
	        "a_bytes_total{site=\"a.org\"} 9\n"
	        "a_bytes_total{site=\"b.org\"} 0\n");
}

static void openmetrics_names_the_whole_and_ends(void **state)
{
	(void)state;
	cells_of(0, "a.org");
	expect(NULL, WEIR_EXPOSITION_OPENMETRICS,
	        "# TYPE a_requests counter\n"
	        "# HELP a_requests Requests\n"
	        "# TYPE a_longest_seconds gauge\n"
	        "# UNIT a_longest_seconds seconds\n"
	        "# HELP a_longest_seconds The longest\n"
	        "a_longest_seconds{site=\"a.org\"} 0\n"
	        "# TYPE a_bytes counter\n"
	        "# UNIT a_bytes bytes\n"
	        "# HELP a_bytes Bytes\n"
	        "a_bytes_total{site=\"a.org\"} 0\n"
	        "# EOF\n");
}

static void a_histogram_is_cumulative(void **state)
{
	(void)state;
	struct cells *cells =
	        weir_metrics_set(loops[0], &histogram_table, (const char *[]){"", ""});
	weir_metric_observe_ms(cells->took_ms, 0);
	weir_metric_observe_ms(cells->took_ms, 3);
	weir_metric_observe_ms(cells->took_ms, 100000);
	char *text = text_of(NULL, WEIR_EXPOSITION_PROMETHEUS, 4000);
	assert_non_null(strstr(text, "a_took_seconds_bucket{le=\"0.001\"} 1\n"));
	assert_non_null(strstr(text, "a_took_seconds_bucket{le=\"0.002\"} 1\n"));
	assert_non_null(strstr(text, "a_took_seconds_bucket{le=\"0.004\"} 2\n"));
	assert_non_null(strstr(text, "a_took_seconds_bucket{le=\"65.536\"} 2\n"));
	assert_non_null(strstr(text, "a_took_seconds_bucket{le=\"+Inf\"} 3\n"));
	assert_non_null(strstr(text, "a_took_seconds_sum 100.003\na_took_seconds_count 3\n"));
	free(text);
}

/* Names of a configuration cannot end a label, a line or the text. */
static void labels_are_escaped(void **state)
{
	(void)state;
	cells_of(0, "a\"} 1\nb \\ \x1b[2J");
	char *text = text_of(NULL, WEIR_EXPOSITION_PROMETHEUS, 4000);
	assert_non_null(strstr(text, "a_bytes_total{site=\"a\\\"} 1?b \\\\ ?[2J\"} 0\n"));
	free(text);
}

/* -- sources ----------------------------------------------------------------------------------- */

static unsigned opened, closed;

static void *open_source(void *context)
{
	opened++;
	return context;
}

static void close_source(void *snapshot)
{
	(void)snapshot;
	closed++;
}

static int sample(void *snapshot, unsigned metric, size_t index, struct weir_metric_sample *ret)
{
	static const double values[] = {0, 0.5, 4294967295.0};
	unsigned count = *(const unsigned *)snapshot;
	if (index >= count)
		return -1;
	if (metric == 1 && index == 0)
		return 0;
	ret->labels[0] = index == 1 ? "x\"y" : NULL;
	ret->value = values[index % 3];
	return 1;
}

static const struct weir_metric source_rows[] = {
        {"z_things", "Things", WEIR_METRIC_GAUGE}, {"z_more", "More", WEIR_METRIC_GAUGE}, {0}};

static void a_source_is_asked_as_the_text_is_read(void **state)
{
	(void)state;
	unsigned count = 3;
	const struct weir_metric_source source = {
	        .metrics = source_rows,
	        .labels = {"name"},
	        .context = &count,
	        .open = open_source,
	        .sample = sample,
	        .close = close_source,
	};
	opened = closed = 0;
	expect(&source, WEIR_EXPOSITION_PROMETHEUS,
	        "# TYPE z_things gauge\n"
	        "# HELP z_things Things\n"
	        "z_things 0\n"
	        "z_things{name=\"x\\\"y\"} 0.500\n"
	        "z_things 4294967295\n"
	        "# TYPE z_more gauge\n"
	        "# HELP z_more More\n"
	        "z_more{name=\"x\\\"y\"} 0.500\n"
	        "z_more 4294967295\n");
	assert_true(opened > 0);
	assert_int_equal(opened, closed);
	/* A reader that goes in the middle. */
	struct drain early = {.loop = loops[0], .room = 50, .stop_at = 2000};
	count = 10000;
	opened = closed = 0;
	assert_null(drain(
	        &early, weir_produce_exposition(loops, 2, &source, WEIR_EXPOSITION_PROMETHEUS)));
	drain_free(&early);
	assert_int_equal(opened, closed);
}

static void without_memory_there_is_no_producer(void **state)
{
	(void)state;
	for (unsigned good = 0; good < 2; good++) {
		fail_allocation_after(good, true);
		assert_null(weir_produce_exposition(loops, 2, NULL, WEIR_EXPOSITION_PROMETHEUS));
		assert_true(stop_failing_allocations());
	}
}

static void the_format_is_what_accept_says(void **state)
{
	(void)state;
	static const struct {
		const char *accept;
		enum weir_exposition_format format;
	} cases[] = {
	        {"", WEIR_EXPOSITION_PROMETHEUS},
	        {"*/*", WEIR_EXPOSITION_PROMETHEUS},
	        {"text/plain", WEIR_EXPOSITION_PROMETHEUS},
	        {"application/openmetrics-text", WEIR_EXPOSITION_OPENMETRICS},
	        {"text/html, Application/OpenMetrics-Text ; version=1.0.0;q=0.5,*/*;q=0.1",
	                WEIR_EXPOSITION_OPENMETRICS},
	        {"application/openmetrics-text;q=0", WEIR_EXPOSITION_PROMETHEUS},
	        {"application/openmetrics-text;q=0.000", WEIR_EXPOSITION_PROMETHEUS},
	        {"application/openmetrics-text;q=0.001", WEIR_EXPOSITION_OPENMETRICS},
	        {",;,q=0,application/openmetrics-textual", WEIR_EXPOSITION_PROMETHEUS},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(
		        weir_exposition_choose(weir_span_of(cases[i].accept)), cases[i].format);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(loops_are_added_up, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                openmetrics_names_the_whole_and_ends, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_histogram_is_cumulative, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(labels_are_escaped, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                a_source_is_asked_as_the_text_is_read, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                without_memory_there_is_no_producer, set_up, tear_down),
	        cmocka_unit_test(the_format_is_what_accept_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
