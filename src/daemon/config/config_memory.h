/*
 * Memory that is freed all at once: what a configuration, or the reading of one, is made of.
 *
 *   struct memory memory = {0};
 *   char *text = memory_copy(&memory, "a", 1);
 *   memory_free(&memory);
 */
#ifndef DAEMON_CONFIG_MEMORY_H
#define DAEMON_CONFIG_MEMORY_H

#include <stddef.h>

struct memory_block;

/* All zero at first. */
struct memory {
	struct memory_block *blocks;
};

/*
 * Both return NULL if there is no memory. The memory of the first is zero; a copy ends with a NUL.
 */
void *memory_alloc(struct memory *memory, size_t size);
char *memory_copy(struct memory *memory, const char *text, size_t size);

/* Frees everything; the struct can be used again. */
void memory_free(struct memory *memory);

#endif
