/*
 * Random bits that nobody can guess, taken from the kernel a block at a time: the IDs of questions
 * and the case of their letters need a few bytes each. What was taken is erased.
 */
#ifndef WEIR_RANDOM_H
#define WEIR_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random_pool {
	uint8_t bytes[256];
	size_t left; /* the last of them, not taken yet */
};

/* 0 or a negative errno of getrandom; size ≤ sizeof bytes. All zero at first. */
int random_pool_take(struct random_pool *random, void *to, size_t size);

#endif
