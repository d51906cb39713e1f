/* What the layers above need of a loop and its users do not: scratch, the receive buffer, slots. */
#ifndef WEIR_LOOP_INTERNAL_H
#define WEIR_LOOP_INTERNAL_H

#include <weir/loop.h>

#include "arena.h"

/* The scratch of this loop; whoever sends an output resets it afterwards. */
struct arena *loop_arena(struct weir_loop *loop);

/*
 * WEIR_RECEIVE_STREAMED_SIZE bytes to receive into, valid until control returns to the loop; NULL without
 * memory.
 */
char *loop_receive_buffer(struct weir_loop *loop);

/* The watch of this descriptor, if it still is the one of this generation; else NULL. */
struct weir_watch *loop_watch_find(struct weir_loop *loop, int fd, uint32_t generation);

/*
 * The budget of input: the bytes that transformers (compression, escaping …) may read in a turn. When it
 * is spent, a channel waits in the queue of tasks that run last in a turn, each with a slice of the
 * budget. While any waits there, events get none of the budget.
 */

/* Whether it is spent; notes that somebody wanted more. */
bool loop_input_spent(struct weir_loop *loop);
void loop_input_charge(struct weir_loop *loop, size_t size);
/* Whether loop_input_spent was true since the last call. */
bool loop_input_starved(struct weir_loop *loop);
/* As weir_loop_defer, for a task that wants input. weir_loop_cancel takes it away, too. */
void loop_input_defer(struct weir_loop *loop, struct weir_task *task);

/*
 * Objects that a layer above has once in each loop, as a pool of memory. The address of the type is the
 * name of the object.
 */
struct loop_object_type {
	const char *name;
	void (*destroy)(void *object);
};

enum {
	LOOP_OBJECTS_MAX = 8
};

/* Returns the loop's object of this type, or NULL if none was set. */
void *loop_object(const struct weir_loop *loop, const struct loop_object_type *type);

/* At most once for each type. The loop destroys the objects at its end, the last one set first. */
void loop_set_object(struct weir_loop *loop, const struct loop_object_type *type, void *object);

#endif
