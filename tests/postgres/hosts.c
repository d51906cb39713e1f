/*
 * Two servers, of which one is killed, restarted, promoted, full or silent; names and TLS. Each
 * acknowledged row is there, once.
 */
#include "database.h"

#include <poll.h>

#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "certificate.h"

static struct weir_loop *loop;
static struct database one, two;
static struct weir_postgres *pool;
static char url[1024];

static void start_pool(struct weir_postgres_options options)
{
	options.url = url;
	pool = pool_make(loop, options);
}

#define POOL(...) start_pool(OPTIONS(weir_postgres_options, __VA_ARGS__))

static void stop_pool(void)
{
	weir_postgres_destroy(pool);
	weir_loop_turn(loop, 0);
}

static void use_both(const char *more)
{
	snprintf(url, sizeof url, "postgres://weir@127.0.0.1:%d,127.0.0.1:%d/postgres?%s", one.port,
	        two.port, more);
}

/* A server that only reads, or not any more: what a promotion changes. */
static void set_read_only(struct database *database, bool on)
{
	char text[128];
	snprintf(text, sizeof text, "ALTER SYSTEM SET default_transaction_read_only = %s",
	        on ? "on" : "off");
	database_run(database, text);
	database_run(database, "SELECT pg_reload_conf()");
	for (int i = 0; i < 1000; i++) {
		if (strcmp(database_run(database, "SHOW default_transaction_read_only"),
		            on ? "on" : "off") == 0)
			return;
		poll(NULL, 0, 10);
	}
	fail_msg("the server is not changed");
}

/* Which server answers, by its port. */
static void expect_port(int port, bool stream)
{
	struct heard heard = {0};
	char text[16];
	snprintf(text, sizeof text, "(%d).", port);
	CALL(&heard, pool, "SELECT current_setting('port')", o.options.stream = stream);
	heard_expect(&heard, loop, text);
}

/* -- hosts ------------------------------------------------------------------------------------- */

static void the_next_host_is_tried(void **state)
{
	(void)state;
	use_both("");
	database_stop(&one, SIGINT);
	POOL(o.name = "next");
	expect_port(two.port, false);
	/* The connection to it is found broken while it is idle; the other server is back. */
	database_start(&one);
	database_stop(&two, SIGINT);
	assert_true(TURN_UNTIL(loop, weir_postgres_connections(pool) == 0));
	expect_port(one.port, true);
	database_start(&two);
	assert_int_equal(pool_metric(loop, "next", "weir_postgres_failovers_total", 0), 1);
	assert_int_equal(pool_metric(loop, "next", "weir_postgres_connects_total", 0), 2);
	assert_true(pool_metric(loop, "next", "weir_postgres_connects_total", 1) >= 1);
	assert_int_equal(pool_metric(loop, "next", "weir_postgres_connections", 0), 1);
	stop_pool();
	assert_int_equal(pool_metric(loop, "next", "weir_postgres_connections", 0), 0);
}

static void a_host_that_refuses_or_is_silent_is_passed(void **state)
{
	struct weir_address address = local_address();
	socklen_t size = sizeof address;
	(void)state;
	use_both("");
	database_run(&one, "CREATE ROLE guest LOGIN CONNECTION LIMIT 0");
	database_run(&two, "CREATE ROLE guest LOGIN");
	memcpy(url, "postgres://guest@12", 18);
	snprintf(url, sizeof url, "postgres://guest@127.0.0.1:%d,127.0.0.1:%d/postgres", one.port,
	        two.port);
	POOL();
	expect_port(two.port, false);
	stop_pool();
	int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(silent, &address.any, weir_address_size(&address)), 0);
	assert_int_equal(listen(silent, 8), 0);
	assert_int_equal(getsockname(silent, &address.any, &size), 0);
	snprintf(url, sizeof url, "postgres://weir@127.0.0.1:%d,localhost:%d/postgres",
	        ntohs(address.v4.sin_port), two.port);
	POOL(o.connect_ms = 300);
	expect_port(two.port, false);
	stop_pool();
	close(silent);
}

/* Nobody answers: the reason is that of the last attempt. */
static void no_host_at_all(void **state)
{
	struct heard heard = {0};
	(void)state;
	strcpy(url, "postgres://weir@127.0.0.1:1,nobody.invalid/postgres");
	POOL(o.wait_ms = 400);
	CALL(&heard, pool, "SELECT 1");
	heard_await_end(&heard, loop);
	assert_int_equal(heard.error, -ENOTCONN);
	assert_non_null(strstr(heard.why, "nobody.invalid: "));
	heard_expect(&heard, loop, "u");
	stop_pool();
}

static void the_role_of_a_server_counts(void **state)
{
	(void)state;
	set_read_only(&one, true);
	use_both("target_session_attrs=read-write");
	POOL();
	expect_port(two.port, false);
	stop_pool();
	use_both("target_session_attrs=read-only");
	POOL();
	expect_port(one.port, false);
	stop_pool();
	/* There is no standby: the second pass takes any. */
	use_both("target_session_attrs=prefer-standby");
	POOL();
	expect_port(one.port, false);
	stop_pool();
	/* The roles change below a connection: a write finds that out, and goes to the other. */
	use_both("target_session_attrs=read-write");
	POOL();
	expect_port(two.port, false);
	struct heard heard = {0};
	set_read_only(&one, false);
	set_read_only(&two, true);
	CALL(&heard, pool, "INSERT INTO entry VALUES (-1) RETURNING current_setting('port')");
	char text[16];
	snprintf(text, sizeof text, "(%d).", one.port);
	heard_expect(&heard, loop, text);
	stop_pool();
	set_read_only(&two, false);
	database_run(&one, "TRUNCATE entry");
}

/* -- load -------------------------------------------------------------------------------------- */

enum {
	ENTRIES = 3000,
	UNDER_WAY = 50,
	KILL_EACH = 400,
};

struct entry {
	struct weir_postgres_call *call;
	int number;
	int *acknowledged;
};

static unsigned entries_under_way;
static unsigned entries_ended;
static unsigned entries_unknown;
static int entry_acknowledged[ENTRIES];

static void entry_start(struct entry *entry, bool idempotent);

static void entry_on_end(void *context, const struct weir_postgres_end *end)
{
	struct entry *entry = context;
	entries_under_way--;
	/* An unknown outcome is resolved by the caller's own id. */
	if (end->outcome != WEIR_POSTGRES_COMMITTED) {
		entries_unknown += end->outcome == WEIR_POSTGRES_UNKNOWN;
		entry_start(entry, false);
		return;
	}
	entry_acknowledged[entry->number]++;
	entries_ended++;
	free(entry);
}

static const struct weir_postgres_events entry_events = {.end = entry_on_end};

static void entry_start(struct entry *entry, bool idempotent)
{
	char number[16];
	snprintf(number, sizeof number, "%d", entry->number);
	struct weir_postgres_value value = weir_postgres_text(number);
	struct weir_postgres_statement statement = {
	        "INSERT INTO entry VALUES ($1::int) ON CONFLICT DO NOTHING", &value, 1};
	struct weir_postgres_call_options options = OPTIONS(weir_postgres_call_options,
	        o.statements = &statement, o.key = weir_span_of(number), o.idempotent = idempotent);
	assert_int_equal(
	        weir_postgres_call_start(pool, &options, &entry_events, entry, &entry->call), 0);
	entries_under_way++;
}

/* The server is killed again and again while entries are written. */
static void a_server_is_killed_under_load(void **state)
{
	int next = 0;
	unsigned kills = 0;
	(void)state;
	snprintf(url, sizeof url, "postgres://weir@127.0.0.1:%d/postgres", one.port);
	POOL(o.wait_ms = 60000, o.name = "load");
	memset(entry_acknowledged, 0, sizeof entry_acknowledged);
	entries_ended = entries_unknown = 0;
	while (entries_ended < ENTRIES) {
		while (entries_under_way < UNDER_WAY && next < ENTRIES) {
			struct entry *entry = calloc(1, sizeof *entry);
			entry->number = next++;
			entry_start(entry, entry->number % 2);
		}
		bool kill_now = entries_ended > (kills + 1) * KILL_EACH;
		/* New batches are on their way to the server, or at work in it. */
		for (unsigned i = 0; kill_now && i <= kills % 3; i++)
			weir_loop_turn(loop, 0);
		if (kill_now) {
			database_stop(&one, SIGQUIT);
			/* The losses are noticed while the server is away. */
			for (int i = 0; i < 20; i++)
				weir_loop_turn(loop, 1);
			database_start(&one);
			kills++;
		}
		weir_loop_turn(loop, 5);
	}
	assert_true(kills >= 6);
	assert_true(entries_unknown > 0);
	for (int i = 0; i < ENTRIES; i++)
		assert_int_equal(entry_acknowledged[i], 1);
	assert_string_equal(
	        database_run(&one, "SELECT count(*), count(DISTINCT id) FROM entry"), "3000|3000");
	assert_int_equal(pool_metric(loop, "load", "weir_postgres_calls_total", 0), ENTRIES);
	assert_int_equal(
	        pool_metric(loop, "load", "weir_postgres_calls_total", 2), entries_unknown);
	assert_true(pool_metric(loop, "load", "weir_postgres_retries_total", 2) > 0);
	assert_true(pool_metric(loop, "load", "weir_postgres_batches_total", 0) < ENTRIES / 2);
	database_run(&one, "TRUNCATE entry");
	stop_pool();
}

/* -- TLS --------------------------------------------------------------------------------------- */

static void copy_file(struct database *database, const char *name, const char *from)
{
	struct weir_buffer text = {0};
	FILE *file = fopen(from, "r");
	assert_non_null(file);
	assert_int_equal(weir_buffer_read(&text, fileno(file), 1 << 20), 0);
	assert_int_equal(weir_buffer_append(&text, "", 1, 1 << 20), 0);
	fclose(file);
	database_write(database, name, text.data);
	weir_buffer_finish(&text);
}

/* The name is verified, although libpq is given an address. */
static void tls_verifies_the_name(void **state)
{
	struct certificate_files files = certificate_make("localhost", "DNS:localhost", 1);
	char ca[128];
	struct heard heard = {0};
	(void)state;
	copy_file(&one, "data/server.crt", files.chain);
	copy_file(&one, "data/server.key", files.key);
	copy_file(&one, "ca.crt", certificate_ca());
	snprintf(ca, sizeof ca, "%s/ca.crt", one.path);
	database_run(&one, "ALTER SYSTEM SET ssl = on");
	database_stop(&one, SIGINT);
	database_start(&one);
	snprintf(url, sizeof url,
	        "postgres://weir@localhost:%d/postgres?sslmode=verify-full&sslrootcert=%s",
	        one.port, ca);
	POOL();
	CALL(&heard, pool, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
	heard_expect(&heard, loop, "(t).");
	/* Records are larger than what libpq reads at a time: nothing stays in OpenSSL's buffer. */
	CALL(&heard, pool, "SELECT repeat('x', 5000) FROM generate_series(1, 2000)",
	        o.options.stream = true);
	heard_await_end(&heard, loop);
	assert_int_equal(heard.rows, 2000);
	heard_clear(&heard);
	stop_pool();
	snprintf(url, sizeof url,
	        "postgres://weir@127.0.0.1:%d/postgres?sslmode=verify-full&sslrootcert=%s",
	        one.port, ca);
	POOL(o.wait_ms = 300);
	CALL(&heard, pool, "SELECT 1");
	heard_await_end(&heard, loop);
	assert_non_null(strstr(heard.why, "does not match host name"));
	heard_expect(&heard, loop, "u");
	stop_pool();
	/* The cancel request goes without TLS, as libpq makes it. */
	snprintf(
	        url, sizeof url, "postgres://weir@localhost:%d/postgres?sslmode=require", one.port);
	POOL(o.answer_ms = 200);
	CALL(&heard, pool, "SELECT pg_sleep(100)");
	heard_await_end(&heard, loop);
	assert_string_equal(heard.state, "57014");
	heard_clear(&heard);
	stop_pool();
	certificates_remove();
}

/* -- refusals ---------------------------------------------------------------------------------- */

static void expect_refusal(const char *text, const char *advice)
{
	struct heard batch = {0}, stream = {0};
	POOL(o.hasty = true, o.wait_ms = 60000);
	CALL(&batch, pool, "SELECT 1");
	CALL(&stream, pool, "SELECT 1", o.options.stream = true);
	heard_await_end(&batch, loop);
	heard_await_end(&stream, loop);
	assert_int_equal(batch.error, -ENOTCONN);
	assert_string_equal(batch.why, stream.why);
	assert_string_equal(batch.why, weir_postgres_failure(pool));
	if (!strstr(batch.why, text) || !strstr(batch.why, advice))
		fail_msg("%s", batch.why);
	heard_expect(&batch, loop, "u");
	heard_expect(&stream, loop, "u");
	stop_pool();
}

/* A call of a hasty pool ends at once if all hosts refuse in a way that lasts. */
static void refusals_that_last_end_a_hasty_call(void **state)
{
	char hba[256];
	struct heard heard = {0};
	(void)state;
	snprintf(hba, sizeof hba,
	        "host all asked 127.0.0.1/32 scram-sha-256\nhost all out 127.0.0.1/32 reject\n"
	        "host all all 127.0.0.1/32 trust\nlocal all all trust\n");
	database_write(&two, "data/pg_hba.conf", hba);
	database_run(&two, "CREATE ROLE asked LOGIN PASSWORD 'right'");
	database_run(&two, "CREATE ROLE out LOGIN");
	database_run(&two, "CREATE DATABASE closed");
	database_run(&two, "REVOKE CONNECT ON DATABASE closed FROM PUBLIC");
	database_stop(&two, SIGINT);
	database_start(&two);
	static const struct {
		const char *user, *host, *database, *text, *advice;
	} refusals[] = {
	        {"asked:wrong", "127.0.0.1", "postgres", "password authentication failed",
	                "; correct the password"},
	        {"asked", "127.0.0.1", "postgres", "no password supplied", "; the server asks"},
	        {"nobody", "127.0.0.1", "postgres", "role \"nobody\" does not exist",
	                "; correct the user"},
	        {"out", "127.0.0.1", "postgres", "pg_hba.conf rejects", "; correct the user"},
	        {"asked:right", "127.0.0.1", "nowhere", "database \"nowhere\" does not exist",
	                "; make this database"},
	        {"asked:right", "127.0.0.1", "closed", "permission denied",
	                "; the user needs the right"},
	        {"weir", "127.0.0.1", "postgres?sslmode=require", "does not support SSL",
	                "; the server needs"},
	        {"weir", "no..name", "postgres", "no..name: not a name", "; correct the host"},
	};
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		snprintf(url, sizeof url, "postgres://%s@%s:%d/%s", refusals[i].user,
		        refusals[i].host, two.port, refusals[i].database);
		expect_refusal(refusals[i].text, refusals[i].advice);
	}
	/* A host that does not run may come back, and another pool waits in any case. */
	snprintf(url, sizeof url, "postgres://nobody@127.0.0.1:%d,127.0.0.1:1/postgres", two.port);
	POOL(o.hasty = true, o.wait_ms = 300);
	CALL(&heard, pool, "SELECT 1");
	for (int i = 0; i < 20; i++)
		weir_loop_turn(loop, 1);
	assert_int_equal(heard.ends, 0);
	heard_await_end(&heard, loop);
	heard_clear(&heard);
	stop_pool();
}

/* -- all --------------------------------------------------------------------------------------- */

static int start_all(void **state)
{
	struct database *databases[] = {&one, &two};
	(void)state;
	for (int i = 0; i < 2; i++) {
		database_make(databases[i], "synchronous_commit = on");
		database_start(databases[i]);
		database_run(databases[i], "CREATE TABLE entry (id int PRIMARY KEY)");
	}
	return weir_loop_create(&loop);
}

static int stop_all(void **state)
{
	(void)state;
	weir_loop_destroy(loop);
	database_remove(&one);
	database_remove(&two);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_next_host_is_tried),
	        cmocka_unit_test(a_host_that_refuses_or_is_silent_is_passed),
	        cmocka_unit_test(no_host_at_all),
	        cmocka_unit_test(the_role_of_a_server_counts),
	        cmocka_unit_test(a_server_is_killed_under_load),
	        cmocka_unit_test(refusals_that_last_end_a_hasty_call),
	        cmocka_unit_test(tls_verifies_the_name),
	};
	return cmocka_run_group_tests(tests, start_all, stop_all);
}
