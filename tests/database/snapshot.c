/* Snapshots: following a version, what stays when something fails, copies on disk, users. */
#include "migrated.h"

#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

#include <weir/database_check.h>
#include <weir/database_copy.h>
#include <weir/database_snapshot.h>
#include <weir/database_users.h>

#include "allocation.h"

static struct weir_loop *loop;
static struct weir_database *database;

static struct weir_database *open_database(void)
{
	char why[WEIR_POSTGRES_WHY_MAX];
	struct weir_database *opened;
	struct weir_postgres_options options =
	        OPTIONS(weir_postgres_options, o.url = migrated.url, o.wait_ms = 500);
	assert_int_equal(weir_database_create(&options, why, &opened), 0);
	return opened;
}

/* -- a kind of snapshot ------------------------------------------------------------------------ */

/* The calls of the functions of the type. */
struct seen {
	char text[512]; /* of the object in use */
	char why[WEIR_POSTGRES_WHY_MAX];
	char warning[WEIR_POSTGRES_WHY_MAX]; /* of the copy, the last one */
	unsigned uses;
	unsigned reports; /* of failures */
	unsigned goods;   /* reports that it is renewed again */
};

static unsigned objects; /* that were not dropped, from all threads */

static int words_format(const struct weir_postgres_row *row, struct weir_buffer *text,
        char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	struct weir_span word = weir_postgres_row_value(row, 0);
	if (weir_span_equal(word, WEIR_SPAN("unfit"))) {
		snprintf(ret_why, WEIR_POSTGRES_WHY_MAX, "a word is unfit");
		return WEIR_E_SYNTAX;
	}
	return weir_buffer_append(text, word.data, word.size, SIZE_MAX);
}

static void *words_begin(void *context)
{
	(void)context;
	char *object = calloc(1, 512);
	if (object)
		__atomic_add_fetch(&objects, 1, __ATOMIC_RELAXED);
	return object;
}

static void words_drop(void *object)
{
	__atomic_sub_fetch(&objects, 1, __ATOMIC_RELAXED);
	free(object);
}

static int words_parse(void *object, struct weir_span text, char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	if (text.size && text.data[0] == '!') {
		snprintf(ret_why, WEIR_POSTGRES_WHY_MAX, "it begins with '!'");
		return WEIR_E_SYNTAX;
	}
	snprintf(object, 512, "%.*s", (int)text.size, text.size ? text.data : "");
	return 0;
}

static void words_use(void *context, void *object, struct weir_buffer *text)
{
	struct seen *seen = context;
	assert_int_equal(strlen(object), text->size);
	snprintf(seen->text, sizeof seen->text, "%s", (const char *)object);
	seen->uses++;
	words_drop(object);
}

static void words_report(void *context, const char *why)
{
	struct seen *seen = context;
	if (why)
		snprintf(seen->why, sizeof seen->why, "%s", why);
	*(why ? &seen->reports : &seen->goods) += 1;
}

static void words_warn(void *context, const char *text)
{
	struct seen *seen = context;
	snprintf(seen->warning, sizeof seen->warning, "%s", text);
}

static const struct weir_database_snapshot_type words = {
        .name = "words",
        .select = "SELECT word FROM words ORDER BY 1",
        .bytes_max = 100,
        .format = words_format,
        .begin = words_begin,
        .parse = words_parse,
        .use = words_use,
        .drop = words_drop,
        .report = words_report,
        .warn = words_warn,
};

static struct weir_database_snapshot_options options_for(struct seen *seen)
{
	return OPTIONS(
	        weir_database_snapshot_options, o.type = &words, o.context = seen, o.poll_ms = 20);
}

static struct weir_database_snapshot *follow(struct weir_database_snapshot_options options)
{
	struct weir_database_snapshot *snapshot;
	assert_int_equal(weir_database_snapshot_create(database, loop, &options, &snapshot), 0);
	return snapshot;
}

#define AWAIT(condition)                                                                           \
	while (!(condition))                                                                       \
	assert_int_equal(weir_loop_turn(loop, 1000), 0)

static void put(const char *sql)
{
	char text[512];
	snprintf(text, sizeof text,
	        "BEGIN; %s; INSERT INTO weir_snapshot VALUES ('words', 1) ON CONFLICT (name)"
	        " DO UPDATE SET version = weir_snapshot.version + 1; COMMIT",
	        sql);
	migrated_run(text);
}

static void reset(void)
{
	migrated_run("DROP TABLE IF EXISTS words; CREATE TABLE words (word text PRIMARY KEY);"
	             "DELETE FROM weir_snapshot");
}

/* -- following --------------------------------------------------------------------------------- */

static void a_snapshot_follows_its_version(void **state)
{
	(void)state;
	struct seen seen = {.uses = 0};
	struct weir_database_snapshot_info info;
	reset();
	struct weir_database_snapshot *snapshot = follow(options_for(&seen));
	/* Nothing was ever written: that is a snapshot, too. */
	AWAIT(seen.uses == 1);
	assert_string_equal(seen.text, "");
	put("INSERT INTO words VALUES ('one'), ('two')");
	AWAIT(seen.uses == 2);
	assert_string_equal(seen.text, "onetwo");
	put("UPDATE weir_snapshot SET version = -2");
	AWAIT(seen.uses == 3);
	/* A version that is smaller is another one: the database may be a backup. */
	put("DELETE FROM words WHERE word = 'one'; UPDATE weir_snapshot SET version = -7");
	AWAIT(seen.uses == 4);
	assert_string_equal(seen.text, "two");
	weir_database_snapshot_info(snapshot, &info);
	assert_int_equal(info.version, -6);
	assert_int_equal(info.loads, 4);
	assert_int_equal(info.bytes, 3);
	assert_false(info.failing);
	/* Without another version nothing is loaded. */
	migrated_run("INSERT INTO words VALUES ('unseen')");
	int64_t seen_ms = info.seen_ms;
	AWAIT((weir_database_snapshot_info(snapshot, &info), info.seen_ms > seen_ms));
	assert_int_equal(info.loads, 4);
	assert_int_equal(seen.reports + seen.goods, 0);
	weir_database_snapshot_destroy(snapshot);
	weir_database_snapshot_destroy(NULL);
	assert_int_equal(objects, 0);
}

static void the_bump_gives_another_version(void **state)
{
	(void)state;
	struct heard heard = {0};
	struct weir_postgres *pool;
	reset();
	assert_int_equal(weir_database_pool(database, loop, &pool), 0);
	for (int i = 0; i < 2; i++) {
		CALL(&heard, pool, weir_database_snapshot_bump, o.values[0] = "words");
		heard_expect(&heard, loop, ".");
	}
	/* Later than the clock, which may be set back. */
	assert_string_equal(
	        migrated_run("UPDATE weir_snapshot SET version = 9000000000000000 RETURNING"
	                     " version > 1600000000000"),
	        "t");
	CALL(&heard, pool, weir_database_snapshot_bump, o.values[0] = "words");
	heard_expect(&heard, loop, ".");
	assert_string_equal(migrated_run("SELECT version FROM weir_snapshot"), "9000000000000001");
	/* A row that somebody else has made does not stop all later changes. */
	migrated_run("UPDATE weir_snapshot SET version = 9223372036854775807");
	for (int i = 0; i < 2; i++) {
		CALL(&heard, pool, weir_database_snapshot_bump, o.values[0] = "words");
		heard_expect(&heard, loop, ".");
	}
	assert_string_equal(migrated_run("SELECT version BETWEEN 1600000000000 AND 9000000000000"
	                                 " FROM weir_snapshot"),
	        "t");
}

/* -- failures ---------------------------------------------------------------------------------- */

static void the_last_good_one_stays(void **state)
{
	static const struct {
		const char *sql;
		const char *why;
	} bad[] = {
	        {"INSERT INTO words VALUES ('!')", "it begins with '!'"},
	        {"UPDATE words SET word = 'unfit'", "a word is unfit"},
	        {"UPDATE words SET word = repeat('x', 101)", "limit"},
	};
	(void)state;
	struct seen seen = {.uses = 0};
	reset();
	put("INSERT INTO words VALUES ('good')");
	struct weir_database_snapshot *snapshot = follow(options_for(&seen));
	AWAIT(seen.uses == 1);
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct weir_database_snapshot_info info;
		put(i ? "SELECT 1" : "DELETE FROM words");
		put(bad[i].sql);
		AWAIT(strstr(seen.why, bad[i].why));
		assert_int_equal(seen.reports, i + 1);
		/* It is reported once, and not loaded again. */
		weir_database_snapshot_info(snapshot, &info);
		uint64_t failures = info.failures;
		for (int turn = 0; turn < 5; turn++) {
			weir_database_snapshot_poll(snapshot);
			weir_loop_turn(loop, 1000);
		}
		weir_database_snapshot_info(snapshot, &info);
		assert_true(info.failing);
		assert_true(info.failures <= failures + 1);
		put("DELETE FROM words; INSERT INTO words VALUES ('good')");
		AWAIT(seen.goods == i + 1);
		assert_string_equal(seen.text, "good");
	}
	weir_database_snapshot_destroy(snapshot);
	assert_int_equal(objects, 0);
}

static void it_survives_the_server(void **state)
{
	(void)state;
	struct seen seen = {.uses = 0};
	reset();
	put("INSERT INTO words VALUES ('before')");
	struct weir_database_snapshot *snapshot = follow(options_for(&seen));
	AWAIT(seen.uses == 1);
	database_stop(&migrated.server, SIGINT);
	AWAIT(seen.reports == 1);
	assert_string_equal(seen.text, "before");
	database_start(&migrated.server);
	put("INSERT INTO words VALUES ('after')");
	AWAIT(strcmp(seen.text, "afterbefore") == 0);
	assert_int_equal(seen.goods, 1);
	/* A table that is not there is a failure like any other. */
	migrated_run("ALTER TABLE words RENAME TO others");
	put("SELECT 1");
	AWAIT(seen.reports == 2);
	assert_non_null(strstr(seen.why, "words"));
	weir_database_snapshot_destroy(snapshot);
	migrated_run("DROP TABLE others");
}

/* -- a parse that takes long ------------------------------------------------------------------- */

static sem_t parse_began, parse_goes_on;

struct slow {
	struct weir_database *database;
	char owner[WEIR_DATABASE_ID_SIZE];
};

static void *slow_begin(void *context)
{
	struct slow *object = calloc(1, sizeof *object);
	assert_non_null(object);
	object->database = context;
	return object;
}

static int slow_parse(void *object, struct weir_span text, char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	struct slow *slow = object;
	(void)text, (void)ret_why;
	sem_post(&parse_began);
	sem_wait(&parse_goes_on);
	snprintf(slow->owner, sizeof slow->owner, "%s", weir_database_owner(slow->database));
	return 0;
}

static void slow_use(void *context, void *object, struct weir_buffer *text)
{
	(void)context, (void)text;
	free(object);
}

/* The reference of the creator is released while the parse still needs the database. */
static void a_parse_holds_the_database(void **state)
{
	static const struct weir_database_snapshot_type slow = {.name = "words",
	        .select = "SELECT word FROM words ORDER BY 1",
	        .bytes_max = 100,
	        .format = words_format,
	        .begin = slow_begin,
	        .parse = slow_parse,
	        .use = slow_use,
	        .drop = free};
	struct weir_database_snapshot *snapshot;
	struct weir_loop *another_loop;
	(void)state;
	reset();
	put("INSERT INTO words VALUES ('a')");
	struct weir_database *another = open_database();
	assert_int_equal(weir_loop_create(&another_loop), 0);
	assert_int_equal(sem_init(&parse_began, 0, 0) | sem_init(&parse_goes_on, 0, 0), 0);
	struct weir_database_snapshot_options options =
	        OPTIONS(weir_database_snapshot_options, o.type = &slow, o.context = another);
	assert_int_equal(
	        weir_database_snapshot_create(another, another_loop, &options, &snapshot), 0);
	while (sem_trywait(&parse_began) < 0)
		weir_loop_turn(another_loop, 10);
	weir_database_snapshot_destroy(snapshot);
	weir_database_leave(another, another_loop);
	weir_database_release(another);
	sem_post(&parse_goes_on);
	weir_loop_destroy(another_loop);
}

static void it_ends_at_any_time(void **state)
{
	(void)state;
	struct seen seen = {.uses = 0};
	reset();
	put("INSERT INTO words VALUES ('a')");
	for (int turns = 0; seen.uses == 0; turns++) {
		struct weir_database_snapshot *snapshot = follow(options_for(&seen));
		for (int i = 0; i < turns && seen.uses == 0; i++)
			weir_loop_turn(loop, 1000);
		weir_database_snapshot_destroy(snapshot);
	}
	/* A parse may still run: the loop waits for it. */
	weir_database_leave(database, loop);
	weir_loop_destroy(loop);
	assert_int_equal(objects, 0);
	assert_int_equal(weir_loop_create(&loop), 0);
}

static void without_memory_the_last_one_stays(void **state)
{
	(void)state;
	bool failed = true;
	reset();
	put("INSERT INTO words VALUES ('a')");
	for (unsigned good = 0; failed; good++) {
		struct seen seen = {.uses = 0};
		struct weir_database_snapshot *snapshot;
		struct weir_database_snapshot_options options = options_for(&seen);
		fail_allocation_after(good, false);
		int error = weir_database_snapshot_create(database, loop, &options, &snapshot);
		if (error == 0)
			AWAIT(seen.uses == 1);
		failed = stop_failing_allocations();
		assert_true(error == 0 || (failed && error == -ENOMEM));
		if (error == 0)
			weir_database_snapshot_destroy(snapshot);
	}
	assert_int_equal(objects, 0);
}

/* -- copies ------------------------------------------------------------------------------------ */

static void a_start_begins_with_the_copy(void **state)
{
	char path[128];
	struct seen seen = {.uses = 0};
	struct weir_database_snapshot_info info;
	(void)state;
	snprintf(path, sizeof path, "%s/start", migrated.server.path);
	reset();
	put("INSERT INTO words VALUES ('saved')");
	struct weir_database_snapshot_options options = options_for(&seen);
	options.copy = path;
	struct weir_database_snapshot *snapshot = follow(options);
	AWAIT(seen.uses == 1);
	weir_database_snapshot_info(snapshot, &info);
	assert_int_equal(info.origin, WEIR_DATABASE_ROWS);
	/* A version that cannot be used is not copied. */
	put("INSERT INTO words VALUES ('!')");
	AWAIT(seen.reports == 1);
	weir_database_snapshot_destroy(snapshot);
	database_stop(&migrated.server, SIGINT);
	seen = (struct seen){.uses = 0};
	snapshot = follow(options);
	AWAIT(seen.uses == 1);
	assert_string_equal(seen.text, "saved");
	weir_database_snapshot_info(snapshot, &info);
	assert_int_equal(info.origin, WEIR_DATABASE_COPY);
	assert_int_equal(info.version, 1);
	assert_true(info.seen_ms <= weir_loop_now_ms(loop));
	/* Rows of the same version are loaded nevertheless: the database may be another one. */
	database_start(&migrated.server);
	migrated_run("DELETE FROM words; INSERT INTO words VALUES ('other');"
	             "UPDATE weir_snapshot SET version = 1");
	AWAIT(seen.uses == 2);
	assert_string_equal(seen.text, "other");
	weir_database_snapshot_destroy(snapshot);
	assert_int_equal(objects, 0);
}

static void a_copy_that_is_bad_is_reported(void **state)
{
	char path[128];
	struct seen seen = {.uses = 0};
	struct weir_database_snapshot_info info;
	(void)state;
	snprintf(path, sizeof path, "%s/bad", migrated.server.path);
	struct weir_database_snapshot_options options = options_for(&seen);
	options.copy = path;
	reset();
	/* Of another kind, and one whose text the parser refuses. */
	for (int i = 0; i < 2; i++) {
		seen = (struct seen){.uses = 0};
		assert_int_equal(
		        weir_database_copy_write(path, i ? "words" : "others", 1, WEIR_SPAN("!")),
		        0);
		struct weir_database_snapshot *snapshot = follow(options);
		AWAIT(seen.uses == 1);
		assert_non_null(strstr(seen.warning, "is ignored: "));
		assert_non_null(strstr(seen.warning, i ? "begins with" : "damaged"));
		weir_database_snapshot_info(snapshot, &info);
		assert_int_equal(info.origin, WEIR_DATABASE_ROWS);
		weir_database_snapshot_destroy(snapshot);
	}
	/* A copy that cannot be written. */
	seen = (struct seen){.uses = 0};
	options.copy = "/nowhere/copy";
	struct weir_database_snapshot *snapshot = follow(options);
	AWAIT(seen.uses == 1);
	assert_non_null(strstr(seen.warning, "cannot write the copy /nowhere/copy"));
	weir_database_snapshot_destroy(snapshot);
	assert_int_equal(objects, 0);
}

static void without_memory_a_copy_is_not_needed(void **state)
{
	char path[128];
	bool failed = true;
	(void)state;
	snprintf(path, sizeof path, "%s/memory", migrated.server.path);
	reset();
	put("INSERT INTO words VALUES ('a')");
	assert_int_equal(weir_database_copy_write(path, "words", 1, WEIR_SPAN("a")), 0);
	for (unsigned good = 0; failed; good++) {
		struct seen seen = {.uses = 0};
		struct weir_database_snapshot *snapshot;
		struct weir_database_snapshot_options options = options_for(&seen);
		struct weir_database_snapshot_info info = {0};
		options.copy = path;
		fail_allocation_after(good, false);
		int error = weir_database_snapshot_create(database, loop, &options, &snapshot);
		if (error == 0)
			AWAIT((weir_database_snapshot_info(snapshot, &info),
			        info.origin == WEIR_DATABASE_ROWS));
		failed = stop_failing_allocations();
		assert_true(error == 0 || (failed && error == -ENOMEM));
		if (error == 0)
			weir_database_snapshot_destroy(snapshot);
	}
	assert_int_equal(objects, 0);
}

/* -- users ------------------------------------------------------------------------------------- */

/* The text of the snapshot of users, or why there is none; static. */
static const char *users_text(void)
{
	static struct seen seen;
	struct weir_database_snapshot_type type = words;
	seen = (struct seen){.uses = 0};
	type.name = WEIR_DATABASE_USERS;
	type.select = weir_database_users_select;
	type.format = weir_database_users_format;
	type.bytes_max = 400;
	struct weir_database_snapshot_options options =
	        OPTIONS(weir_database_snapshot_options, o = options_for(&seen), o.type = &type);
	struct weir_database_snapshot *snapshot = follow(options);
	AWAIT(seen.uses + seen.reports);
	weir_database_snapshot_destroy(snapshot);
	return seen.uses ? seen.text : seen.why;
}

static void rows_become_lines(void **state)
{
	(void)state;
	struct weir_span users, aliases;
	migrated_run("INSERT INTO weir_user VALUES ('bob','!',''), ('al','x','home=/a');"
	             "INSERT INTO weir_alias VALUES ('sales', 'al, bob')");
	struct weir_span text = WEIR_SPAN("al:x:home=/a\nbob:!:\n\0sales: al, bob\n");
	weir_database_users_split(text, &users, &aliases);
	assert_true(weir_span_equal(users, WEIR_SPAN("al:x:home=/a\nbob:!:\n")));
	assert_true(weir_span_equal(aliases, WEIR_SPAN("sales: al, bob\n")));
	weir_database_users_split(WEIR_SPAN("al:!:\n"), &users, &aliases);
	assert_int_equal(users.size, 6);
	assert_int_equal(aliases.size, 0);
	static const char *const bad[] = {"'a:b', '!'", "'', '!'", "'#a', '!'", "'a', 'x:y'",
	        "'a', 'x' || chr(10) || 'y:!'", "'a', '!', 'b' || chr(10)", "'a' || chr(13), '!'"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char sql[256];
		snprintf(sql, sizeof sql,
		        "DELETE FROM weir_user; INSERT INTO weir_user VALUES (%s)", bad[i]);
		migrated_run(sql);
		assert_non_null(strstr(users_text(), "where none is allowed"));
	}
	migrated_run("DELETE FROM weir_user; DELETE FROM weir_alias;"
	             "INSERT INTO weir_alias VALUES ('a' || chr(10), 'd')");
	assert_non_null(strstr(users_text(), "where none is allowed"));
	migrated_run("DELETE FROM weir_alias");
}

/* The reports of a change, or of a search. */
struct told {
	char user[128];
	int error;
	bool ended;
};

static void told_found(
        void *context, const struct weir_database_user *user, int error, const char *text)
{
	struct told *told = context;
	assert_int_equal(error == 0, *text == '\0');
	snprintf(told->user, sizeof told->user, "%s", user ? "" : "none");
	if (user)
		snprintf(told->user, sizeof told->user, "%.*s|%.*s", (int)user->hash.size,
		        user->hash.data, (int)user->attributes.size, user->attributes.data);
	told->error = error;
	told->ended = true;
}

static void told_done(void *context, int error, const char *text)
{
	struct told *told = context;
	assert_int_equal(error == 0, *text == '\0');
	told->error = error;
	told->ended = true;
}

static const char *find(const char *name)
{
	static struct told told;
	told = (struct told){.error = 0};
	weir_loop_turn(loop, 0); /* other loops ran meanwhile: this one looks at the clock */
	assert_int_equal(weir_database_user_find(database, loop, name, told_found, &told), 0);
	AWAIT(told.ended);
	assert_int_equal(told.error, 0);
	return told.user;
}

static int change(const char *name, const struct weir_database_user *before,
        const struct weir_database_user *after)
{
	struct told told = {.error = 0};
	assert_int_equal(
	        weir_database_user_change(database, loop, name, before, after, told_done, &told),
	        0);
	AWAIT(told.ended);
	return told.error;
}

static void changes_are_of_the_user_that_was_found(void **state)
{
	(void)state;
	struct weir_database_user one = {WEIR_SPAN("!one"), WEIR_SPAN("")};
	struct weir_database_user two = {WEIR_SPAN("!two"), WEIR_SPAN("home=/a rights=\"r w\"")};
	migrated_run("DELETE FROM weir_snapshot; DELETE FROM weir_user");
	assert_string_equal(find("al"), "none");
	assert_int_equal(change("al", NULL, &one), 0);
	assert_string_equal(find("al"), "!one|");
	const char *version = "SELECT version FROM weir_snapshot WHERE name = 'users'";
	int64_t first = atoll(migrated_run(version));
	assert_int_equal(change("al", NULL, &two), -EAGAIN);
	assert_int_equal(change("al", &two, &one), -EAGAIN);
	assert_int_equal(change("al", &two, NULL), -EAGAIN);
	assert_string_equal(find("al"), "!one|");
	assert_int_equal(change("al", &one, &two), 0);
	assert_string_equal(find("al"), "!two|home=/a rights=\"r w\"");
	assert_true(atoll(migrated_run(version)) > first);
	assert_int_equal(change("al", &two, NULL), 0);
	assert_string_equal(find("al"), "none");
}

/* -- the schema -------------------------------------------------------------------------------- */

static void changed(void *context, const struct weir_database_part *part)
{
	unsigned *parts = context;
	*parts += strcmp(part->name, "users") == 0 ? 100 + part->have : 0;
}

static void a_watch_reports_changes(void **state)
{
	(void)state;
	struct weir_database_watch *watch;
	unsigned parts = 0;
	assert_int_equal(
	        weir_database_watch_create(database, loop, 10, changed, &parts, &watch), 0);
	AWAIT(weir_database_watch_looks(watch) > 1);
	unsigned once = parts;
	assert_true(once > 100 && once < 200);
	migrated_run("UPDATE weir_schema SET version = version + 1 WHERE part = 'users'");
	AWAIT(parts == once + once + 1);
	migrated_run("UPDATE weir_schema SET version = version - 1 WHERE part = 'users'");
	weir_database_watch_destroy(watch);
	weir_database_watch_destroy(NULL);
}

static void found(void *context, const struct weir_database_finding *finding)
{
	char *text = context;
	size_t size = strlen(text);
	snprintf(text + size, 4096 - size, "%s/%.*s=%.*s%s\n", finding->part ? finding->part : "",
	        (int)finding->what.size, finding->what.data, (int)finding->value.size,
	        finding->value.data, finding->problem ? " !" : "");
}

static struct told check_told;

static void checked(void *context, int error, const char *text)
{
	(void)context;
	told_done(&check_told, error, text);
}

static void checks_find_what_is_there(void **state)
{
	(void)state;
	char text[4096] = "";
	check_told = (struct told){.error = 0};
	migrated_run("INSERT INTO weir_user VALUES ('al', '!')");
	assert_int_equal(weir_database_check(database, loop, found, checked, text), 0);
	AWAIT(check_told.ended);
	assert_int_equal(check_told.error, 0);
	assert_non_null(strstr(text, "/server=version 15"));
	assert_non_null(strstr(text, ", the primary\n"));
	assert_non_null(strstr(text, "/table weir_user="));
	assert_non_null(strstr(text, "users/users=1\n"));
	assert_null(strstr(text, " !"));
}

/* -- the server -------------------------------------------------------------------------------- */

static int start_all(void **state)
{
	migrated_setup(state);
	database = open_database();
	return weir_loop_create(&loop);
}

static int stop_all(void **state)
{
	weir_database_leave(database, loop);
	weir_database_release(database);
	weir_loop_destroy(loop);
	return migrated_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_snapshot_follows_its_version),
	        cmocka_unit_test(the_bump_gives_another_version),
	        cmocka_unit_test(the_last_good_one_stays),
	        cmocka_unit_test(it_survives_the_server),
	        cmocka_unit_test(a_parse_holds_the_database),
	        cmocka_unit_test(it_ends_at_any_time),
	        cmocka_unit_test(without_memory_the_last_one_stays),
	        cmocka_unit_test(a_start_begins_with_the_copy),
	        cmocka_unit_test(a_copy_that_is_bad_is_reported),
	        cmocka_unit_test(without_memory_a_copy_is_not_needed),
	        cmocka_unit_test(rows_become_lines),
	        cmocka_unit_test(changes_are_of_the_user_that_was_found),
	        cmocka_unit_test(a_watch_reports_changes),
	        cmocka_unit_test(checks_find_what_is_there),
	};
	return cmocka_run_group_tests(tests, start_all, stop_all);
}
