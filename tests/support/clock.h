/* A clock that tests can move on: what takes a minute is seen at once. */
#ifndef WEIR_TEST_CLOCK_H
#define WEIR_TEST_CLOCK_H

#include <stdint.h>

/* All clocks of this process are so much later from now on. */
void clock_advance(int64_t ms);

/* Makes the monotonic clock show this now (and go on from there). */
void clock_set_monotonic(int64_t ms);

#endif
