/* Random compositions against a model made of plain byte arrays. A failure prints its seed. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "compose.h"

enum {
	COMPOSITIONS = 6000,
	DEPTH = 6
};

static void run_seed(struct weir_loop *loop, uint64_t seed)
{
	struct dice dice = {.state = seed * 2654435761u + 1};
	const char *wrong = compose_and_drain(loop, &dice, DEPTH);
	if (wrong)
		fail_msg("seed %ju: %s", (uintmax_t)seed, wrong);
}

/* WEIR_SEED=n runs that one only, to look into a failure. */
static void random_compositions_give_the_bytes_of_the_model(void **state)
{
	struct weir_loop *loop;
	const char *seed = getenv("WEIR_SEED");
	(void)state;
	assert_int_equal(weir_loop_create(&loop), 0);
	if (seed)
		run_seed(loop, strtoull(seed, NULL, 10));
	for (uint64_t i = 0; i < COMPOSITIONS && !seed; i++)
		run_seed(loop, i);
	weir_loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(random_compositions_give_the_bytes_of_the_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
