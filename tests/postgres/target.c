/* Connection strings: what is refused, and what libpq must not add by itself. */
#include "database.h"

#include "allocation.h"
#include "postgres_target.h"

static struct weir_loop *loop;

static int init(struct postgres_target *target, const char *url, bool environment,
        char why[WEIR_POSTGRES_WHY_MAX])
{
	struct weir_postgres_options options =
	        OPTIONS(weir_postgres_options, o.url = url, o.environment = environment);
	return postgres_target_init(target, &options, why);
}

static int try_url(const char *url, bool environment, char why[WEIR_POSTGRES_WHY_MAX])
{
	struct postgres_target target = {0};
	int error = init(&target, url, environment, why);
	postgres_target_finish(&target);
	return error;
}

static void hosts_are_taken_apart(void **state)
{
	static const struct {
		const char *url;
		const char *hosts; /* name|address|port|local */
		const char *session;
	} cases[] = {
	        {"postgres://one", "one|~|5432|0 ", "any"},
	        {"postgres://u:p@one,two:5433/db?target_session_attrs=read-write",
	                "one|~|5432|0 two|~|5433|0 ", "read-write"},
	        {"postgres://[::1]:1", "::1|~|1|0 ", "any"},
	        {"postgres:///db?host=/run/a,@b", "/run/a|~|5432|1 @b|~|5432|1 ", "any"},
	        {"host=one,two hostaddr=127.0.0.1,::1 port=7", "one|127.0.0.1|7|0 two|::1|7|0 ",
	                "any"},
	        {"hostaddr=127.0.0.1", "127.0.0.1|127.0.0.1|5432|0 ", "any"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct postgres_target target = {0};
		char why[WEIR_POSTGRES_WHY_MAX], text[256] = "";
		assert_int_equal(init(&target, cases[i].url, false, why), 0);
		for (unsigned k = 0; k < target.host_count; k++) {
			const struct postgres_host *host = &target.hosts[k];
			size_t size = strlen(text);
			snprintf(text + size, sizeof text - size, "%s|%s|%s|%d ", host->name,
			        host->address ? host->address : "~", host->port, host->local);
		}
		assert_string_equal(text, cases[i].hosts);
		assert_string_equal(target.session, cases[i].session);
		postgres_target_finish(&target);
	}
}

static void what_cannot_work_is_refused(void **state)
{
	static const struct {
		const char *url;
		int error;
		const char *why; /* a part of the line */
	} cases[] = {
	        {"postgres://u:secret@one:x/y?z", WEIR_E_SYNTAX, "malformed"},
	        {"postgres://one?secret", WEIR_E_SYNTAX, "malformed"},
	        {"", -EINVAL, "must name a host"},
	        {"postgres:///db", -EINVAL, "must name a host"},
	        {"postgres://one,,two", -EINVAL, "must name a host"},
	        {"postgres://one:0", -EINVAL, "port"},
	        {"postgres://one:65536", -EINVAL, "port"},
	        {"host=one port=1,2", -EINVAL, "more ports than hosts"},
	        {"postgres://a,b,c,d,e,f,g,h,i", -EINVAL, "too many hosts"},
	        {"postgres://one?connect_timeout=3", -EINVAL, "'connect_timeout'"},
	        {"postgres://one?replication=true", -EINVAL, "'replication'"},
	        {"postgres://one?service=x", -EINVAL, "'service'"},
	        {"postgres://one?gssencmode=prefer", -EINVAL, "'gssencmode'"},
	        {"postgres://one?sslmode=bogus", -EINVAL, "'sslmode'"},
	        {"postgres://one?sslmode=verify-full", -EINVAL, "sslrootcert"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char why[WEIR_POSTGRES_WHY_MAX] = "";
		int error = try_url(cases[i].url, false, why);
		if (error != cases[i].error || !strstr(why, cases[i].why) || strstr(why, "secret"))
			fail_msg("%s: %d, %s", cases[i].url, error, why);
	}
}

static void the_environment_is_asked_only_if_wanted(void **state)
{
	static const char *const names[] = {
	        "PGPASSWORD", "PGSERVICE", "PGOPTIONS", "PGHOSTADDR", "PGDATABASE"};
	char why[WEIR_POSTGRES_WHY_MAX];
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		setenv(names[i], "x", 1);
		assert_int_equal(try_url("postgres://u@one", false, why), -EINVAL);
		if (!strstr(why, names[i]) || !strstr(why, "unset"))
			fail_msg("%s: %s", names[i], why);
		unsetenv(names[i]);
	}
	/* A variable whose keyword the URL has is not read. */
	setenv("PGPASSWORD", "x", 1);
	assert_int_equal(try_url("postgres://u:p@one", false, why), 0);
	unsetenv("PGPASSWORD");
	setenv("PGHOST", "two", 1);
	setenv("PGUSER", "somebody", 1);
	assert_int_equal(try_url("postgres://one", false, why), 0);
	assert_int_equal(try_url("", false, why), -EINVAL);
	struct postgres_target target = {0};
	assert_int_equal(init(&target, "", true, why), 0);
	assert_string_equal(target.hosts[0].name, "two");
	bool found = false;
	for (unsigned i = 0; i < target.count; i++)
		found |= strcmp(target.keywords[i], "user") == 0 &&
		         strcmp(target.values[i], "somebody") == 0;
	assert_true(found);
	postgres_target_finish(&target);
	unsetenv("PGHOST");
	unsetenv("PGUSER");
}

/* Files of the home directory are replaced by one that is never there. */
static void files_are_read_only_if_named(void **state)
{
	struct postgres_target target = {0};
	char why[WEIR_POSTGRES_WHY_MAX];
	unsigned none = 0;
	(void)state;
	assert_int_equal(init(&target, "postgres://one?sslcert=/a/b", false, why), 0);
	for (unsigned i = POSTGRES_TARGET_FIXED; i < target.count; i++) {
		none += strcmp(target.values[i], "/dev/null/none") == 0;
		if (strcmp(target.keywords[i], "sslcert") == 0)
			assert_string_equal(target.values[i], "/a/b");
	}
	assert_int_equal(none, 5);
	postgres_target_finish(&target);
}

static void options_are_checked(void **state)
{
	struct weir_postgres_options options =
	        OPTIONS(weir_postgres_options, o.url = "postgres://one");
	struct weir_postgres *pool;
	char why[WEIR_POSTGRES_WHY_MAX];
	(void)state;
	struct weir_postgres_options bad[] = {options, options, options, options, options};
	bad[0].url = NULL;
	bad[1].streams_max = 0;
	bad[2].batch_max = WEIR_POSTGRES_BATCH_MAX + 1;
	bad[3].statements_max = WEIR_POSTGRES_STATEMENTS_MAX + 1;
	bad[4].idle_ms = 0;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(weir_postgres_create(loop, &bad[i], why, &pool), -EINVAL);
	bad[0].url = "nonsense";
	assert_int_equal(weir_postgres_create(loop, &bad[0], why, &pool), WEIR_E_SYNTAX);
	assert_int_equal(weir_postgres_create(loop, &options, why, &pool), 0);
	weir_postgres_destroy(pool);
	weir_postgres_destroy(NULL);
}

static int start_all(void **state)
{
	(void)state;
	return weir_loop_create(&loop);
}

static int stop_all(void **state)
{
	(void)state;
	weir_loop_destroy(loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(hosts_are_taken_apart),
	        cmocka_unit_test(what_cannot_work_is_refused),
	        cmocka_unit_test(the_environment_is_asked_only_if_wanted),
	        cmocka_unit_test(files_are_read_only_if_named),
	        cmocka_unit_test(options_are_checked),
	};
	return cmocka_run_group_tests(tests, start_all, stop_all);
}
