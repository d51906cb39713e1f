/* The rate limit of messages: the first ones are reported, the others are counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "say.h"
#include "with_loop.h"

/* Collects the output instead of stderr. */
struct said {
	int fd;
	int before;
	char text[4096];
};

static void listen_to(struct said *said)
{
	said->fd = memfd_create("said", MFD_CLOEXEC);
	said->before = dup(STDERR_FILENO);
	assert_true(said->fd >= 0 && said->before >= 0);
	dup2(said->fd, STDERR_FILENO);
}

static const char *stop_listening(struct said *said)
{
	dup2(said->before, STDERR_FILENO);
	ssize_t size = pread(said->fd, said->text, sizeof said->text - 1, 0);
	assert_true(size >= 0);
	said->text[size] = 0;
	close(said->before);
	close(said->fd);
	return said->text;
}

static unsigned allowed(struct complaints *complaints, unsigned count)
{
	unsigned allowed = 0;
	for (unsigned i = 0; i < count; i++)
		allowed += complaints_allow(complaints);
	return allowed;
}

/* The period's end comes on a wheel that turns with the clock. */
static void pass(struct weir_loop *loop)
{
	for (unsigned i = 0; i < 4; i++) {
		clock_advance(COMPLAINTS_PERIOD_S * 1000 / 2);
		weir_loop_turn(loop, 0);
	}
}

static void a_few_are_all_said(void **state)
{
	struct weir_loop *loop = *state;
	struct complaints complaints;
	struct said said;
	complaints_init(&complaints, loop, "mistakes");
	listen_to(&said);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(allowed(&complaints, COMPLAINTS_MAX), COMPLAINTS_MAX);
		pass(loop);
	}
	complaints_end(&complaints);
	assert_string_equal(stop_listening(&said), "");
}

static void the_rest_is_a_number(void **state)
{
	struct weir_loop *loop = *state;
	struct complaints complaints;
	struct said said;
	complaints_init(&complaints, loop, "mistakes");
	listen_to(&said);
	assert_int_equal(allowed(&complaints, COMPLAINTS_MAX + 7), COMPLAINTS_MAX);
	pass(loop);
	assert_int_equal(allowed(&complaints, 1000000), COMPLAINTS_MAX);
	complaints_end(&complaints);
	assert_false(weir_timer_running(&complaints.timer));
	assert_string_equal(
	        stop_listening(&said), "weir: 7 more mistakes\nweir: 999980 more mistakes\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_few_are_all_said),
	        cmocka_unit_test(the_rest_is_a_number),
	};
	return cmocka_run_group_tests(tests, make_loop, destroy_loop);
}
