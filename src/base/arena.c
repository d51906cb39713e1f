/*
 * The bump allocator behind weir_output's scratch. Under AddressSanitizer what was taken back is
 * poisoned, so that a producer that keeps scratch too long is found out.
 */
#include <stdint.h>
#include <stdlib.h>

#include "arena.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, size) ((void)(memory), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(memory, size) ((void)(memory), (void)(size))
#endif

struct weir_arena_block {
	struct weir_arena_block *next;
	size_t size;
	size_t used;
	_Alignas(16) char bytes[];
};

void weir_arena_init(struct weir_arena *arena, size_t kept)
{
	*arena = (struct weir_arena){.kept = kept};
}

static void free_blocks(struct weir_arena_block *block)
{
	while (block) {
		struct weir_arena_block *next = block->next;
		ASAN_UNPOISON_MEMORY_REGION(block->bytes, block->size);
		free(block);
		block = next;
	}
}

void weir_arena_free(struct weir_arena *arena)
{
	free_blocks(arena->first);
	weir_arena_init(arena, arena->kept);
}

static struct weir_arena_block *add_block(struct weir_arena *arena, size_t size)
{
	if (size < arena->kept)
		size = arena->kept;
	struct weir_arena_block *block = malloc(sizeof *block + size);
	if (!block)
		return NULL;
	block->next = NULL;
	block->size = size;
	block->used = 0;
	ASAN_POISON_MEMORY_REGION(block->bytes, size);
	if (arena->block)
		arena->block->next = block;
	else
		arena->first = block;
	arena->block = block;
	return block;
}

char *weir_arena_reserve_bytes(struct weir_arena *arena, size_t size)
{
	struct weir_arena_block *block = arena->block;
	if ((!block || block->size - block->used < size) && !(block = add_block(arena, size)))
		return NULL;
	char *bytes = block->bytes + block->used;
	block->used += size;
	ASAN_UNPOISON_MEMORY_REGION(bytes, size);
	return bytes;
}

void *weir_arena_reserve(struct weir_arena *arena, size_t size)
{
	if (arena->block) {
		size_t pad = -arena->block->used & 15;
		if (pad <= arena->block->size - arena->block->used)
			arena->block->used += pad;
	}
	return weir_arena_reserve_bytes(arena, (size + 15) & ~(size_t)15);
}

void weir_arena_shrink(struct weir_arena *arena, const char *bytes, size_t size)
{
	struct weir_arena_block *block = arena->block;
	size_t used = (size_t)(bytes - block->bytes) + size;
	ASAN_POISON_MEMORY_REGION(block->bytes + used, block->used - used);
	block->used = used;
}

int weir_arena_is_top(const struct weir_arena *arena, const char *end)
{
	return arena->block && arena->block->bytes + arena->block->used == end;
}

void weir_arena_reset(struct weir_arena *arena)
{
	struct weir_arena_block *first = arena->first;
	if (!first)
		return;
	free_blocks(first->next);
	first->next = NULL;
	arena->block = first;
	if (first->size > arena->kept) {
		free_blocks(first);
		arena->first = arena->block = NULL;
		return;
	}
	ASAN_POISON_MEMORY_REGION(first->bytes, first->used);
	first->used = 0;
}
