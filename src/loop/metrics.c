/*
 * The sets of cells of one loop. They are found by a hash of table and labels when a server starts
 * or a configuration changes, and never while something is counted.
 *
 * Invariant: a set is complete before the list's head points to it, and neither moves nor ends
 * before the loop does. So readers on other threads need no lock.
 */
#include <stdlib.h>
#include <string.h>

#include <weir/limits.h>

#include "loop_state.h"

struct metrics_entry {
	struct weir_metric_set set;
	struct metrics_entry *next_same; /* of this hash */
	_Alignas(16) uint64_t cells[];   /* and behind them the values of the labels */
};

static size_t metrics_value_size(const char *value)
{
	return strnlen(value, WEIR_METRIC_LABEL_MAX);
}

static unsigned metrics_hash(const struct weir_metric_table *table, const char *const *values)
{
	uint64_t hash = 0xcbf29ce484222325 ^ (uintptr_t)table;
	for (unsigned i = 0; i < WEIR_METRIC_SET_LABELS && table->labels[i]; i++) {
		size_t size = metrics_value_size(values[i]);
		for (size_t j = 0; j < size; j++)
			hash = (hash ^ (unsigned char)values[i][j]) * 0x100000001b3;
		hash *= 0x100000001b3;
	}
	return (unsigned)(hash >> 32) % METRICS_HASH_SIZE;
}

static bool metrics_matches(const struct weir_metric_set *set,
        const struct weir_metric_table *table, const char *const *values)
{
	if (set->table != table)
		return false;
	for (unsigned i = 0; i < WEIR_METRIC_SET_LABELS && table->labels[i]; i++)
		if (strncmp(set->values[i], values[i], WEIR_METRIC_LABEL_MAX) != 0)
			return false;
	return true;
}

static struct metrics_entry *metrics_find(const struct loop_metrics *metrics,
        const struct weir_metric_table *table, const char *const *values, unsigned hash)
{
	struct metrics_entry *entry = metrics->hashed[hash];
	while (entry && !metrics_matches(&entry->set, table, values))
		entry = entry->next_same;
	return entry;
}

static struct metrics_entry *metrics_create(
        const struct weir_metric_table *table, const char *const *values)
{
	size_t size = (table->size + 15) & ~(size_t)15, texts = 0;
	for (unsigned i = 0; i < WEIR_METRIC_SET_LABELS && table->labels[i]; i++)
		texts += metrics_value_size(values[i]) + 1;
	struct metrics_entry *entry = calloc(1, sizeof *entry + size + texts);
	if (!entry)
		return NULL;
	char *text = (char *)entry->cells + size;
	entry->set.table = table;
	entry->set.cells = entry->cells;
	for (unsigned i = 0; i < WEIR_METRIC_SET_LABELS && table->labels[i]; i++) {
		size_t length = metrics_value_size(values[i]);
		memcpy(text, values[i], length);
		entry->set.values[i] = text;
		text += length + 1;
	}
	return entry;
}

/* From here on, readers find it. */
static void metrics_publish(struct loop_metrics *metrics, struct weir_metric_set *set)
{
	set->next = atomic_load_explicit(&metrics->first, memory_order_relaxed);
	atomic_store_explicit(&metrics->first, set, memory_order_release);
	metrics->count++;
}

void *weir_metrics_set(struct weir_loop *loop, const struct weir_metric_table *table,
        const char *const values[WEIR_METRIC_SET_LABELS])
{
	static const char *const other[WEIR_METRIC_SET_LABELS] = {"other", "other"};
	struct loop_metrics *metrics = &loop->metrics;
	unsigned hash = metrics_hash(table, values);
	struct metrics_entry *entry = metrics_find(metrics, table, values, hash);
	if (!entry && metrics->count >= WEIR_METRIC_SETS_MAX) {
		values = other;
		hash = metrics_hash(table, values);
		entry = metrics_find(metrics, table, values, hash);
	}
	if (!entry) {
		entry = metrics_create(table, values);
		if (!entry)
			return NULL;
		entry->next_same = metrics->hashed[hash];
		metrics->hashed[hash] = entry;
		metrics_publish(metrics, &entry->set);
	}
	return entry->cells;
}

const struct weir_metric_set *weir_metrics_first(struct weir_loop *loop)
{
	return atomic_load_explicit(&loop->metrics.first, memory_order_acquire);
}

/* -- the loop's own ---------------------------------------------------------------------------- */

/* Counters whose names are those of struct weir_counters. */
#define METRICS_COUNTER(field, text)                                                               \
	{                                                                                          \
		.name = "weir_loop_" #field "_total", .help = text, .type = WEIR_METRIC_COUNTER,   \
		.cell = WEIR_METRIC_CELL(struct loop_cells, counters.field),                       \
	}

static const struct weir_metric metrics_of_loop[] = {
        METRICS_COUNTER(channels_opened, "Connections opened, in and out"),
        METRICS_COUNTER(channels_closed, "Connections closed"),
        METRICS_COUNTER(channels_refused, "Connections closed at once for lack of memory"),
        {.name = "weir_loop_received_bytes_total",
                .help = "Bytes received",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct loop_cells, counters.bytes_in)},
        {.name = "weir_loop_sent_bytes_total",
                .help = "Bytes sent",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct loop_cells, counters.bytes_out)},
        METRICS_COUNTER(receives, "System calls that receive"),
        METRICS_COUNTER(sends, "System calls that send"),
        METRICS_COUNTER(producer_waits, "Times that a producer had nothing to send yet"),
        METRICS_COUNTER(reads_paused, "Times that reading stopped because replies were pending"),
        METRICS_COUNTER(limits_hit, "Requests and connections over a limit"),
        METRICS_COUNTER(timeouts, "Connections ended by a time limit"),
        METRICS_COUNTER(handshakes, "TLS handshakes completed"),
        METRICS_COUNTER(handshake_failures, "TLS handshakes failed"),
        METRICS_COUNTER(accept_failures, "Times that no connection could be accepted"),
        METRICS_COUNTER(work_submitted, "Blocking tasks given to the work pool"),
        {.name = "weir_loop_turn_seconds",
                .help = "Time from waking to waiting again, to the tick of the coarse clock",
                .type = WEIR_METRIC_HISTOGRAM,
                .unit = WEIR_METRIC_MILLISECONDS,
                .cell = WEIR_METRIC_CELL(struct loop_cells, turn_ms)},
        {.name = "weir_loop_longest_turn_seconds",
                .help = "The longest turn since the start",
                .type = WEIR_METRIC_GAUGE_MOST,
                .unit = WEIR_METRIC_MILLISECONDS,
                .cell = WEIR_METRIC_CELL(struct loop_cells, longest_turn_ms)},
        {.name = "weir_loop_arena_bytes",
                .help = "Memory that the arenas of the loops hold, measured once a second",
                .type = WEIR_METRIC_GAUGE,
                .cell = WEIR_METRIC_CELL(struct loop_cells, arena_bytes)},
        {0},
};

static const struct weir_metric_table metrics_loop_table = {
        .metrics = metrics_of_loop, .size = sizeof(struct loop_cells)};

void metrics_begin(struct weir_loop *loop)
{
	struct loop_metrics *metrics = &loop->metrics;
	metrics->own = (struct weir_metric_set){
	        .table = &metrics_loop_table, .cells = (const uint64_t *)&loop->cells};
	metrics_publish(metrics, &metrics->own);
}

void metrics_end(struct weir_loop *loop)
{
	for (unsigned i = 0; i < METRICS_HASH_SIZE; i++)
		for (struct metrics_entry *entry = loop->metrics.hashed[i], *next; entry;
		        entry = next) {
			next = entry->next_same;
			free(entry);
		}
}
