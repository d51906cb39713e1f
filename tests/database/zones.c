/* Zones, keys of TSIG and shared secrets in a database. */
#include "migrated.h"

#include <signal.h>

#include <weir/database.h>
#include <weir/database_certificates.h>
#include <weir/database_secrets.h>
#include <weir/database_zones.h>

#include "allocation.h"

static struct weir_loop *loop;
static struct weir_database *database;

static struct weir_database *make(const char *seal)
{
	char why[WEIR_POSTGRES_WHY_MAX];
	unsigned char key[WEIR_DATABASE_SEAL_SIZE] = {0};
	struct weir_database *made;
	struct weir_postgres_options options =
	        OPTIONS(weir_postgres_options, o.url = migrated.url, o.wait_ms = 500);
	assert_int_equal(weir_database_create(&options, why, &made), 0);
	if (seal) {
		snprintf((char *)key, sizeof key, "%s", seal);
		weir_database_set_seal(made, key);
	}
	return made;
}

static void drop(struct weir_database *made)
{
	weir_database_leave(made, loop);
	weir_database_release(made);
}

/* -- calls ------------------------------------------------------------------------------------- */

/* The reports of a call, a line each. */
struct told {
	struct weir_buffer text;
	int error;
	bool ended;
	unsigned left; /* records to put */
	const char *data;
};

static void told_add(struct told *told, const char *format, struct weir_span a, struct weir_span b)
{
	assert_int_equal(weir_buffer_format(&told->text, 1 << 24, format, (int)a.size, a.data,
	                         (int)b.size, b.data),
	        0);
}

static void told_zone(void *context, const struct weir_database_zone *zone)
{
	struct told *told = context;
	char rest[64];
	assert_int_equal(zone->version.size, WEIR_DATABASE_ID_SIZE - 1);
	assert_true(zone->made_s > 1500000000);
	snprintf(rest, sizeof rest, "%u %llu%s\n", zone->serial, (unsigned long long)zone->records,
	        zone->current ? " current" : "");
	told_add(told, "%.*s %.*s", zone->name, weir_span_of(rest));
}

static void told_record(void *context, const struct weir_database_zone_record *record)
{
	told_add(context, "%.*s %.*s ", record->owner, record->ttl);
	told_add(context, "%.*s %.*s\n", record->type, record->data);
}

static void told_again(void *context)
{
	struct told *told = context;
	weir_buffer_consume(&told->text, told->text.size);
}

static void told_done(void *context, int error, const char *text)
{
	struct told *told = context;
	assert_int_equal(error == 0, *text == '\0');
	told->error = error;
	told->ended = true;
}

static const struct weir_database_zone_events events = {
        .zone = told_zone, .record = told_record, .again = told_again, .done = told_done};

static int told_await(struct told *told, int started)
{
	while (started == 0 && !told->ended)
		weir_loop_turn(loop, 100);
	return started ? started : told->error;
}

static const char *told_text(struct told *told)
{
	weir_buffer_append(&told->text, "", 1, SIZE_MAX);
	return told->text.data;
}

static bool told_next(void *context, struct weir_database_zone_record *ret)
{
	struct told *told = context;
	if (told->left == 0)
		return false;
	*ret = (struct weir_database_zone_record){WEIR_SPAN("www.example.org."), WEIR_SPAN("60"),
	        WEIR_SPAN("TXT"), weir_span_of(told->data)};
	told->left--;
	return true;
}

/* The id of the current version, or NULL. */
static const char *current(const char *name)
{
	static char id[64];
	char sql[200];
	snprintf(sql, sizeof sql, "SELECT version FROM weir_zone WHERE name = '%s'", name);
	snprintf(id, sizeof id, "%s", migrated_run(sql));
	return *id ? id : NULL;
}

static int put(const char *name, uint32_t serial, const char *replaces, unsigned records)
{
	struct weir_database_call *call;
	struct told told = {.left = records, .data = "\"a \\\"quoted\\\" text\""};
	struct weir_database_zone_put options = {name, serial, replaces, told_next};
	return told_await(
	        &told, weir_database_zone_put(database, loop, &options, told_done, &told, &call));
}

static void expect_list(const char *name, const char *wanted)
{
	struct told told = {0};
	struct weir_database_call *call;
	assert_int_equal(told_await(&told, weir_database_zones_list(
	                                           database, loop, name, &events, &told, &call)),
	        0);
	assert_string_equal(told_text(&told), wanted);
	weir_buffer_finish(&told.text);
}

/* Whether the version is another one than at the last call. */
static bool version_has_changed(void)
{
	static char before[32];
	const char *now = migrated_run("SELECT version FROM weir_snapshot WHERE name = 'zones'");
	bool changed = strcmp(now, before) != 0;
	snprintf(before, sizeof before, "%s", now);
	return changed;
}

/* -- zones ------------------------------------------------------------------------------------- */

static void a_put_is_seen_whole(void **state)
{
	(void)state;
	assert_int_equal(put("example.org.", 7, NULL, 3), 0);
	assert_true(version_has_changed());
	expect_list(NULL, "example.org. 7 3 current\n");
	struct told told = {0};
	struct weir_database_call *call;
	assert_int_equal(told_await(&told, weir_database_zone_read(database, loop,
	                                           current("example.org."), &events, &told, &call)),
	        0);
	assert_string_equal(told_text(&told),
	        "www.example.org. 60 TXT \"a \\\"quoted\\\" text\"\n"
	        "www.example.org. 60 TXT \"a \\\"quoted\\\" text\"\n"
	        "www.example.org. 60 TXT \"a \\\"quoted\\\" text\"\n");
	weir_buffer_finish(&told.text);
}

static void large_zones_take_several_statements(void **state)
{
	(void)state;
	assert_int_equal(put("large.example.", 4294967295u, NULL, 1234), 0);
	expect_list(NULL, "example.org. 7 3 current\nlarge.example. 4294967295 1234 current\n");
	assert_string_equal(
	        migrated_run(
	                "SELECT count(*), min(number), max(number) FROM weir_zone_record r JOIN"
	                " weir_zone z USING (version) WHERE name = 'large.example.'"),
	        "1234|0|1233");
}

/* Of two that replace one version, the second one changes nothing. */
static void versions_replace_the_one_that_was_seen(void **state)
{
	char before[64];
	(void)state;
	snprintf(before, sizeof before, "%s", current("example.org."));
	assert_int_equal(put("example.org.", 8, before, 1), 0);
	assert_true(version_has_changed());
	assert_int_equal(put("example.org.", 9, before, 1), -EBUSY);
	assert_int_equal(put("example.org.", 9, NULL, 1), -EBUSY);
	assert_false(version_has_changed());
	expect_list("example.org.", "example.org. 8 1 current\nexample.org. 7 3\n");
	migrated_run("CREATE TABLE was AS SELECT version, made FROM weir_zone_version;"
	             "UPDATE weir_zone_version SET made = 'infinity' WHERE serial = 8");
	expect_list("example.org.", "example.org. 8 1 current\nexample.org. 7 3\n");
	migrated_run("UPDATE weir_zone_version AS v SET made = was.made FROM was"
	             " WHERE was.version = v.version; DROP TABLE was");
}

static void old_versions_go(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WEIR_DATABASE_ZONE_VERSIONS + 3; i++)
		assert_int_equal(put("example.org.", 20 + i, current("example.org."), 1), 0);
	const char *count = "SELECT count(*) FROM weir_zone_version WHERE complete"
	                    " AND name = 'example.org.'";
	char most[8];
	snprintf(most, sizeof most, "%d", WEIR_DATABASE_ZONE_VERSIONS);
	assert_string_equal(migrated_run(count), most);
	migrated_run("UPDATE weir_zone_version SET made = now() - interval '30 days'");
	assert_int_equal(put("example.org.", 90, current("example.org."), 1), 0);
	assert_string_equal(migrated_run(count), "1");
	assert_string_equal(migrated_run("SELECT count(*) FROM weir_zone_record r WHERE NOT"
	                                 " EXISTS (SELECT 1 FROM weir_zone_version v WHERE"
	                                 " v.version = r.version)"),
	        "0");
}

static void a_removed_zone_leaves_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct told told = {0};
		struct weir_database_call *call;
		assert_int_equal(
		        told_await(&told, weir_database_zone_remove(database, loop,
		                                  "large.example.", told_done, &told, &call)),
		        i == 0 ? 0 : -ENOENT);
	}
	assert_string_equal(
	        migrated_run("SELECT count(*) FROM weir_zone_record WHERE number > 5"), "0");
}

static void calls_can_be_cancelled(void **state)
{
	struct told told = {.left = 100000, .data = "x"};
	struct weir_database_call *call;
	struct weir_database_zone_put options = {"c.example.", 1, NULL, told_next};
	(void)state;
	assert_int_equal(
	        weir_database_zone_put(database, loop, &options, told_done, &told, &call), 0);
	while (told.left > 90000)
		weir_loop_turn(loop, 100);
	weir_database_call_cancel(call);
	assert_int_equal(weir_database_zones_list(database, loop, NULL, &events, &told, &call), 0);
	weir_database_call_cancel(call);
	assert_false(told.ended);
	assert_null(current("c.example."));
}

static void memory_may_fail(void **state)
{
	bool failed = true;
	(void)state;
	for (unsigned good = 0; failed; good++) {
		fail_allocation_after(good, false);
		struct told told = {.left = 300, .data = "x"};
		struct weir_database_call *call;
		struct weir_database_zone_put options = {"m.example.", good, NULL, told_next};
		int error = told_await(&told,
		        weir_database_zone_put(database, loop, &options, told_done, &told, &call));
		failed = stop_failing_allocations();
		assert_true(failed || error == 0);
		if (error == 0)
			migrated_run("DELETE FROM weir_zone WHERE name = 'm.example.'");
	}
}

/* -- keys -------------------------------------------------------------------------------------- */

static void told_key(void *context, struct weir_span name, struct weir_span algorithm,
        struct weir_span secret, int error)
{
	char text[32];
	told_add(context, "%.*s %.*s ", name, algorithm);
	snprintf(text, sizeof text, "%d", error);
	told_add(context, "%.*s %.*s\n", secret, weir_span_of(text));
}

static void expect_keys(struct weir_database *from, const char *wanted)
{
	struct told told = {0};
	struct weir_database_call *call;
	assert_int_equal(told_await(&told, weir_database_tsig_list(from, loop, told_key, told_again,
	                                           told_done, &told, &call)),
	        0);
	assert_string_equal(told_text(&told), wanted);
	weir_buffer_finish(&told.text);
}

static void put_key(struct weir_database *to, const char *name, const char *secret)
{
	struct told told = {0};
	struct weir_database_call *call;
	assert_int_equal(told_await(&told, weir_database_tsig_put(to, loop, name, "hmac-sha256",
	                                           weir_span_of(secret), told_done, &told, &call)),
	        0);
}

static void keys_are_sealed_for_their_name(void **state)
{
	struct weir_database *sealing = make("a key"), *other = make("another key");
	(void)state;
	version_has_changed();
	put_key(database, "a.", "plain");
	assert_true(version_has_changed());
	put_key(sealing, "b.", "hidden");
	assert_true(version_has_changed());
	assert_string_equal(
	        migrated_run("SELECT secret FROM weir_tsig_key WHERE name = 'a.'"), "cGxhaW4=");
	assert_string_equal(migrated_run("SELECT secret LIKE 'sealed:%' FROM weir_tsig_key"
	                                 " WHERE name = 'b.'"),
	        "t");
	expect_keys(sealing, "a. hmac-sha256 plain 0\nb. hmac-sha256 hidden 0\n");
	char wanted[100];
	snprintf(wanted, sizeof wanted, "a. hmac-sha256 plain 0\nb. hmac-sha256  %d\n", -ENOKEY);
	expect_keys(database, wanted);
	snprintf(wanted, sizeof wanted, "a. hmac-sha256 plain 0\nb. hmac-sha256  %d\n", -EBADMSG);
	expect_keys(other, wanted);
	/* Nor for another row. */
	migrated_run("UPDATE weir_tsig_key SET name = 'c.' WHERE name = 'b.'");
	snprintf(wanted, sizeof wanted, "a. hmac-sha256 plain 0\nc. hmac-sha256  %d\n", -EBADMSG);
	expect_keys(sealing, wanted);
	struct told told = {0};
	struct weir_database_call *call;
	assert_int_equal(told_await(&told, weir_database_tsig_remove(
	                                           database, loop, "c.", told_done, &told, &call)),
	        0);
	expect_keys(sealing, "a. hmac-sha256 plain 0\n");
	drop(sealing);
	drop(other);
}

static void damaged_secrets_are_refused(void **state)
{
	struct weir_database *sealing = make("a key");
	struct weir_buffer text = {0}, secret = {0};
	(void)state;
	assert_int_equal(
	        weir_database_seal(sealing, "p", WEIR_SPAN("n"), WEIR_SPAN("secret"), &text), 0);
	assert_int_equal(weir_database_unseal(
	                         sealing, "p", WEIR_SPAN("n"), weir_buffer_span(&text), &secret),
	        0);
	assert_true(weir_span_equal(weir_buffer_span(&secret), WEIR_SPAN("secret")));
	weir_database_erase(&secret);
	for (size_t i = 0; i < text.size; i++) {
		text.data[i] ^= 1;
		assert_true(weir_database_unseal(sealing, "p", WEIR_SPAN("n"),
		                    weir_buffer_span(&text), &secret) < 0);
		text.data[i] ^= 1;
		/* A part of the prefix may be base64. */
		if (i >= sizeof "sealed:" - 1)
			assert_true(weir_database_unseal(sealing, "p", WEIR_SPAN("n"),
			                    weir_span(text.data, i), &secret) < 0);
		assert_int_equal(secret.size, 0);
	}
	assert_true(weir_database_unseal(sealing, "q", WEIR_SPAN("n"), weir_buffer_span(&text),
	                    &secret) == -EBADMSG);
	weir_database_erase(&secret);
	weir_database_erase(&text);
	drop(sealing);
}

/* -- a key that is elsewhere ------------------------------------------------------------------- */

struct elsewhere {
	unsigned char key[WEIR_DATABASE_SEAL_SIZE];
	int error;
	unsigned asked;
};

static int elsewhere_seal(void *context, const char *purpose, struct weir_span name,
        struct weir_span secret, struct weir_buffer *text)
{
	struct elsewhere *elsewhere = context;
	elsewhere->asked++;
	return elsewhere->error
	               ? elsewhere->error
	               : weir_database_seal_by(elsewhere->key, purpose, name, secret, text);
}

static int elsewhere_unseal(void *context, const char *purpose, struct weir_span name,
        struct weir_span text, struct weir_buffer *secret)
{
	struct elsewhere *elsewhere = context;
	elsewhere->asked++;
	return elsewhere->error
	               ? elsewhere->error
	               : weir_database_unseal_by(elsewhere->key, purpose, name, text, secret);
}

static void a_sealer_takes_the_place_of_a_key(void **state)
{
	struct elsewhere elsewhere = {.key = "a key"};
	const struct weir_database_sealer sealer = {elsewhere_seal, elsewhere_unseal, &elsewhere};
	struct weir_database *without = make(NULL), *with = make("a key");
	struct weir_buffer text = {0}, clear = {0}, secret = {0};
	struct weir_span name = WEIR_SPAN("n"), all = WEIR_SPAN("secret");
	(void)state;
	weir_database_set_sealer(without, &sealer);
	assert_int_equal(weir_database_seal(without, "p", name, all, &text), 0);
	assert_true(weir_database_is_sealed(weir_buffer_span(&text)));
	/* One with the key reads it, and the other way round. */
	assert_int_equal(
	        weir_database_unseal(with, "p", name, weir_buffer_span(&text), &secret), 0);
	assert_true(weir_span_equal(weir_buffer_span(&secret), all));
	weir_database_erase(&secret);
	assert_int_equal(
	        weir_database_unseal(without, "p", name, weir_buffer_span(&text), &secret), 0);
	assert_true(weir_span_equal(weir_buffer_span(&secret), all));
	assert_int_equal(elsewhere.asked, 2);
	weir_database_erase(&secret);
	elsewhere.error = -EAGAIN;
	assert_int_equal(weir_database_unseal(without, "p", name, weir_buffer_span(&text), &secret),
	        -EAGAIN);
	assert_int_equal(weir_database_seal(without, "p", name, all, &clear), -EAGAIN);
	/* A text that is not sealed needs no key. */
	assert_int_equal(
	        weir_database_unseal(without, "p", name, WEIR_SPAN("c2VjcmV0"), &secret), 0);
	assert_true(weir_span_equal(weir_buffer_span(&secret), all));
	assert_int_equal(
	        weir_database_unseal_by(elsewhere.key, "p", name, WEIR_SPAN("c2VjcmV0"), &secret),
	        WEIR_E_SYNTAX);
	assert_int_equal(elsewhere.asked, 4);
	weir_database_erase(&secret);
	weir_database_erase(&text);
	weir_database_erase(&clear);
	drop(without);
	drop(with);
}

/* -- certificates ------------------------------------------------------------------------------ */

static void told_certificate(
        void *context, struct weir_span name, struct weir_span chain, int64_t stored_s)
{
	assert_true(stored_s > 1500000000);
	told_add(context, "%.*s %.*s\n", name, chain);
}

static void certificates_are_stored_with_sealed_keys(void **state)
{
	struct weir_database *sealing = make("a key");
	struct weir_database_call *call;
	struct weir_buffer key = {0};
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct told told = {0};
		assert_int_equal(
		        told_await(&told, weir_database_certificate_put(sealing, loop,
		                                  "example.org", WEIR_SPAN("chain"),
		                                  WEIR_SPAN("the key"), told_done, &told, &call)),
		        0);
	}
	struct weir_span text = weir_span_of(migrated_run("SELECT key FROM weir_certificate"));
	assert_true(weir_span_starts(text, WEIR_SPAN("sealed:")));
	assert_int_equal(
	        weir_database_certificate_key(sealing, WEIR_SPAN("example.org"), text, &key), 0);
	assert_true(weir_span_equal(weir_buffer_span(&key), WEIR_SPAN("the key")));
	weir_database_erase(&key);
	assert_int_equal(
	        weir_database_certificate_key(sealing, WEIR_SPAN("example.com"), text, &key),
	        -EBADMSG);
	weir_database_erase(&key);
	migrated_run("UPDATE weir_certificate SET stored = 'infinity'");
	struct told list = {0};
	assert_int_equal(
	        told_await(&list, weir_database_certificates_list(sealing, loop, told_certificate,
	                                  told_again, told_done, &list, &call)),
	        0);
	assert_string_equal(told_text(&list), "example.org chain\n");
	weir_buffer_finish(&list.text);
	for (int i = 0; i < 2; i++) {
		struct told told = {0};
		assert_int_equal(told_await(&told, weir_database_certificate_remove(sealing, loop,
		                                           "example.org", told_done, &told, &call)),
		        i == 0 ? 0 : -ENOENT);
	}
	drop(sealing);
}

/* -- secrets that change with time ------------------------------------------------------------- */

struct front_end {
	struct weir_database *database;
	struct weir_database_secrets *secrets;
	struct weir_database_secret known[WEIR_DATABASE_SECRETS_MAX];
	size_t count;
	unsigned changes, failures;
};

static void front_end_changed(
        void *context, const struct weir_database_secret *secrets, size_t count)
{
	struct front_end *front_end = context;
	memcpy(front_end->known, secrets, count * sizeof *secrets);
	front_end->count = count;
	front_end->changes++;
}

static void front_end_failed(void *context, const char *why)
{
	assert_true(*why);
	((struct front_end *)context)->failures++;
}

static void front_end_start(struct front_end *front_end, uint32_t period_s, const char *seal)
{
	*front_end = (struct front_end){.database = make(seal)};
	struct weir_database_secrets_options options = OPTIONS(weir_database_secrets_options,
	        o.purpose = "ticket", o.period_s = period_s, o.changed = front_end_changed,
	        o.failed = front_end_failed, o.context = front_end);
	assert_int_equal(weir_database_secrets_create(
	                         front_end->database, loop, &options, &front_end->secrets),
	        0);
}

static void front_end_stop(struct front_end *front_end)
{
	weir_database_secrets_destroy(front_end->secrets);
	drop(front_end->database);
}

static void await(const unsigned *count, unsigned wanted)
{
	while (*count < wanted)
		weir_loop_turn(loop, 100);
}

static void front_ends_have_the_same_secrets(void **state)
{
	struct front_end one, other;
	(void)state;
	front_end_start(&one, 14400, "a key");
	front_end_start(&other, 14400, "a key");
	await(&one.changes, 1);
	await(&other.changes, 1);
	assert_int_equal(one.count, 2);
	assert_int_equal(other.count, 2);
	for (size_t i = 0; i < 2; i++)
		assert_memory_equal(one.known[i].bytes, other.known[i].bytes, 32);
	assert_memory_not_equal(one.known[0].bytes, one.known[1].bytes, 32);
	assert_true(one.known[0].age_s < 0 && one.known[0].age_s >= -14400);
	assert_true(one.known[1].age_s >= 0 && one.known[1].age_s < 14400);
	assert_int_equal(one.known[1].age_s - one.known[0].age_s, 14400);
	front_end_stop(&one);
	/* One that cannot read them goes on without. */
	struct front_end strange;
	front_end_start(&strange, 14400, "another key");
	await(&strange.failures, 1);
	assert_int_equal(strange.changes, 0);
	front_end_stop(&strange);
	/* Of the past: what was in use stays known for a while, and no longer. */
	migrated_run("UPDATE weir_secret SET begins = begins - 14400 * 2");
	front_end_start(&one, 14400, "a key");
	await(&one.changes, 1);
	assert_int_equal(one.count, 4);
	assert_memory_equal(one.known[2].bytes, other.known[0].bytes, 32);
	assert_memory_equal(one.known[3].bytes, other.known[1].bytes, 32);
	front_end_stop(&one);
	front_end_stop(&other);
	migrated_run("UPDATE weir_secret SET begins = begins - 14400 * 20");
	front_end_start(&one, 14400, NULL);
	await(&one.changes, 1);
	assert_int_equal(one.count, 2);
	front_end_stop(&one);
	assert_string_equal(migrated_run("SELECT count(*) FROM weir_secret"), "2");
	migrated_run("DELETE FROM weir_secret");
}

/* The next secret comes into use by time alone, though the database is away. */
static void secrets_change_without_the_database(void **state)
{
	struct front_end one;
	(void)state;
	front_end_start(&one, 2, NULL);
	await(&one.changes, 1);
	assert_int_equal(one.count, 2);
	struct weir_database_secret next = one.known[0];
	database_stop(&migrated.server, SIGQUIT);
	await(&one.failures, 1);
	while (one.known[0].age_s < 0)
		weir_loop_turn(loop, 100);
	assert_true(one.count >= 2);
	next.age_s = 0;
	/* It may have learnt of another one before the server went. */
	assert_true(memcmp(one.known[0].bytes, next.bytes, 32) == 0 ||
	            memcmp(one.known[1].bytes, next.bytes, 32) == 0);
	assert_int_equal(one.failures, 1);
	unsigned changes = one.changes;
	database_start(&migrated.server);
	await(&one.changes, changes + 1);
	front_end_stop(&one);
}

/* -- the server -------------------------------------------------------------------------------- */

static int start_all(void **state)
{
	migrated_setup(state);
	assert_int_equal(weir_loop_create(&loop), 0);
	database = make(NULL);
	return 0;
}

static int stop_all(void **state)
{
	drop(database);
	weir_loop_destroy(loop);
	return migrated_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_put_is_seen_whole),
	        cmocka_unit_test(large_zones_take_several_statements),
	        cmocka_unit_test(versions_replace_the_one_that_was_seen),
	        cmocka_unit_test(old_versions_go),
	        cmocka_unit_test(a_removed_zone_leaves_nothing),
	        cmocka_unit_test(calls_can_be_cancelled),
	        cmocka_unit_test(memory_may_fail),
	        cmocka_unit_test(keys_are_sealed_for_their_name),
	        cmocka_unit_test(damaged_secrets_are_refused),
	        cmocka_unit_test(a_sealer_takes_the_place_of_a_key),
	        cmocka_unit_test(certificates_are_stored_with_sealed_keys),
	        cmocka_unit_test(front_ends_have_the_same_secrets),
	        cmocka_unit_test(secrets_change_without_the_database),
	};
	return cmocka_run_group_tests(tests, start_all, stop_all);
}
