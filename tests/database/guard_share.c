/* Wrong passwords of two front ends, which are counted together. */
#include "migrated.h"

#include <signal.h>

#include <weir/database_guard.h>
#include <weir/limits.h>

#include "allocation.h"

static struct weir_loop *loop;

/* A front end: its database, whose owner's name differs, and its guard. */
struct front {
	struct weir_database *database;
	struct weir_guard *guard;
	struct weir_database_guard *shared;
};

static struct front fronts[2];

static int64_t now_ms(void)
{
	return weir_loop_now_ms(loop);
}

static void guess(struct front *front, const char *text)
{
	struct weir_address address;
	assert_int_equal(weir_address_parse(weir_span_of(text), &address), 0);
	weir_guard_failed(front->guard, &address, WEIR_SPAN("mallory"), now_ms());
}

struct counted {
	const char *network;
	unsigned count;
};

static void count_one(void *context, const struct weir_guard_entry *entry)
{
	struct counted *counted = context;
	char text[WEIR_NETWORK_TEXT_MAX];
	weir_network_format(&entry->network, text);
	if (strcmp(text, counted->network) == 0)
		counted->count = entry->count;
}

static unsigned count(struct front *front, const char *network)
{
	struct counted counted = {.network = network};
	weir_guard_each(front->guard, now_ms(), count_one, &counted);
	return counted.count;
}

#define AWAIT(condition)                                                                           \
	while (!(condition))                                                                       \
	assert_int_equal(weir_loop_turn(loop, 1000), 0)

/* Waits until the front end has read once more what is there. */
static void await_exchange(void)
{
	static unsigned number;
	char address[48], network[32];
	number++;
	snprintf(network, sizeof network, "203.0.113.%u", number);
	snprintf(address, sizeof address, "%s:1", network);
	for (int i = 0; i < 2; i++)
		guess(&fronts[i], address);
	AWAIT(count(&fronts[0], network) == 2 && count(&fronts[1], network) == 2);
}

static void front_ends_count_together(void **state)
{
	(void)state;
	guess(&fronts[0], "192.0.2.1:1");
	guess(&fronts[0], "192.0.2.1:1");
	guess(&fronts[0], "[2001:db8::1]:1");
	AWAIT(count(&fronts[1], "192.0.2.1") == 2 && count(&fronts[1], "2001:db8::/64") == 1);
	guess(&fronts[1], "192.0.2.1:1");
	AWAIT(count(&fronts[0], "192.0.2.1") == 3);
	/* Counts that were learnt do not come back as others. */
	await_exchange();
	assert_int_equal(count(&fronts[0], "192.0.2.1"), 3);
	assert_int_equal(count(&fronts[1], "192.0.2.1"), 3);
	assert_string_equal(migrated_run("SELECT count(*), sum(wrong) FROM weir_guard"
	                                 " WHERE network = '192.0.2.1'"),
	        "2|3");
}

static void rows_end_with_their_counts(void **state)
{
	(void)state;
	/* As if they had been written by another one, long ago, or by nobody. */
	migrated_run(
	        "INSERT INTO weir_guard VALUES"
	        " ('192.0.2.20', 'x', 3, now() - interval '90 seconds', now() + interval '1 minute'),"
	        " ('192.0.2.21', 'x', 3, now() - interval '1 hour', now() - interval '1 minute'),"
	        " ('nonsense', 'x', 3, now(), now() + interval '1 minute'),"
	        " ('192.0.2.22', 'x', -3, now(), now() + interval '1 minute'),"
	        " ('192.0.2.23', 'x', 3, 'infinity', now() + interval '1 minute'),"
	        " ('192.0.2.24', 'x', 3, '-infinity', 'infinity')");
	AWAIT(count(&fronts[0], "192.0.2.20") == 2);
	await_exchange();
	assert_int_equal(count(&fronts[0], "192.0.2.21"), 0);
	assert_int_equal(count(&fronts[0], "192.0.2.22"), 0);
	assert_int_equal(count(&fronts[0], "192.0.2.23"), 0);
	assert_int_equal(count(&fronts[0], "192.0.2.24"), 0);
	migrated_run("DELETE FROM weir_guard WHERE network IN ('192.0.2.23', '192.0.2.24')");
	AWAIT(strcmp(migrated_run("SELECT count(*) FROM weir_guard WHERE network ="
	                          " '192.0.2.21'"),
	              "0") == 0);
}

static void clearing_reaches_the_database(void **state)
{
	struct weir_network network;
	const char *left = "SELECT count(*) FROM weir_guard WHERE network = '192.0.2.1'";
	(void)state;
	assert_int_equal(weir_network_parse(WEIR_SPAN("192.0.2.0/29"), &network), 0);
	assert_string_equal(migrated_run(left), "2");
	assert_int_equal(weir_database_guard_clear(fronts[0].shared, &network), 1);
	AWAIT(strcmp(migrated_run(left), "0") == 0);
	await_exchange();
	assert_int_equal(count(&fronts[0], "192.0.2.1"), 0);
	assert_string_not_equal(migrated_run("SELECT count(*) FROM weir_guard"), "0");
	weir_database_guard_clear(fronts[0].shared, NULL);
	weir_database_guard_clear(fronts[0].shared, NULL);
	AWAIT(strcmp(migrated_run("SELECT count(*) FROM weir_guard"), "0") == 0);
}

static void counts_wait_for_the_database(void **state)
{
	(void)state;
	database_stop(&migrated.server, SIGINT);
	for (unsigned i = 0; i < 300; i++) {
		char address[32];
		snprintf(address, sizeof address, "198.51.%u.%u:1", i / 200, i % 200 + 1);
		guess(&fronts[0], address);
	}
	for (int i = 0; i < 20; i++)
		weir_loop_turn(loop, 100);
	database_start(&migrated.server);
	/* More than one call can write. */
	AWAIT(count(&fronts[1], "198.51.0.1") == 1 && count(&fronts[1], "198.51.1.100") == 1);
}

static void it_ends_at_any_time(void **state)
{
	(void)state;
	bool failed = true;
	for (unsigned good = 0; failed; good++) {
		struct weir_database_guard *shared;
		fail_allocation_after(good, false);
		int error = weir_database_guard_create(
		        fronts[0].database, loop, fronts[0].guard, 1, &shared);
		for (unsigned i = 0; i < good && error == 0; i++)
			weir_loop_turn(loop, 10);
		failed = stop_failing_allocations();
		assert_true(error == 0 || (failed && error == -ENOMEM));
		if (error == 0)
			weir_database_guard_destroy(shared);
	}
	weir_database_guard_destroy(NULL);
}

/* -- the server -------------------------------------------------------------------------------- */

static int start_all(void **state)
{
	char why[WEIR_POSTGRES_WHY_MAX];
	migrated_setup(state);
	struct weir_postgres_options options =
	        OPTIONS(weir_postgres_options, o.url = migrated.url, o.wait_ms = 500);
	assert_int_equal(weir_loop_create(&loop), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(weir_database_create(&options, why, &fronts[i].database), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(weir_guard_create(NULL, &fronts[i].guard), 0);
		assert_int_equal(weir_database_guard_create(fronts[i].database, loop,
		                         fronts[i].guard, 20, &fronts[i].shared),
		        0);
	}
	return 0;
}

static int stop_all(void **state)
{
	for (int i = 0; i < 2; i++) {
		weir_database_guard_destroy(fronts[i].shared);
		weir_database_leave(fronts[i].database, loop);
		weir_database_release(fronts[i].database);
		weir_guard_destroy(fronts[i].guard);
	}
	weir_loop_destroy(loop);
	return migrated_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(front_ends_count_together),
	        cmocka_unit_test(rows_end_with_their_counts),
	        cmocka_unit_test(clearing_reaches_the_database),
	        cmocka_unit_test(counts_wait_for_the_database),
	        cmocka_unit_test(it_ends_at_any_time),
	};
	return cmocka_run_group_tests(tests, start_all, stop_all);
}
