/* What the layers above need of a loop and its users do not: scratch, the receive buffer, slots. */
#ifndef WEIR_LOOP_INTERNAL_H
#define WEIR_LOOP_INTERNAL_H

#include <weir/loop.h>

#include "arena.h"

/* The scratch of this loop; whoever sends an output resets it afterwards. */
struct weir_arena *weir_loop_arena(struct weir_loop *loop);

/*
 * WEIR_RECEIVE_STREAMED_SIZE bytes to receive into, valid until control returns to the loop; NULL without
 * memory.
 */
char *weir_loop_receive_buffer(struct weir_loop *loop);

/* The watch of this descriptor, if it still is the one of this generation; else NULL. */
struct weir_watch *weir_watch_find(struct weir_loop *loop, int fd, uint32_t generation);

/* One object a loop for each of these, made by the layer that needs it, destroyed with the loop. */
enum weir_slot {
	WEIR_SLOT_COMPRESSOR,
	WEIR_SLOT_REPLIES,
	WEIR_SLOT_HTTP,
	WEIR_SLOTS,
};

void *weir_loop_slot(const struct weir_loop *loop, enum weir_slot slot);
void weir_loop_set_slot(
        struct weir_loop *loop, enum weir_slot slot, void *object, void (*destroy)(void *object));

#endif
