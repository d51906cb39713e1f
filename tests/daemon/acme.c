/*
 * Certificates of an authority that is down: each allocation fails once on the way, and the attempt
 * ends in a state on the disk all the same. Pauses grow, have a bound, and survive a restart.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "acme.h"
#include "acme_state.h"
#include "acme_store.h"
#include "allocation.h"
#include "certificate.h"
#include "clock.h"
#include "service.h"

#define NAME "a.example.org"

static char directory[] = "/tmp/weir-acme-XXXXXX";

struct scene {
	struct weir_loop *loop;
	struct config *config;
	struct config_authority authorities[2];
	struct config_listener listener;
	const char *names[1];
};

static int begin(void **state)
{
	struct scene *scene = calloc(1, sizeof *scene);
	strcpy(directory + sizeof directory - 7, "XXXXXX");
	if (!mkdtemp(directory) || weir_loop_create(&scene->loop) < 0)
		return -1;
	scene->config = config_create();
	struct config_acme *acme = &scene->config->acme;
	scene->names[0] = NAME;
	/* Nobody listens there. */
	scene->authorities[0] = (struct config_authority){
	        .url = "https://127.0.0.1:1/directory", .trust = certificate_ca()};
	scene->authorities[1] = scene->authorities[0];
	acme->config = scene->config;
	acme->directory = directory;
	acme->managed.items = scene->names;
	acme->managed.count = 1;
	acme->authorities.items = scene->authorities;
	acme->authorities.count = 1;
	acme->retry_ms = 60 * 1000;
	acme->http_01 = true;
	*state = scene;
	return 0;
}

static int end(void **state)
{
	struct scene *scene = *state;
	char command[128];
	config_release(scene->config);
	weir_loop_destroy(scene->loop);
	free(scene);
	snprintf(command, sizeof command, "rm -rf %s", directory);
	return system(command);
}

static void on_changed(void *context)
{
	(void)context;
	fail(); /* nothing was installed */
}

/* Turns the loop until an attempt beyond `failures` has failed. Returns false if none does. */
static bool await_failure(struct scene *scene, uint64_t failures, struct acme_state *ret)
{
	for (unsigned i = 0; i < 200; i++) {
		if (acme_state_read(directory, NAME, ret) == 0 && ret->failures > failures)
			return true;
		weir_loop_turn(scene->loop, 1);
		clock_advance(WEIR_TIMER_TICK_MS);
	}
	return false;
}

static void test_each_allocation_fails(void **state)
{
	struct scene *scene = *state;
	bool failed = true;
	for (unsigned good = 0; failed; good++) {
		struct acme *acme = NULL;
		struct acme_state known = {0};
		char path[128];
		snprintf(path, sizeof path, "%s/" ACME_STATES "/" NAME, directory);
		unlink(path);
		fail_allocation_after(good, false);
		int error = acme_create(scene->loop, scene->config, on_changed, NULL, &acme);
		/* Without memory for the state, it is not stored: the next attempt is later. */
		if (error == 0)
			await_failure(scene, 0, &known);
		failed = stop_failing_allocations();
		assert_true(error == 0 || (failed && error == -ENOMEM));
		assert_true(failed || known.failures == 1);
		acme_destroy(acme);
		weir_loop_turn(scene->loop, 0);
	}
}

static void test_pauses(void **state)
{
	struct scene *scene = *state;
	struct acme *acme;
	struct acme_state known = {0};
	int64_t least_s = 60;
	for (unsigned i = 0; i < 12; i++, least_s *= 2) {
		/* A restart each time: the number of failures goes on, and the pause with it. */
		assert_int_equal(
		        acme_create(scene->loop, scene->config, on_changed, NULL, &acme), 0);
		assert_true(await_failure(scene, i, &known));
		assert_int_equal(known.failures, i + 1);
		assert_non_null(strstr(known.why, "refused"));
		least_s = least_s > ACME_RETRY_MAX_S ? ACME_RETRY_MAX_S : least_s;
		int64_t pause_s = known.next_s - weir_loop_wall_s(scene->loop);
		assert_in_range(pause_s, least_s - 2, least_s + least_s / 2 + 1);
		/* It is kept to. */
		if (i % 5 == 0)
			assert_false(await_failure(scene, i + 1, &known));
		acme_destroy(acme);
		weir_loop_turn(scene->loop, 0);
		clock_advance((known.next_s - weir_loop_wall_s(scene->loop) + 1) * 1000);
	}
}

/* The next authority is asked at once; behind the last one there is a pause. */
static void test_several_authorities(void **state)
{
	struct scene *scene = *state;
	struct acme *acme;
	struct acme_state known = {0};
	scene->config->acme.authorities.count = 2;
	assert_int_equal(acme_create(scene->loop, scene->config, on_changed, NULL, &acme), 0);
	assert_true(await_failure(scene, 1, &known));
	assert_int_equal(known.failures, 2);
	assert_in_range(known.next_s - weir_loop_wall_s(scene->loop), 58, 91);
	acme_destroy(acme);
}

/* A process that has the lock is waited for. */
static void test_the_lock(void **state)
{
	struct scene *scene = *state;
	struct acme_store *other;
	struct acme *acme;
	struct acme_state known = {0};
	assert_int_equal(acme_store_open(directory, &other), 0);
	assert_int_equal(acme_store_lock(other), 0);
	assert_int_equal(acme_create(scene->loop, scene->config, on_changed, NULL, &acme), 0);
	assert_false(await_failure(scene, 0, &known));
	acme_store_close(other);
	assert_true(await_failure(scene, 0, &known));
	acme_destroy(acme);
}

static int remove_files(void **state)
{
	(void)state;
	certificates_remove();
	return 0;
}

int main(void)
{
#define IN_A_SCENE(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
	        IN_A_SCENE(test_each_allocation_fails),
	        IN_A_SCENE(test_pauses),
	        IN_A_SCENE(test_several_authorities),
	        IN_A_SCENE(test_the_lock),
	};
	return cmocka_run_group_tests(tests, NULL, remove_files);
}
