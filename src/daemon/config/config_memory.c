/* The memory is a chain of blocks, each from calloc, so that sanitizers know the bounds of each. */
#include <stdlib.h>
#include <string.h>

#include "config_memory.h"

struct memory_block {
	struct memory_block *next;
	max_align_t data[];
};

void *memory_alloc(struct memory *memory, size_t size)
{
	struct memory_block *block = calloc(1, sizeof *block + size);
	if (!block)
		return NULL;
	block->next = memory->blocks;
	memory->blocks = block;
	return block->data;
}

char *memory_copy(struct memory *memory, const char *text, size_t size)
{
	char *copy = memory_alloc(memory, size + 1);
	return copy ? memcpy(copy, text, size) : NULL;
}

void memory_free(struct memory *memory)
{
	for (struct memory_block *next; memory->blocks; memory->blocks = next) {
		next = memory->blocks->next;
		free(memory->blocks);
	}
}
