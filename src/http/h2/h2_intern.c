/*
 * The ids of field lines: a table of 64 sets of four lines. Lines are compared byte by byte, as
 * the handler has written them, so that no line is parsed that was seen before. A line that was
 * not used for long loses its place to a new one, and gets another id when it comes again.
 *
 * The hash is not keyed: lines that collide on purpose lose their places sooner.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "h2_encode.h"
#include "helper.h"

enum {
	H2_INTERN_NUMBERS = 4096, /* numbers that a loop takes at once */
	H2_INTERN_LINE_UNIT = 64, /* a line's memory is a multiple of so many bytes */
};

uint64_t h2_intern_new_id(struct h2_intern *intern, size_t field_size)
{
	/* They are the process's, because encoded lines may outlive the loop's state. */
	static atomic_uint_least64_t numbers = 1;
	if (intern->number == intern->numbers_end) {
		intern->number = atomic_fetch_add_explicit(
		        &numbers, H2_INTERN_NUMBERS, memory_order_relaxed);
		intern->numbers_end = intern->number + H2_INTERN_NUMBERS;
	}
	return intern->number++ << H2_ID_SIZE_BITS | field_size;
}

uint32_t h2_intern_hash(struct weir_span line)
{
	uint64_t hash = line.size, word;
	size_t at = 0;
	for (; line.size - at >= sizeof word; at += sizeof word) {
		memcpy(&word, line.data + at, sizeof word);
		hash = (hash ^ word) * 0x9e3779b97f4a7c15U;
		hash ^= hash >> 32;
	}
	for (; at < line.size; at++)
		hash = (hash ^ (uint8_t)line.data[at]) * 0x9e3779b97f4a7c15U;
	return (uint32_t)(hash >> 32);
}

/* Moves a line to the front of its set. */
static struct h2_interned *h2_intern_use(struct h2_interned *set, unsigned way)
{
	struct h2_interned used = set[way];
	memmove(set + 1, set, way * sizeof *set);
	set[0] = used;
	return set;
}

uint64_t h2_intern_find(struct h2_intern *intern, struct weir_span line, uint32_t hash)
{
	struct h2_interned *set = intern->sets[hash % H2_INTERN_SETS];
	for (unsigned way = 0; way < H2_INTERN_WAYS; way++)
		if (set[way].hash == hash && set[way].id && set[way].size == line.size &&
		        memcmp(set[way].line, line.data, line.size) == 0)
			return (way ? h2_intern_use(set, way) : set)->id;
	return 0;
}

/* Makes room for the text of a line. */
static bool h2_intern_reserve(struct h2_interned *line, size_t size)
{
	if (size <= line->capacity)
		return true;
	size_t capacity =
	        (size + H2_INTERN_LINE_UNIT - 1) / H2_INTERN_LINE_UNIT * H2_INTERN_LINE_UNIT;
	free(line->line);
	line->line = malloc(capacity);
	line->capacity = line->line ? (uint16_t)capacity : 0;
	return line->line;
}

uint64_t h2_intern_add(
        struct h2_intern *intern, struct weir_span line, uint32_t hash, size_t field_size)
{
	struct h2_interned *set = intern->sets[hash % H2_INTERN_SETS];
	struct h2_interned *last = &set[H2_INTERN_WAYS - 1];
	if (line.size > H2_INTERN_LINE_MAX)
		return 0;
	last->id = 0;
	if (!h2_intern_reserve(last, line.size))
		return 0;
	memcpy(last->line, line.data, line.size);
	last->size = (uint16_t)line.size;
	last->hash = hash;
	last->id = h2_intern_new_id(intern, field_size);
	return h2_intern_use(set, H2_INTERN_WAYS - 1)->id;
}

void h2_intern_finish(struct h2_intern *intern)
{
	for (unsigned set = 0; set < H2_INTERN_SETS; set++)
		for (unsigned way = 0; way < H2_INTERN_WAYS; way++)
			free(intern->sets[set][way].line);
}
