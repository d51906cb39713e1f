/* Makes allocations fail on purpose: the n-th from now, once or for good. */
#ifndef WEIR_TEST_ALLOCATION_H
#define WEIR_TEST_ALLOCATION_H

#include <stdbool.h>

/* The allocation after `good` successful ones fails (and, with `forever`, all that follow). */
void fail_allocation_after(unsigned good, bool forever);

/* Back to normal. True when an allocation has failed since fail_allocation_after. */
bool stop_failing_allocations(void);

#endif
