/*
 * Metrics as a producer of text. It composes one piece of text at a time (the lines that begin a
 * metric, one sample, or one histogram) and puts it whole or in parts, so that a reader decides how
 * much work is done.
 *
 * The text has all samples of one metric together, and one table is used by sets of several loops.
 * So the sets are sorted by table and labels first; neighbours that are equal are one series.
 */
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/exposition.h>
#include <weir/output.h>
#include <weir/producer.h>

#include "exposition_text.h"

enum {
	EXPOSITION_SKIPS_MAX =
	        4096, /* samples that are looked at without putting any, in one call */
};

enum exposition_part {
	EXPOSITION_SETS,
	EXPOSITION_SOURCES,
	EXPOSITION_END,
	EXPOSITION_OVER,
};

struct exposition {
	struct weir_producer base;
	enum exposition_part part;
	bool headed; /* the lines that begin the metric were composed */

	/* The sets, sorted. [from, to) are those of the table that is being put. */
	const struct weir_metric_set **sets;
	size_t count;
	size_t from;
	size_t to;
	unsigned metric; /* of the table, or of the source */
	size_t at;       /* the first set of the series */
	unsigned value;  /* of the fixed labels, as one number */

	const struct weir_metric_source *source;
	void *snapshot;
	size_t index; /* of the next sample */

	size_t put; /* bytes of the text */
	struct exposition_text text;
};

/* -- sets -------------------------------------------------------------------------------------- */

static int exposition_compare(const void *a, const void *b)
{
	const struct weir_metric_set *one = *(const struct weir_metric_set *const *)a;
	const struct weir_metric_set *other = *(const struct weir_metric_set *const *)b;
	int order = 0;
	if (one->table != other->table) {
		order = strcmp(one->table->metrics->name, other->table->metrics->name);
		return order ? order : one->table < other->table ? -1 : 1;
	}
	for (unsigned i = 0; i < WEIR_METRIC_SET_LABELS && one->table->labels[i] && !order; i++)
		order = strcmp(one->values[i], other->values[i]);
	return order;
}

/* The end of the series that begins at `at`. */
static size_t exposition_series_end(const struct exposition *from)
{
	size_t end = from->at + 1;
	while (end < from->to && exposition_compare(&from->sets[from->at], &from->sets[end]) == 0)
		end++;
	return end;
}

/* The value of one cell of the series, of all loops. */
static uint64_t exposition_read(
        const struct exposition *from, size_t end, const struct weir_metric *metric, unsigned cell)
{
	uint64_t sum = 0;
	for (size_t i = from->at; i < end; i++) {
		uint64_t value = weir_metric_read(&from->sets[i]->cells[cell]);
		if (metric->type != WEIR_METRIC_GAUGE_MOST)
			sum += value;
		else if (value > sum)
			sum = value;
	}
	return sum;
}

static unsigned exposition_values(const struct weir_metric *metric)
{
	unsigned values = 1;
	for (unsigned i = 0; i < WEIR_METRIC_FIXED_LABELS && metric->labels[i]; i++)
		values *= metric->labels[i]->count;
	return values;
}

/* Adds the labels without their closing brace. Returns their number. */
static unsigned exposition_add_labels(struct exposition *to, const struct weir_metric *metric)
{
	const struct weir_metric_set *set = to->sets[to->at];
	unsigned count = 0, below = exposition_values(metric), value = to->value;
	for (unsigned i = 0; i < WEIR_METRIC_SET_LABELS && set->table->labels[i]; i++)
		exposition_add_label(&to->text, &count, set->table->labels[i], set->values[i]);
	for (unsigned i = 0; i < WEIR_METRIC_FIXED_LABELS && metric->labels[i]; i++) {
		below /= metric->labels[i]->count;
		exposition_add_label(&to->text, &count, metric->labels[i]->name,
		        metric->labels[i]->values[value / below]);
		value %= below;
	}
	return count;
}

static void exposition_add_histogram(
        struct exposition *to, size_t end, const struct weir_metric *metric, unsigned cell)
{
	uint64_t count = 0;
	for (unsigned i = 0; i < WEIR_METRIC_BUCKETS; i++) {
		count += exposition_read(to, end, metric, cell + i);
		exposition_add(&to->text, "%s_bucket", metric->name);
		unsigned labels = exposition_add_labels(to, metric);
		exposition_add(&to->text, "%sle=\"", labels ? "," : "{");
		if (i < WEIR_METRIC_BUCKETS - 1)
			exposition_add_seconds(&to->text, (uint64_t)1 << i);
		else
			exposition_add(&to->text, "+Inf");
		exposition_add(&to->text, "\"} %llu\n", (unsigned long long)count);
	}
	exposition_add(&to->text, "%s_sum", metric->name);
	exposition_add(&to->text, "%s ", exposition_add_labels(to, metric) ? "}" : "");
	exposition_add_number(
	        &to->text, metric, exposition_read(to, end, metric, cell + WEIR_METRIC_BUCKETS));
	exposition_add(&to->text, "%s_count", metric->name);
	exposition_add(&to->text, "%s %llu\n", exposition_add_labels(to, metric) ? "}" : "",
	        (unsigned long long)count);
}

/* Counters by fixed labels are left out while they are 0: most combinations never come. */
static void exposition_add_series(struct exposition *to, const struct weir_metric *metric)
{
	bool is_histogram = metric->type == WEIR_METRIC_HISTOGRAM;
	unsigned width = is_histogram ? WEIR_METRIC_HISTOGRAM_CELLS : 1;
	unsigned cell = metric->cell + to->value * width;
	size_t end = exposition_series_end(to);
	if (is_histogram) {
		exposition_add_histogram(to, end, metric, cell);
		return;
	}
	uint64_t value = exposition_read(to, end, metric, cell);
	if (value == 0 && metric->labels[0])
		return;
	exposition_add(&to->text, "%s", metric->name);
	exposition_add(&to->text, "%s ", exposition_add_labels(to, metric) ? "}" : "");
	exposition_add_number(&to->text, metric, value);
}

/* The sets of the table at `to`; none is left: on to the sources. */
static void exposition_begin_table(struct exposition *at)
{
	at->from = at->to;
	at->metric = 0;
	at->headed = false;
	if (at->from == at->count) {
		at->part = EXPOSITION_SOURCES;
		return;
	}
	while (at->to < at->count && at->sets[at->to]->table == at->sets[at->from]->table)
		at->to++;
}

static void exposition_step_sets(struct exposition *at)
{
	const struct weir_metric *metric = &at->sets[at->from]->table->metrics[at->metric];
	if (!metric->name) {
		exposition_begin_table(at);
		return;
	}
	if (!at->headed) {
		at->headed = true;
		at->at = at->from;
		at->value = 0;
		exposition_add_head(&at->text, metric);
		return;
	}
	exposition_add_series(at, metric);
	if (++at->value < exposition_values(metric))
		return;
	at->value = 0;
	at->at = exposition_series_end(at);
	if (at->at == at->to) {
		at->metric++;
		at->headed = false;
	}
}

/* -- sources ----------------------------------------------------------------------------------- */

static void exposition_close_source(struct exposition *at)
{
	if (at->source && at->source->open && at->snapshot && at->source->close)
		at->source->close(at->snapshot);
	at->snapshot = NULL;
}

static void exposition_next_source(struct exposition *at)
{
	exposition_close_source(at);
	at->source = at->source->next;
	at->metric = 0;
	at->headed = false;
}

static void exposition_add_sample(struct exposition *to, const struct weir_metric *metric,
        const struct weir_metric_sample *sample)
{
	const struct weir_metric_source *source = to->source;
	unsigned count = 0;
	exposition_add(&to->text, "%s", metric->name);
	for (unsigned i = 0; i < WEIR_METRIC_SET_LABELS && source->labels[i]; i++)
		if (sample->labels[i])
			exposition_add_label(
			        &to->text, &count, source->labels[i], sample->labels[i]);
	exposition_add(&to->text, "%s ", count ? "}" : "");
	exposition_add_double(&to->text, sample->value);
}

static void exposition_step_sources(struct exposition *at)
{
	const struct weir_metric_source *source = at->source;
	struct weir_metric_sample sample = {0};
	if (!source) {
		at->part = EXPOSITION_END;
		return;
	}
	if (at->metric == 0 && !at->headed)
		at->snapshot = source->open ? source->open(source->context) : source->context;
	const struct weir_metric *metric = &source->metrics[at->metric];
	if (!metric->name || (source->open && !at->snapshot)) {
		exposition_next_source(at);
		return;
	}
	if (!at->headed) {
		at->headed = true;
		at->index = 0;
		exposition_add_head(&at->text, metric);
		return;
	}
	int more = source->sample(at->snapshot, at->metric, at->index++, &sample);
	if (more > 0)
		exposition_add_sample(at, metric, &sample);
	if (more < 0) {
		at->metric++;
		at->headed = false;
	}
}

/* -- the producer ------------------------------------------------------------------------------ */

static void exposition_step(struct exposition *at)
{
	switch (at->part) {
	case EXPOSITION_SETS:
		exposition_step_sets(at);
		break;
	case EXPOSITION_SOURCES:
		exposition_step_sources(at);
		break;
	default:
		if (at->text.format == WEIR_EXPOSITION_OPENMETRICS)
			exposition_add(&at->text, "# EOF\n");
		at->part = EXPOSITION_OVER;
	}
}

/* Returns false if nothing could be put though there is room: there is no memory. */
static bool exposition_put_text(struct exposition *from, struct weir_output *out)
{
	struct exposition_text *text = &from->text;
	size_t left = text->size - from->put;
	size_t put = left ? weir_output_copy(out, text->bytes + from->put, left) : 0;
	from->put += put;
	if (from->put < text->size)
		return put || weir_output_room(out) == 0;
	from->put = text->size = 0;
	return true;
}

static enum weir_more exposition_more(struct weir_producer *producer, struct weir_output *out)
{
	struct exposition *exposition = (struct exposition *)producer;
	for (unsigned skips = 0; weir_output_room(out) && skips < EXPOSITION_SKIPS_MAX; skips++) {
		if (!exposition_put_text(exposition, out))
			return WEIR_FAILED;
		if (exposition->text.size)
			return WEIR_MORE;
		if (exposition->part == EXPOSITION_OVER)
			return WEIR_DONE;
		exposition_step(exposition);
	}
	return WEIR_MORE;
}

static void exposition_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct exposition *exposition = (struct exposition *)producer;
	(void)why;
	exposition_close_source(exposition);
	free(exposition->sets);
	free(exposition);
}

static const struct weir_producer_type exposition_producer_type = {
        .name = "exposition", .more = exposition_more, .close = exposition_close};

static size_t exposition_count_sets(struct weir_loop *const *loops, size_t count)
{
	size_t sets = 0;
	for (size_t i = 0; i < count; i++)
		for (const struct weir_metric_set *set = weir_metrics_first(loops[i]); set;
		        set = set->next)
			sets++;
	return sets;
}

/* Sets that are made meanwhile come first, and there is no room for them: they are left out. */
static size_t exposition_collect(struct weir_loop *const *loops, size_t count,
        const struct weir_metric_set **sets, size_t room)
{
	size_t found = 0;
	for (size_t i = 0; i < count; i++)
		for (const struct weir_metric_set *set = weir_metrics_first(loops[i]);
		        set && found < room; set = set->next)
			sets[found++] = set;
	return found;
}

struct weir_producer *weir_produce_exposition(struct weir_loop *const *loops, size_t count,
        const struct weir_metric_source *sources, enum weir_exposition_format format)
{
	struct exposition *exposition = calloc(1, sizeof *exposition);
	size_t room = exposition_count_sets(loops, count);
	if (!exposition || !(exposition->sets = calloc(room + 1, sizeof *exposition->sets))) {
		free(exposition);
		return NULL;
	}
	weir_producer_init(&exposition->base, &exposition_producer_type);
	exposition->text.format = format;
	exposition->source = sources;
	exposition->count = exposition_collect(loops, count, exposition->sets, room);
	qsort(exposition->sets, exposition->count, sizeof *exposition->sets, exposition_compare);
	exposition_begin_table(exposition);
	return &exposition->base;
}
