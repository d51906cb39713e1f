/* The users file, and checks of passwords from one loop and from several. */
#include "scratch.h"

#include <crypt.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>

#include <weir/address.h>
#include <weir/error.h>
#include <weir/limits.h>
#include <weir/users.h>

#include "allocation.h"

/* A hash of "right"; a cheap one, since there are many tests. */
static char hash[128];

/* crypt fails as yescrypt does without memory. */
static atomic_bool crypt_fails;

/*
 * The computations of passwords pass this gate. While a test holds it, each needs a permit, and
 * their beginnings are recorded: threads that the system delays change nothing then.
 */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t opened;
	bool held;
	int permits;
	int begun; /* since the gate is held */
	char passwords[WEIR_CHECKS_MAX + 2][8];
} crypt_gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER};

static void crypt_gate_pass(const char *password)
{
	pthread_mutex_lock(&crypt_gate.lock);
	if (crypt_gate.held) {
		strncpy(crypt_gate.passwords[crypt_gate.begun++], password,
		        sizeof crypt_gate.passwords[0] - 1);
		while (crypt_gate.held && crypt_gate.permits == 0)
			pthread_cond_wait(&crypt_gate.opened, &crypt_gate.lock);
		crypt_gate.permits -= crypt_gate.held;
	}
	pthread_mutex_unlock(&crypt_gate.lock);
}

static void crypt_gate_set(bool held, int permits)
{
	pthread_mutex_lock(&crypt_gate.lock);
	if (held && !crypt_gate.held) {
		crypt_gate.begun = 0;
		memset(crypt_gate.passwords, 0, sizeof crypt_gate.passwords);
	}
	crypt_gate.held = held;
	crypt_gate.permits = permits;
	pthread_cond_broadcast(&crypt_gate.opened);
	pthread_mutex_unlock(&crypt_gate.lock);
}

static int crypt_gate_begun(void)
{
	pthread_mutex_lock(&crypt_gate.lock);
	int begun = crypt_gate.begun;
	pthread_mutex_unlock(&crypt_gate.lock);
	return begun;
}

char *crypt_r(const char *phrase, const char *setting, struct crypt_data *data)
{
	typedef char *crypt_function(const char *, const char *, struct crypt_data *);
	crypt_gate_pass(phrase);
	if (!crypt_fails)
		return ((crypt_function *)dlsym(RTLD_NEXT, "crypt_r"))(phrase, setting, data);
	strcpy(data->output, "*0");
	errno = EINVAL;
	return data->output;
}

static char reports[2048];

static void on_report(void *context, unsigned line, const char *text)
{
	assert_ptr_equal(context, reports);
	size_t size = strlen(reports);
	snprintf(reports + size, sizeof reports - size, "%u: %s\n", line, text);
}

static int parse(const char *text, struct weir_users **ret)
{
	reports[0] = 0;
	return weir_users_parse(weir_span_of(text), on_report, reports, ret);
}

static struct weir_users *make_users(void)
{
	char text[1024];
	struct weir_users *users = NULL;
	snprintf(text, sizeof text, "# people\n\nalice:%s:home=/a:b\nbob:%s\r\ncarol:!%s\ndave:*",
	        hash, hash, hash);
	assert_int_equal(parse(text, &users), 0);
	assert_string_equal(reports, "");
	return users;
}

static void good_files(void **state)
{
	(void)state;
	struct weir_span rest;
	struct weir_users *users = make_users();
	assert_int_equal(weir_users_count(users), 4);
	assert_true(weir_users_rest(users, WEIR_SPAN("alice"), &rest));
	assert_true(weir_span_equal(rest, WEIR_SPAN("home=/a:b")));
	assert_true(weir_users_rest(users, WEIR_SPAN("bob"), &rest));
	assert_int_equal(rest.size, 0);
	assert_false(weir_users_rest(users, WEIR_SPAN("eve"), &rest));
	assert_false(weir_users_rest(users, WEIR_SPAN(""), &rest));
	assert_false(weir_users_rest(users, WEIR_SPAN("# people"), &rest));
	weir_users_release(users);
	weir_users_release(NULL);
	assert_int_equal(parse("", &users), 0);
	assert_int_equal(weir_users_count(users), 0);
	weir_users_release(users);
}

static void all_mistakes_are_told(void **state)
{
	(void)state;
	struct weir_users *users = NULL;
	char text[4096], name[300];
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = 0;
	snprintf(text, sizeof text,
	        "alice:%s\nalone\n:%s\nbob:secret\n%s:%s\nalice:%s\nempty:\na\tb:%s\n x:%s", hash,
	        hash, name, hash, hash, hash, hash);
	assert_int_equal(parse(text, &users), WEIR_E_SYNTAX);
	assert_null(users);
	assert_string_equal(reports, "2: no colon after the name\n"
	                             "3: the name is missing\n"
	                             "4: not a hash of crypt(3)\n"
	                             "5: the name is too long\n"
	                             "6: duplicate user alice, first in line 1\n"
	                             "7: not a hash of crypt(3)\n"
	                             "8: control character in the name\n"
	                             "9: space before or after the name\n");
	reports[0] = 0;
	assert_int_equal(
	        weir_users_parse(WEIR_SPAN("a\0b:x\n"), on_report, reports, &users), WEIR_E_SYNTAX);
	assert_string_equal(reports, "1: a NUL byte\n");
	assert_int_equal(parse("a:pw\n", &users), WEIR_E_SYNTAX);
	assert_int_equal(weir_users_load("/none/at/all", on_report, reports, &users), -ENOENT);
}

static void value_of(const char *rest, const char *key, const char *wanted)
{
	struct weir_users *users;
	struct weir_span value;
	char text[512];
	snprintf(text, sizeof text, "alice:%s:%s", hash, rest);
	assert_int_equal(parse(text, &users), 0);
	bool found = weir_users_value(users, WEIR_SPAN("alice"), weir_span_of(key), &value);
	assert_int_equal(found, wanted != NULL);
	if (wanted)
		assert_true(weir_span_equal(value, weir_span_of(wanted)));
	assert_false(weir_users_value(users, WEIR_SPAN("eve"), weir_span_of(key), &value));
	weir_users_release(users);
}

static void values(void **state)
{
	(void)state;
	value_of("home=/a:b", "home", "/a:b");
	value_of("home=/a rights=read", "home", "/a");
	value_of("home=/a rights=read", "rights", "read");
	value_of("  home=/a  rights=read  ", "rights", "read");
	value_of("home=\"/a b\" rights=read", "home", "/a b");
	value_of("home=\"/a b\" rights=read", "rights", "read");
	value_of("home=\"rights=all x\" rights=read", "rights", "read");
	value_of("home=\"/a rights=read", "rights", NULL);
	value_of("home=\"/a rights=read", "home", "/a rights=read");
	value_of("home=\"\"x rights=read", "home", "");
	value_of("home= rights=read", "home", "");
	value_of("Alice Smith home=/a=b home=/c", "home", "/a=b");
	value_of("ahome=/b", "home", NULL);
	value_of("", "home", NULL);
}

#define VERIFIER                                                                                   \
	"SCRAM-SHA-256$4096:c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"                \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE="

static void verifiers(void **state)
{
	(void)state;
	struct weir_users *users;
	struct weir_scram scram;
	char text[1024];
	snprintf(text, sizeof text, "al:!%s:scram=%s\nbob:%s:home=/x scram=%s", hash, VERIFIER,
	        hash, VERIFIER);
	assert_int_equal(parse(text, &users), 0);
	assert_true(weir_users_all_scram(users));
	assert_false(weir_users_scram(users, WEIR_SPAN("al"), &scram));
	assert_false(weir_users_scram(users, WEIR_SPAN("eve"), &scram));
	assert_true(weir_users_scram(users, WEIR_SPAN("bob"), &scram));
	assert_int_equal(scram.iterations, 4096);
	assert_int_equal(scram.salt_size, 4);
	assert_memory_equal(scram.salt, "salt", 4);
	assert_int_equal(scram.server_key[31], 1);
	assert_true(weir_users_first_scram(users, &scram));
	weir_users_release(users);
	snprintf(text, sizeof text, "al:%s:\nbob:%s:scram=%s", hash, hash, VERIFIER);
	assert_int_equal(parse(text, &users), 0);
	assert_false(weir_users_all_scram(users));
	weir_users_release(users);
	snprintf(text, sizeof text, "al:%s:scram=%s\nbob:%s:scram=x", hash, VERIFIER, hash);
	assert_int_equal(parse(text, &users), WEIR_E_SYNTAX);
	assert_string_equal(
	        reports, "2: scram= must be SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey\n");
	assert_int_equal(parse("", &users), 0);
	assert_false(weir_users_all_scram(users));
	assert_false(weir_users_first_scram(users, &scram));
	weir_users_release(users);
}

static void as_many_users_as_allowed(void **state)
{
	(void)state;
	size_t room = 32 * (WEIR_USERS_MAX + 1), size = 0;
	char *text = malloc(room);
	struct weir_users *users;
	for (int i = 0; i < WEIR_USERS_MAX; i++)
		size += (size_t)snprintf(text + size, room - size, "u%d:abJnggxhB/yWI\n", i);
	put_bytes("users", text, size);
	assert_int_equal(weir_users_load(in_scratch("users"), on_report, reports, &users), 0);
	assert_int_equal(weir_users_count(users), WEIR_USERS_MAX);
	weir_users_release(users);
	size += (size_t)snprintf(text + size, room - size, "another:abJnggxhB/yWI\n");
	assert_int_equal(weir_users_parse(weir_span(text, size), NULL, NULL, &users), WEIR_E_LIMIT);
	free(text);
}

struct asked {
	struct weir_check check;
	int done;
	int error;
};

static void on_done(struct weir_check *check, int error)
{
	struct asked *asked = WEIR_CONTAINER(check, struct asked, check);
	asked->done++;
	asked->error = error;
}

static int ask(struct weir_users *users, const char *name, const char *password)
{
	struct asked asked = {0};
	weir_users_check(
	        users, loop, &asked.check, weir_span_of(name), weir_span_of(password), on_done);
	turn_until(&asked.done, 1);
	return asked.error;
}

static void right_and_wrong(void **state)
{
	(void)state;
	struct asked asked = {0};
	struct weir_users *users = make_users();
	char longer[600];
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = 0;
	assert_int_equal(ask(users, "alice", "wrong"), -EACCES);
	assert_int_equal(ask(users, "alice", "right"), 0);
	assert_int_equal(ask(users, "bob", "right"), 0);
	assert_int_equal(ask(users, "alice", ""), -EACCES);
	assert_int_equal(ask(users, "alice", longer), -EACCES);
	assert_int_equal(ask(users, longer, "right"), -EACCES);
	assert_int_equal(ask(users, "carol", "right"), -EACCES);
	assert_int_equal(ask(users, "dave", "right"), -EACCES);
	assert_int_equal(ask(users, "eve", "right"), -EACCES);
	assert_int_equal(ask(users, "", ""), -EACCES);
	weir_users_check(
	        users, loop, &asked.check, WEIR_SPAN("alice"), WEIR_SPAN("right\0"), on_done);
	assert_int_equal(asked.error, -EACCES);
	weir_users_release(users);
	assert_int_equal(parse("", &users), 0);
	assert_int_equal(ask(users, "alice", "right"), -EACCES);
	weir_users_release(users);
}

static void what_was_right_comes_at_once(void **state)
{
	(void)state;
	struct asked asked = {0};
	struct weir_users *users = make_users();
	weir_users_check(
	        users, loop, &asked.check, WEIR_SPAN("alice"), WEIR_SPAN("right"), on_done);
	assert_int_equal(asked.done, 0);
	turn_until(&asked.done, 1);
	weir_users_check(
	        users, loop, &asked.check, WEIR_SPAN("alice"), WEIR_SPAN("right"), on_done);
	assert_int_equal(asked.done, 2);
	assert_int_equal(asked.error, 0);
	/* Name and password have equal bytes in sum, split differently. */
	weir_users_check(
	        users, loop, &asked.check, WEIR_SPAN("alicer"), WEIR_SPAN("ight"), on_done);
	assert_int_equal(asked.done, 2);
	turn_until(&asked.done, 3);
	assert_int_equal(asked.error, -EACCES);
	weir_users_release(users);
}

static void checks_have_a_bound(void **state)
{
	(void)state;
	static struct asked asked[WEIR_CHECKS_MAX + 1];
	memset(asked, 0, sizeof asked);
	struct weir_users *users = make_users();
	for (int i = 0; i <= WEIR_CHECKS_MAX; i++)
		weir_users_check(users, loop, &asked[i].check, WEIR_SPAN("alice"),
		        WEIR_SPAN("wrong"), on_done);
	assert_int_equal(asked[WEIR_CHECKS_MAX].error, WEIR_E_LIMIT);
	for (int i = 0; i < WEIR_CHECKS_MAX; i += 2)
		weir_check_cancel(&asked[i].check);
	/* Only the checks have a reference now. */
	weir_users_release(users);
	for (int i = 1; i < WEIR_CHECKS_MAX; i += 2) {
		turn_until(&asked[i].done, 1);
		assert_int_equal(asked[i].error, -EACCES);
		assert_int_equal(asked[i - 1].done, 0);
	}
	users = make_users();
	assert_int_equal(ask(users, "bob", "right"), 0);
	weir_users_release(users);
}

static void a_hash_that_cannot_be_computed_says_nothing_of_the_password(void **state)
{
	(void)state;
	struct weir_users *users = make_users();
	crypt_fails = true;
	assert_int_equal(ask(users, "alice", "right"), -EAGAIN);
	assert_int_equal(ask(users, "alice", "wrong"), -EAGAIN);
	assert_int_equal(ask(users, "nobody", "wrong"), -EAGAIN);
	crypt_fails = false;
	assert_int_equal(ask(users, "alice", "right"), 0);
	weir_users_release(users);
}

static void ask_by(struct weir_users *users, struct asked *asked, const char *address, bool suspect,
        const char *password)
{
	struct weir_address from;
	assert_int_equal(weir_address_parse(weir_span_of(address), &from), 0);
	struct weir_check_client client = {&from, suspect};
	weir_users_check_for(users, loop, &asked->check, &client, WEIR_SPAN("alice"),
	        weir_span_of(password), on_done);
}

static void ask_for(
        struct weir_users *users, struct asked *asked, const char *address, bool suspect)
{
	ask_by(users, asked, address, suspect, "wrong");
}

static void turn_until_all(struct asked *asked, int count)
{
	for (int i = 0; i < count; i++)
		while (asked[i].done == 0)
			weir_loop_turn(loop, -1);
}

/* Waits until so many computations have begun. */
static void turn_until_begun(int count)
{
	while (crypt_gate_begun() < count)
		weir_loop_turn(loop, 1);
	assert_int_equal(crypt_gate_begun(), count);
}

/* Lets one computation after the other end, until `count` have begun; the gate is open then. */
static void pass_one_by_one(int count)
{
	for (int begun = WEIR_CRYPTS_MAX; begun <= count; begun++) {
		turn_until_begun(begun);
		if (begun < count)
			crypt_gate_set(true, 1);
	}
	crypt_gate_set(false, 0);
}

static void expect_begun(int first, int count, const char *password)
{
	for (int i = first; i < first + count; i++)
		assert_string_equal(crypt_gate.passwords[i], password);
}

static void a_network_has_its_share_of_checks(void **state)
{
	(void)state;
	static struct asked asked[WEIR_CHECKS_NETWORK_MAX + 3];
	memset(asked, 0, sizeof asked);
	struct weir_users *users = make_users();
	int i = 0;
	for (; i < WEIR_CHECKS_NETWORK_MAX; i++)
		ask_for(users, &asked[i], "[2001:db8::1]:1", false);
	/* A network beside it has room; the same /64 has not. */
	ask_for(users, &asked[i], "[2001:db8::2]:1", false);
	assert_int_equal(asked[i++].error, WEIR_E_LIMIT);
	ask_for(users, &asked[i++], "[2001:db8:0:1::1]:1", false);
	ask_for(users, &asked[i++], "192.0.2.1:1", false);
	turn_until_all(asked, i);
	assert_int_equal(asked[i - 1].error, -EACCES);
	assert_int_equal(asked[i - 2].error, -EACCES);
	weir_users_release(users);
}

/* Networks take turns, so that the last one does not wait for all jobs of the others. */
static void networks_take_turns_in_the_gate(void **state)
{
	(void)state;
	static struct asked asked[WEIR_CHECKS_NETWORK_MAX + 1];
	memset(asked, 0, sizeof asked);
	struct weir_users *users = make_users();
	crypt_gate_set(true, 0);
	for (int i = 0; i < WEIR_CHECKS_NETWORK_MAX; i++)
		ask_by(users, &asked[i], "192.0.2.1:1", false, "first");
	ask_by(users, &asked[WEIR_CHECKS_NETWORK_MAX], "192.0.2.2:1", false, "last");
	pass_one_by_one(WEIR_CHECKS_NETWORK_MAX + 1);
	turn_until_all(asked, WEIR_CHECKS_NETWORK_MAX + 1);
	/* It follows those that ran when it came. */
	expect_begun(0, WEIR_CRYPTS_MAX, "first");
	expect_begun(WEIR_CRYPTS_MAX, 1, "last");
	expect_begun(WEIR_CRYPTS_MAX + 1, WEIR_CHECKS_NETWORK_MAX - WEIR_CRYPTS_MAX, "first");
	weir_users_release(users);
}

static void suspects_wait_for_all_others(void **state)
{
	(void)state;
	enum {
		EACH = 8
	};
	static struct asked asked[2 * EACH];
	memset(asked, 0, sizeof asked);
	struct weir_users *users = make_users();
	crypt_gate_set(true, 0);
	for (int i = 0; i < 2 * EACH; i++) {
		char address[32];
		snprintf(address, sizeof address, "192.0.2.%d:1", i);
		ask_by(users, &asked[i], address, i < EACH, i < EACH ? "suspect" : "other");
	}
	pass_one_by_one(2 * EACH);
	turn_until_all(asked, 2 * EACH);
	/* Only those suspects were before the others that ran when these came. */
	expect_begun(0, WEIR_CRYPTS_MAX, "suspect");
	expect_begun(WEIR_CRYPTS_MAX, EACH, "other");
	expect_begun(WEIR_CRYPTS_MAX + EACH, EACH - WEIR_CRYPTS_MAX, "suspect");
	weir_users_release(users);
}

static void a_full_gate_makes_room_for_another_network(void **state)
{
	(void)state;
	static struct asked asked[WEIR_CHECKS_MAX + 2];
	memset(asked, 0, sizeof asked);
	struct weir_users *users = make_users();
	crypt_gate_set(true, 0);
	for (int i = 0; i < WEIR_CHECKS_MAX; i++) {
		char address[32];
		snprintf(address, sizeof address, "192.0.2.%d:1", i / WEIR_CHECKS_NETWORK_MAX);
		ask_for(users, &asked[i], address, i / WEIR_CHECKS_NETWORK_MAX == 1);
	}
	ask_for(users, &asked[WEIR_CHECKS_MAX], "198.51.100.1:1", false);
	/* A suspect takes no slot, except from a suspect that has more. */
	ask_for(users, &asked[WEIR_CHECKS_MAX + 1], "198.51.100.2:1", true);
	crypt_gate_set(false, 0);
	turn_until_all(asked, WEIR_CHECKS_MAX + 2);
	int displaced[4] = {0};
	for (int i = 0; i < WEIR_CHECKS_MAX; i++)
		displaced[i / WEIR_CHECKS_NETWORK_MAX] += asked[i].error == WEIR_E_LIMIT;
	assert_int_equal(asked[WEIR_CHECKS_MAX].error, -EACCES);
	assert_int_equal(asked[WEIR_CHECKS_MAX + 1].error, -EACCES);
	assert_int_equal(displaced[0] + displaced[2] + displaced[3], 0);
	assert_int_equal(displaced[1], 2);
	weir_users_release(users);
}

static void memory_may_fail_anywhere(void **state)
{
	(void)state;
	char text[300];
	bool failed = true;
	snprintf(text, sizeof text, "alice:%s\n", hash);
	put("users", text);
	for (unsigned good = 0; failed; good++) {
		struct weir_users *users = NULL;
		fail_allocation_after(good, false);
		int error = weir_users_load(in_scratch("users"), NULL, NULL, &users);
		if (error == 0)
			error = ask(users, "alice", "right");
		failed = stop_failing_allocations();
		assert_int_equal(error, failed ? -ENOMEM : 0);
		weir_users_release(users);
	}
}

/* -- several loops ----------------------------------------------------------------------------- */

enum {
	LOOPS = 4,
	CHECKS = 24
};

static struct {
	pthread_mutex_t lock;
	struct weir_users *users;
} current = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct weir_users *hold_current(void)
{
	pthread_mutex_lock(&current.lock);
	struct weir_users *users = weir_users_hold(current.users);
	pthread_mutex_unlock(&current.lock);
	return users;
}

static void *ask_from_a_loop(void *unused)
{
	struct weir_loop *own;
	struct asked asked[CHECKS] = {0};
	intptr_t faults = weir_loop_create(&own) != 0;
	for (int i = 0; i < CHECKS; i++) {
		struct weir_users *users = hold_current();
		bool right = i % 3 != 0;
		weir_users_check(users, own, &asked[i].check, WEIR_SPAN("alice"),
		        right ? WEIR_SPAN("right") : WEIR_SPAN("wrong"), on_done);
		weir_users_release(users);
		if (i % 4 == 3) {
			weir_check_cancel(&asked[i].check);
			continue;
		}
		for (int turns = 0; turns < 1000 && !asked[i].done && i % 2; turns++)
			weir_loop_turn(own, 10);
	}
	for (int i = 0; i < CHECKS; i++) {
		for (int turns = 0; turns < 1000 && !asked[i].done && i % 4 != 3; turns++)
			weir_loop_turn(own, 10);
		faults += i % 4 != 3 && asked[i].error != (i % 3 ? 0 : -EACCES) &&
		          asked[i].error != WEIR_E_LIMIT;
	}
	weir_loop_destroy(own);
	(void)unused;
	return (void *)faults;
}

static void several_loops_and_a_reload(void **state)
{
	(void)state;
	pthread_t threads[LOOPS];
	current.users = make_users();
	for (int i = 0; i < LOOPS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_from_a_loop, NULL), 0);
	for (int i = 0; i < 20; i++) {
		struct weir_users *next = make_users();
		pthread_mutex_lock(&current.lock);
		struct weir_users *old = current.users;
		current.users = next;
		pthread_mutex_unlock(&current.lock);
		weir_users_release(old);
		sleep_ms(5);
	}
	for (int i = 0; i < LOOPS; i++) {
		void *faults;
		pthread_join(threads[i], &faults);
		assert_null(faults);
	}
	weir_users_release(current.users);
}

static int make_hash(void **state)
{
	static struct crypt_data data;
	(void)state;
	const char *made = crypt_r("right", "$5$rounds=1000$salt$", &data);
	assert_true(strlen(made) < sizeof hash);
	strcpy(hash, made);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        SCRATCH_TEST(good_files),
	        SCRATCH_TEST(all_mistakes_are_told),
	        SCRATCH_TEST(values),
	        SCRATCH_TEST(verifiers),
	        SCRATCH_TEST(as_many_users_as_allowed),
	        SCRATCH_TEST(right_and_wrong),
	        SCRATCH_TEST(what_was_right_comes_at_once),
	        SCRATCH_TEST(checks_have_a_bound),
	        SCRATCH_TEST(a_hash_that_cannot_be_computed_says_nothing_of_the_password),
	        SCRATCH_TEST(a_network_has_its_share_of_checks),
	        SCRATCH_TEST(networks_take_turns_in_the_gate),
	        SCRATCH_TEST(suspects_wait_for_all_others),
	        SCRATCH_TEST(a_full_gate_makes_room_for_another_network),
	        SCRATCH_TEST(memory_may_fail_anywhere),
	        SCRATCH_TEST(several_loops_and_a_reload),
	};
	return cmocka_run_group_tests(tests, make_hash, NULL);
}
