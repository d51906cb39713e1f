/*
 * The dynamic table as an encoder needs it: the ids of its newest entries. It changes exactly as
 * the table of the client's decoder changes by what the blocks say (RFC 7541 4.2 to 4.4). Without
 * memory nothing is inserted.
 */
#include <stdlib.h>
#include <string.h>

#include "h2_encode.h"
#include "helper.h"

enum {
	H2_TABLE_ENTRIES_FIRST = 8,
};

void h2_table_init(struct h2_table *table)
{
	*table = (struct h2_table){
	        .size_max = H2_HPACK_TABLE_MAX,
	        .size_least = H2_HPACK_TABLE_MAX,
	        .size_next = H2_HPACK_TABLE_MAX,
	};
}

void h2_table_finish(struct h2_table *table)
{
	free(table->ids);
	h2_table_init(table);
}

void h2_table_set_size(struct h2_table *table, uint32_t size)
{
	table->size_next = (uint16_t)min_of(size, (uint32_t)H2_HPACK_TABLE_MAX);
	table->size_least = min_of(table->size_least, table->size_next);
	table->resized = true;
}

static void h2_table_evict_oldest(struct h2_table *table)
{
	uint64_t oldest = h2_table_entry(table, table->count--);
	table->size = (uint16_t)(table->size - h2_id_size(oldest));
	table->date_id = table->lines_id = 0;
}

static char *h2_table_put_update(struct h2_table *table, char *to, uint16_t size_max)
{
	table->size_max = size_max;
	while (table->size > size_max)
		h2_table_evict_oldest(table);
	return h2_encode_put_integer(to, 0x20, 5, size_max);
}

char *h2_table_put_updates(struct h2_table *table, char *to)
{
	if (table->size_least < table->size_max)
		to = h2_table_put_update(table, to, table->size_least);
	if (table->size_next != table->size_max)
		to = h2_table_put_update(table, to, table->size_next);
	table->size_least = table->size_next;
	table->resized = false;
	return to;
}

/* Returns whether there is a note of the field, and makes one otherwise. */
static bool h2_table_is_noted(struct h2_table *table, uint64_t id)
{
	uint16_t note = (uint16_t)(id >> H2_ID_SIZE_BITS);
	bool noted = false;
	for (unsigned i = 0; i < H2_TABLE_NOTES; i++)
		noted |= table->notes[i] == note;
	if (!noted)
		table->notes[table->note_next++ % H2_TABLE_NOTES] = note;
	return noted;
}

static void h2_table_append(struct h2_table *table, uint64_t id)
{
	table->ids[table->next & (table->capacity - 1u)] = id;
	*h2_table_newest(table, id) = table->next++;
	table->count++;
}

/* Makes the ring larger. Returns false without memory, or if it is as large as it may be. */
static bool h2_table_grow(struct h2_table *table)
{
	struct h2_table old = *table;
	unsigned capacity = max_of(2u * old.capacity, (unsigned)H2_TABLE_ENTRIES_FIRST);
	uint64_t *ids = capacity > H2_TABLE_ENTRIES ? NULL : calloc(capacity, sizeof *ids + 2);
	if (!ids)
		return false;
	table->ids = ids;
	table->capacity = (uint8_t)capacity;
	table->next = table->count = 0;
	for (unsigned nth = old.count; nth >= 1; nth--)
		h2_table_append(table, h2_table_entry(&old, nth));
	free(old.ids);
	return true;
}

bool h2_table_insert_repeated(struct h2_table *table, uint64_t id)
{
	unsigned size = h2_id_size(id);
	if (size > table->size_max || !h2_table_is_noted(table, id))
		return false;
	while (table->size + size > table->size_max)
		h2_table_evict_oldest(table);
	if (table->count == table->capacity && !h2_table_grow(table)) {
		if (!table->capacity)
			return false;
		h2_table_evict_oldest(table);
	}
	h2_table_append(table, id);
	table->size = (uint16_t)(table->size + size);
	table->date_id = table->lines_id = 0;
	return true;
}
