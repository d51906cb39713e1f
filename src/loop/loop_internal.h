/* Functions of the loop for the layers above: scratch, the receive buffer, objects, budgets. */
#ifndef WEIR_LOOP_INTERNAL_H
#define WEIR_LOOP_INTERNAL_H

#include <weir/loop.h>

#include "arena.h"

/* The scratch of this loop. The sender of an output resets it afterwards. */
struct arena *loop_arena(struct weir_loop *loop);

/* Points to the value of weir_loop_now_ms, for code that reads it for each request. */
const int64_t *loop_clock(const struct weir_loop *loop);

/*
 * A buffer of WEIR_RECEIVE_STREAMED_SIZE bytes, valid until control returns to the loop; NULL
 * without memory.
 */
char *loop_receive_buffer(struct weir_loop *loop);

/*
 * IDs for logs: 32 bits of chance for the loop, and a number that it counts from 1 on. They are
 * written as 16 hexadecimal digits.
 */
uint32_t loop_next_number(struct weir_loop *loop);
uint64_t loop_log_id(const struct weir_loop *loop, uint32_t number);

/* Returns the watch of this descriptor if it has this generation, else NULL. */
struct weir_watch *loop_watch_find(struct weir_loop *loop, int fd, uint32_t generation);

/*
 * The budget of input: the bytes that transformers (compression, escaping …) may read in a turn.
 * When it is spent, a channel waits in a queue of tasks that run last in a turn, each with a slice
 * of the budget. While any task waits there, events get none of the budget.
 */

/* Returns true if it is spent, and records that for loop_input_starved. */
bool loop_input_spent(struct weir_loop *loop);
void loop_input_charge(struct weir_loop *loop, size_t size);
/* Returns true if loop_input_spent was true since the last call. */
bool loop_input_starved(struct weir_loop *loop);
/* weir_loop_defer for a task that needs input. weir_loop_cancel cancels it. */
void loop_input_defer(struct weir_loop *loop, struct weir_task *task);

/*
 * Objects that a layer above has once in each loop, as a pool of memory. The address of the type is
 * the name of the object.
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
