/*
 * The text of metrics, as a producer. It composes one piece of text at a time (the lines that begin
 * a metric, one sample, or one histogram) and puts it whole or in parts, so that a reader decides
 * how much work is done.
 *
 * The text has all samples of one metric together, and one table is used by sets of several loops.
 * So the sets are sorted by table and labels first; neighbours that are equal are one series.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/exposition.h>
#include <weir/output.h>
#include <weir/producer.h>

enum {
	/* Escaping may double a label. A histogram has a line for each bucket, and two. */
	EXPOSITION_LABELS_MAX = 4 * (2 * WEIR_METRIC_LABEL_MAX + 64),
	EXPOSITION_LINE_MAX = EXPOSITION_LABELS_MAX + 256,
	EXPOSITION_TEXT_MAX = (WEIR_METRIC_BUCKETS + 2) * EXPOSITION_LINE_MAX,
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
	enum weir_exposition_format format;
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

	size_t size; /* of the text, of which `put` bytes were put */
	size_t put;
	char text[EXPOSITION_TEXT_MAX];
};

/* -- text -------------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void exposition_add(
        struct exposition *to, const char *format, ...)
{
	size_t room = sizeof to->text - to->size;
	va_list arguments;
	va_start(arguments, format);
	int size = vsnprintf(to->text + to->size, room, format, arguments);
	va_end(arguments);
	/* The bounds above leave room for every text. */
	if (size > 0)
		to->size += (size_t)size < room ? (size_t)size : room - 1;
}

/* A label's value, cut to WEIR_METRIC_LABEL_MAX bytes. Control characters become '?'. */
static void exposition_add_escaped(struct exposition *to, const char *text)
{
	size_t size = strnlen(text, WEIR_METRIC_LABEL_MAX);
	for (size_t i = 0; i < size; i++) {
		char c = text[i];
		if (c == '\\' || c == '"')
			exposition_add(to, "\\%c", c);
		else
			to->text[to->size++] = (unsigned char)c < ' ' || c == 0x7f ? '?' : c;
	}
}

static void exposition_add_label(
        struct exposition *to, unsigned *count, const char *name, const char *value)
{
	exposition_add(to, "%s%s=\"", (*count)++ ? "," : "{", name);
	exposition_add_escaped(to, value);
	exposition_add(to, "\"");
}

/* The name without _total, which OpenMetrics has for the whole of a counter. */
static int exposition_family_size(const struct exposition *to, const struct weir_metric *metric)
{
	size_t size = strlen(metric->name), suffix = strlen("_total");
	if (to->format == WEIR_EXPOSITION_OPENMETRICS && metric->type == WEIR_METRIC_COUNTER &&
	        size > suffix)
		size -= suffix;
	return (int)size;
}

/* OpenMetrics has a line for the unit, which must be the end of the name. */
static void exposition_add_unit(struct exposition *to, const struct weir_metric *metric, int size)
{
	static const char *const units[] = {"seconds", "bytes"};
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		int length = (int)strlen(units[i]);
		if (size > length && metric->name[size - length - 1] == '_' &&
		        memcmp(metric->name + size - length, units[i], (size_t)length) == 0)
			exposition_add(to, "# UNIT %.*s %s\n", size, metric->name, units[i]);
	}
}

static void exposition_add_head(struct exposition *to, const struct weir_metric *metric)
{
	static const char *const types[] = {
	        [WEIR_METRIC_COUNTER] = "counter",
	        [WEIR_METRIC_GAUGE] = "gauge",
	        [WEIR_METRIC_GAUGE_MOST] = "gauge",
	        [WEIR_METRIC_HISTOGRAM] = "histogram",
	};
	int size = exposition_family_size(to, metric);
	exposition_add(to, "# TYPE %.*s %s\n", size, metric->name, types[metric->type]);
	if (to->format == WEIR_EXPOSITION_OPENMETRICS)
		exposition_add_unit(to, metric, size);
	exposition_add(to, "# HELP %.*s %s\n", size, metric->name, metric->help);
}

/* Milliseconds as seconds, without a zero too many. */
static void exposition_add_seconds(struct exposition *to, uint64_t ms)
{
	exposition_add(to, "%llu", (unsigned long long)(ms / 1000));
	if (ms % 1000)
		exposition_add(to, ".%03u", (unsigned)(ms % 1000));
}

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
		exposition_add_label(to, &count, set->table->labels[i], set->values[i]);
	for (unsigned i = 0; i < WEIR_METRIC_FIXED_LABELS && metric->labels[i]; i++) {
		below /= metric->labels[i]->count;
		exposition_add_label(to, &count, metric->labels[i]->name,
		        metric->labels[i]->values[value / below]);
		value %= below;
	}
	return count;
}

static void exposition_add_number(
        struct exposition *to, const struct weir_metric *metric, uint64_t value)
{
	if (metric->unit == WEIR_METRIC_MILLISECONDS)
		exposition_add_seconds(to, value);
	else
		exposition_add(to, "%llu", (unsigned long long)value);
	exposition_add(to, "\n");
}

static void exposition_add_histogram(
        struct exposition *to, size_t end, const struct weir_metric *metric, unsigned cell)
{
	uint64_t count = 0;
	for (unsigned i = 0; i < WEIR_METRIC_BUCKETS; i++) {
		count += exposition_read(to, end, metric, cell + i);
		exposition_add(to, "%s_bucket", metric->name);
		unsigned labels = exposition_add_labels(to, metric);
		exposition_add(to, "%sle=\"", labels ? "," : "{");
		if (i < WEIR_METRIC_BUCKETS - 1)
			exposition_add_seconds(to, (uint64_t)1 << i);
		else
			exposition_add(to, "+Inf");
		exposition_add(to, "\"} %llu\n", (unsigned long long)count);
	}
	exposition_add(to, "%s_sum", metric->name);
	exposition_add(to, "%s ", exposition_add_labels(to, metric) ? "}" : "");
	exposition_add_number(
	        to, metric, exposition_read(to, end, metric, cell + WEIR_METRIC_BUCKETS));
	exposition_add(to, "%s_count", metric->name);
	exposition_add(to, "%s %llu\n", exposition_add_labels(to, metric) ? "}" : "",
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
	exposition_add(to, "%s", metric->name);
	exposition_add(to, "%s ", exposition_add_labels(to, metric) ? "}" : "");
	exposition_add_number(to, metric, value);
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
		exposition_add_head(at, metric);
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

static void exposition_add_double(struct exposition *to, double value)
{
	if (!(value > -1e15 && value < 1e15))
		exposition_add(to, __builtin_isnan(value) ? "NaN\n"
		                   : value > 0            ? "+Inf\n"
		                                          : "-Inf\n");
	else if (value == (double)(int64_t)value)
		exposition_add(to, "%.0f\n", value);
	else
		exposition_add(to, "%.3f\n", value);
}

static void exposition_add_sample(struct exposition *to, const struct weir_metric *metric,
        const struct weir_metric_sample *sample)
{
	const struct weir_metric_source *source = to->source;
	unsigned count = 0;
	exposition_add(to, "%s", metric->name);
	for (unsigned i = 0; i < WEIR_METRIC_SET_LABELS && source->labels[i]; i++)
		if (sample->labels[i])
			exposition_add_label(to, &count, source->labels[i], sample->labels[i]);
	exposition_add(to, "%s ", count ? "}" : "");
	exposition_add_double(to, sample->value);
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
		exposition_add_head(at, metric);
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
		if (at->format == WEIR_EXPOSITION_OPENMETRICS)
			exposition_add(at, "# EOF\n");
		at->part = EXPOSITION_OVER;
	}
}

/* Returns false if nothing could be put though there is room: there is no memory. */
static bool exposition_put_text(struct exposition *from, struct weir_output *out)
{
	size_t left = from->size - from->put;
	size_t put = left ? weir_output_copy(out, from->text + from->put, left) : 0;
	from->put += put;
	if (from->put < from->size)
		return put || weir_output_room(out) == 0;
	from->put = from->size = 0;
	return true;
}

static enum weir_more exposition_more(struct weir_producer *producer, struct weir_output *out)
{
	struct exposition *exposition = (struct exposition *)producer;
	for (unsigned skips = 0; weir_output_room(out) && skips < EXPOSITION_SKIPS_MAX; skips++) {
		if (!exposition_put_text(exposition, out))
			return WEIR_FAILED;
		if (exposition->size)
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
	exposition->format = format;
	exposition->source = sources;
	exposition->count = exposition_collect(loops, count, exposition->sets, room);
	qsort(exposition->sets, exposition->count, sizeof *exposition->sets, exposition_compare);
	exposition_begin_table(exposition);
	return &exposition->base;
}

/* -- the format -------------------------------------------------------------------------------- */

const char *weir_exposition_type(enum weir_exposition_format format)
{
	return format == WEIR_EXPOSITION_OPENMETRICS
	               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
	               : "text/plain; version=0.0.4; charset=utf-8";
}

/* Whether the parameters of a media range have q=0. */
static bool exposition_is_refused(struct weir_span parameters)
{
	while (parameters.size) {
		struct weir_span one;
		weir_span_cut(&parameters, ';', &one);
		one = weir_span_trim(one);
		if (one.size < 3 || (one.data[0] | 32) != 'q' || one.data[1] != '=')
			continue;
		for (size_t i = 2; i < one.size; i++)
			if (one.data[i] > '0' && one.data[i] <= '9')
				return false;
		return true;
	}
	return false;
}

enum weir_exposition_format weir_exposition_choose(struct weir_span accept)
{
	while (accept.size) {
		struct weir_span range, type;
		weir_span_cut(&accept, ',', &range);
		weir_span_cut(&range, ';', &type);
		if (weir_span_equal_nocase(
		            weir_span_trim(type), WEIR_SPAN("application/openmetrics-text")) &&
		        !exposition_is_refused(range))
			return WEIR_EXPOSITION_OPENMETRICS;
	}
	return WEIR_EXPOSITION_PROMETHEUS;
}
