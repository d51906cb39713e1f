/*
 * Makes allocations fail on purpose: the n-th from now, once or for good. Makes system calls of the
 * kernel fail, too.
 */
#ifndef WEIR_TEST_ALLOCATION_H
#define WEIR_TEST_ALLOCATION_H

#include <stdbool.h>

/* The allocation after `good` successful ones fails (and, with `forever`, all that follow). */
void fail_allocation_after(unsigned good, bool forever);

/* Back to normal. True when an allocation has failed since fail_allocation_after. */
bool stop_failing_allocations(void);

/* After `good` further calls of epoll_ctl, `count` calls fail with the errno `error`. */
void fail_epoll_ctl(unsigned good, unsigned count, int error);

/* The next `count` calls of accept4 fail with the errno `error`. */
void fail_accept(unsigned count, int error);

#endif
