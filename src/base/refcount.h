/*
 * Reference counts. A counted object begins with one reference, which its creator owns; it is freed by
 * the caller to whom `release` answers true.
 *
 *   refcount        any thread may take and release references
 *   local_refcount  one thread owns the object
 *
 * Taking a reference of an object that has none left, and taking more than REFCOUNT_MAX, are faults of
 * the program: both are asserted.
 */
#ifndef WEIR_BASE_REFCOUNT_H
#define WEIR_BASE_REFCOUNT_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Far below UINT_MAX, so that threads that overshoot it at the same time do not wrap the count. */
#define REFCOUNT_MAX (UINT32_MAX / 2)

struct refcount {
	atomic_uint count;
};

static inline void refcount_init(struct refcount *references)
{
	atomic_init(&references->count, 1);
}

static inline void refcount_hold(struct refcount *references)
{
	unsigned before = atomic_fetch_add_explicit(&references->count, 1, memory_order_relaxed);
	assert(before > 0 && before < REFCOUNT_MAX);
	(void)before;
}

/* Returns true if that was the last reference: everything other holders wrote is visible then. */
static inline bool refcount_release(struct refcount *references)
{
	unsigned before = atomic_fetch_sub_explicit(&references->count, 1, memory_order_acq_rel);
	assert(before > 0);
	return before == 1;
}

/* Whether the caller has the only reference. */
static inline bool refcount_unique(const struct refcount *references)
{
	return atomic_load_explicit(&references->count, memory_order_acquire) == 1;
}

struct local_refcount {
	unsigned count;
};

static inline void local_refcount_init(struct local_refcount *references)
{
	references->count = 1;
}

static inline void local_refcount_hold(struct local_refcount *references)
{
	assert(references->count > 0 && references->count < REFCOUNT_MAX);
	references->count++;
}

/* Returns true if that was the last reference. */
static inline bool local_refcount_release(struct local_refcount *references)
{
	assert(references->count > 0);
	return --references->count == 0;
}

static inline bool local_refcount_unique(const struct local_refcount *references)
{
	return references->count == 1;
}

#endif
