/*
 * The bump allocator behind weir_output's scratch. Under AddressSanitizer what was taken back is
 * poisoned, so that a producer that keeps scratch too long is found out.
 */
#include <stdint.h>
#include <stdlib.h>

#include "arena.h"
#include "helper.h"

struct arena_block {
	struct arena_block *next;
	size_t size;
	size_t used;
	_Alignas(16) char bytes[];
};

void arena_init(struct arena *arena, size_t retained)
{
	*arena = (struct arena){.retained = retained};
}

static void arena_free_blocks(struct arena_block *block)
{
	while (block) {
		struct arena_block *next = block->next;
		memory_unpoison(block->bytes, block->size);
		free(block);
		block = next;
	}
}

void arena_free(struct arena *arena)
{
	arena_free_blocks(arena->first);
	arena_init(arena, arena->retained);
}

size_t arena_size(const struct arena *arena)
{
	size_t size = 0;
	for (const struct arena_block *block = arena->first; block; block = block->next)
		size += sizeof *block + block->size;
	return size;
}

static struct arena_block *arena_add_block(struct arena *arena, size_t size)
{
	if (size < arena->retained)
		size = arena->retained;
	struct arena_block *block = malloc(sizeof *block + size);
	if (!block)
		return NULL;
	block->next = NULL;
	block->size = size;
	block->used = 0;
	memory_poison(block->bytes, size);
	if (arena->block)
		arena->block->next = block;
	else
		arena->first = block;
	arena->block = block;
	return block;
}

char *arena_reserve_bytes(struct arena *arena, size_t size)
{
	struct arena_block *block = arena->block;
	if ((!block || block->size - block->used < size) && !(block = arena_add_block(arena, size)))
		return NULL;
	char *bytes = block->bytes + block->used;
	block->used += size;
	memory_unpoison(bytes, size);
	return bytes;
}

void *arena_reserve(struct arena *arena, size_t size)
{
	if (arena->block) {
		size_t pad = -arena->block->used & 15;
		if (pad <= arena->block->size - arena->block->used)
			arena->block->used += pad;
	}
	return arena_reserve_bytes(arena, (size + 15) & ~(size_t)15);
}

void arena_shrink(struct arena *arena, const char *bytes, size_t size)
{
	struct arena_block *block = arena->block;
	size_t used = (size_t)(bytes - block->bytes) + size;
	memory_poison(block->bytes + used, block->used - used);
	block->used = used;
}

int arena_is_top(const struct arena *arena, const char *end)
{
	return arena->block && arena->block->bytes + arena->block->used == end;
}

void arena_reset(struct arena *arena)
{
	struct arena_block *first = arena->first;
	if (!first)
		return;
	arena_free_blocks(first->next);
	first->next = NULL;
	arena->block = first;
	if (first->size > arena->retained) {
		arena_free_blocks(first);
		arena->first = arena->block = NULL;
		return;
	}
	memory_poison(first->bytes, first->used);
	first->used = 0;
}
