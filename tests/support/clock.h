/* A clock that tests can move on: what takes a minute is seen at once. */
#ifndef WEIR_TEST_CLOCK_H
#define WEIR_TEST_CLOCK_H

#include <stdint.h>

/* All clocks of this process are so much later from now on. */
void clock_advance(int64_t ms);

/*
 * From now on only clock_advance moves the clocks, so that a test of whole seconds does not depend
 * on how long it takes itself. No other thread may read a clock at that moment.
 */
void clock_hold(void);

/* Likewise, with the wall clock at this second since 1970. */
void clock_hold_at(int64_t wall_s);

/* The clocks run again. They show at once the time that has passed. */
void clock_go_on(void);

/* Makes the monotonic clock show this now (and go on from there). */
void clock_set_monotonic(int64_t ms);

#endif
