/*
 * Sums are made by walking over the sets: nothing is remembered between two calls. Neighbours in
 * the list of a loop often have one table, which is searched for the metric once then.
 */
#include <string.h>

#include "metrics_read.h"

static const struct weir_metric *metrics_read_find(
        const struct weir_metric_table *table, const char *name)
{
	for (const struct weir_metric *metric = table->metrics; metric->name; metric++)
		if (strcmp(metric->name, name) == 0)
			return metric;
	return NULL;
}

/* The search of a metric in tables, and its last result. */
struct metrics_search {
	const char *name;
	const struct weir_metric_table *table;
	const struct weir_metric *metric; /* of that table; or NULL */
};

static const struct weir_metric *metrics_search_in(
        struct metrics_search *search, const struct weir_metric_table *table)
{
	if (table != search->table) {
		search->table = table;
		search->metric = metrics_read_find(table, search->name);
	}
	return search->metric;
}

static bool metrics_read_chosen(
        const struct weir_metric_set *set, const struct metrics_choice *choice)
{
	for (unsigned i = 0; i < WEIR_METRIC_SET_LABELS; i++)
		if (choice->values[i] &&
		        (!set->values[i] || strcmp(choice->values[i], set->values[i]) != 0))
			return false;
	return true;
}

static uint64_t metrics_read_cells(const struct weir_metric_set *set,
        const struct weir_metric *metric, const struct metrics_choice *choice)
{
	uint64_t sum = 0;
	if (metric->type == WEIR_METRIC_HISTOGRAM) {
		for (unsigned i = 0; i < WEIR_METRIC_BUCKETS; i++)
			sum += weir_metric_read(&set->cells[metric->cell + i]);
		return sum;
	}
	unsigned first = metric->labels[0] ? metric->labels[0]->count : 1;
	unsigned second = metric->labels[1] ? metric->labels[1]->count : 1;
	for (unsigned i = 0; i < first * second; i++)
		if ((choice->first < 0 || (unsigned)choice->first == i / second) &&
		        (choice->second < 0 || (unsigned)choice->second == i % second))
			sum += weir_metric_read(&set->cells[metric->cell + i]);
	return sum;
}

uint64_t metrics_sum(
        const struct metrics_reader *reader, const char *name, const struct metrics_choice *choice)
{
	struct metrics_search search = {.name = name};
	uint64_t sum = 0;
	for (size_t i = 0; i < reader->count; i++)
		for (const struct weir_metric_set *set = weir_metrics_first(reader->loops[i]); set;
		        set = set->next) {
			const struct weir_metric *metric = metrics_search_in(&search, set->table);
			if (!metric || !metrics_read_chosen(set, choice))
				continue;
			uint64_t value = metrics_read_cells(set, metric, choice);
			if (metric->type != WEIR_METRIC_GAUGE_MOST)
				sum += value;
			else if (value > sum)
				sum = value;
		}
	return sum;
}

uint64_t metrics_total(const struct metrics_reader *reader, const char *name)
{
	return metrics_sum(reader, name,
	        &(struct metrics_choice){.first = METRICS_ALL, .second = METRICS_ALL});
}

static bool metrics_read_same(
        const char *const a[WEIR_METRIC_SET_LABELS], const char *const b[WEIR_METRIC_SET_LABELS])
{
	for (unsigned i = 0; i < WEIR_METRIC_SET_LABELS; i++)
		if (strcmp(a[i] ? a[i] : "", b[i] ? b[i] : "") != 0)
			return false;
	return true;
}

size_t metrics_labels(const struct metrics_reader *reader, const char *name,
        const char *(*ret)[WEIR_METRIC_SET_LABELS], size_t most)
{
	struct metrics_search search = {.name = name};
	size_t count = 0;
	for (size_t i = 0; i < reader->count; i++)
		for (const struct weir_metric_set *set = weir_metrics_first(reader->loops[i]); set;
		        set = set->next) {
			size_t at = 0;
			if (!metrics_search_in(&search, set->table))
				continue;
			while (at < count && !metrics_read_same(ret[at], set->values))
				at++;
			if (at < count || count == most)
				continue;
			memcpy(ret[count++], set->values, sizeof set->values);
		}
	return count;
}

void metrics_buckets(
        const struct metrics_reader *reader, const char *name, uint64_t ret[WEIR_METRIC_BUCKETS])
{
	struct metrics_search search = {.name = name};
	memset(ret, 0, WEIR_METRIC_BUCKETS * sizeof *ret);
	for (size_t i = 0; i < reader->count; i++)
		for (const struct weir_metric_set *set = weir_metrics_first(reader->loops[i]); set;
		        set = set->next) {
			const struct weir_metric *metric = metrics_search_in(&search, set->table);
			for (unsigned j = 0; metric && j < WEIR_METRIC_BUCKETS; j++)
				ret[j] += weir_metric_read(&set->cells[metric->cell + j]);
		}
}

size_t metrics_count(const struct metrics_reader *reader, const char *name)
{
	struct metrics_search search = {.name = name};
	size_t most = 0;
	for (size_t i = 0; i < reader->count; i++) {
		size_t count = 0;
		for (const struct weir_metric_set *set = weir_metrics_first(reader->loops[i]); set;
		        set = set->next)
			count += metrics_search_in(&search, set->table) != NULL;
		most = count > most ? count : most;
	}
	return most;
}
