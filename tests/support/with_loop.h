/* A group of tests whose state is a loop. */
#ifndef WEIR_TEST_WITH_LOOP_H
#define WEIR_TEST_WITH_LOOP_H

#include <weir/loop.h>

static inline int make_loop(void **state)
{
	struct weir_loop *loop;
	int error = weir_loop_create(&loop);
	*state = loop;
	return error;
}

static inline int destroy_loop(void **state)
{
	weir_loop_destroy(*state);
	return 0;
}

#endif
