/*
 * The grammar of the two formats: names, labels, values, the lines that begin a metric; and the
 * choice between them. Invariant: no label ends a line or a quoted string.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <weir/exposition.h>

#include "exposition_text.h"
#include "helper.h"

/* -- text -------------------------------------------------------------------------------------- */

void exposition_add(struct exposition_text *to, const char *format, ...)
{
	size_t room = sizeof to->bytes - to->size;
	va_list arguments;
	va_start(arguments, format);
	int size = vsnprintf(to->bytes + to->size, room, format, arguments);
	va_end(arguments);
	/* The bounds above leave room for every text. */
	if (size > 0)
		to->size += (size_t)size < room ? (size_t)size : room - 1;
}

/* A label's value, cut to WEIR_METRIC_LABEL_MAX bytes. Control characters become '?'. */
static void exposition_add_escaped(struct exposition_text *to, const char *text)
{
	size_t size = strnlen(text, WEIR_METRIC_LABEL_MAX);
	for (size_t i = 0; i < size; i++) {
		char c = text[i];
		if (c == '\\' || c == '"')
			exposition_add(to, "\\%c", c);
		else
			to->bytes[to->size++] = text_is_control(c) ? '?' : c;
	}
}

void exposition_add_label(
        struct exposition_text *to, unsigned *count, const char *name, const char *value)
{
	exposition_add(to, "%s%s=\"", (*count)++ ? "," : "{", name);
	exposition_add_escaped(to, value);
	exposition_add(to, "\"");
}

/* The name without _total, which OpenMetrics has for the whole of a counter. */
static int exposition_family_size(
        const struct exposition_text *to, const struct weir_metric *metric)
{
	size_t size = strlen(metric->name), suffix = strlen("_total");
	if (to->format == WEIR_EXPOSITION_OPENMETRICS && metric->type == WEIR_METRIC_COUNTER &&
	        size > suffix)
		size -= suffix;
	return (int)size;
}

/* OpenMetrics has a line for the unit, which must be the end of the name. */
static void exposition_add_unit(
        struct exposition_text *to, const struct weir_metric *metric, int size)
{
	static const char *const units[] = {"seconds", "bytes"};
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		int length = (int)strlen(units[i]);
		if (size > length && metric->name[size - length - 1] == '_' &&
		        memcmp(metric->name + size - length, units[i], (size_t)length) == 0)
			exposition_add(to, "# UNIT %.*s %s\n", size, metric->name, units[i]);
	}
}

void exposition_add_head(struct exposition_text *to, const struct weir_metric *metric)
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
void exposition_add_seconds(struct exposition_text *to, uint64_t ms)
{
	exposition_add(to, "%llu", (unsigned long long)(ms / 1000));
	if (ms % 1000)
		exposition_add(to, ".%03u", (unsigned)(ms % 1000));
}

/* -- values ------------------------------------------------------------------------------------ */

void exposition_add_number(
        struct exposition_text *to, const struct weir_metric *metric, uint64_t value)
{
	if (metric->unit == WEIR_METRIC_MILLISECONDS)
		exposition_add_seconds(to, value);
	else
		exposition_add(to, "%llu", (unsigned long long)value);
	exposition_add(to, "\n");
}

void exposition_add_double(struct exposition_text *to, double value)
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
