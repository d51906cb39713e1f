/*
 * An arena: scratch memory that is reserved from the front and given back all at once.
 *
 *   [ used ──▶ top | free ] ─▶ further blocks, when one turn needs more
 *
 * The block in use is kept from one reset to the next; further blocks are freed, so that a loop
 * keeps `kept` bytes at most.
 */
#ifndef WEIR_ARENA_H
#define WEIR_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *first; /* kept; NULL before the first use */
	struct arena_block *block; /* in use now, the last of the chain */
	size_t kept;
};

void arena_init(struct arena *arena, size_t kept);
void arena_free(struct arena *arena);

/* `size` bytes, aligned for any type (or only to 1, unaligned), or NULL without memory. */
void *arena_reserve(struct arena *arena, size_t size);
char *arena_reserve_bytes(struct arena *arena, size_t size);

/*
 * Gives the end of what arena_reserve_bytes gave last back: only `size` bytes of it are kept.
 */
void arena_shrink(struct arena *arena, const char *bytes, size_t size);

/* Whether `end` is the end of what was reserved last, so that a reservation would follow on it. */
int arena_is_top(const struct arena *arena, const char *end);

/* Takes everything back. */
void arena_reset(struct arena *arena);

#endif
