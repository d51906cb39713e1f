/*
 * An arena: scratch memory that is reserved from the front and given back all at once.
 *
 *   [ used ──▶ top | free ] ─▶ further blocks, when one turn needs more
 *
 * A reset retains the block in use and frees further blocks, so that a loop retains at most
 * `retained` bytes.
 */
#ifndef WEIR_ARENA_H
#define WEIR_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *first; /* retained; NULL before the first use */
	struct arena_block *block; /* in use now, the last of the chain */
	size_t retained;
};

void arena_init(struct arena *arena, size_t retained);
void arena_free(struct arena *arena);

/* Returns the bytes of memory that it holds. */
size_t arena_size(const struct arena *arena);

/* Return `size` bytes, aligned for any type or unaligned; or NULL without memory. */
void *arena_reserve(struct arena *arena, size_t size);
char *arena_reserve_bytes(struct arena *arena, size_t size);

/* Gives back the end of the last arena_reserve_bytes: `size` bytes of it stay reserved. */
void arena_shrink(struct arena *arena, const char *bytes, size_t size);

/*
 * Returns true if `end` is the end of the last reservation, so that the next one would follow it.
 */
int arena_is_top(const struct arena *arena, const char *end);

/* Gives back all reservations. */
void arena_reset(struct arena *arena);

#endif
