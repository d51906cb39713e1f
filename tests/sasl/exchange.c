/*
 * Exchanges, line by line as a client sends them; then our client against our server; then both
 * with failing memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <crypt.h>
#include <errno.h>

#include <weir/base64.h>
#include <weir/error.h>
#include <weir/sasl.h>

#include "allocation.h"
#include "make_options.h"

static struct weir_loop *loop;
static struct weir_users *users;
static struct weir_guard *guard;
static char text_of_users[2048];

/* The last call of step(). */
struct heard {
	int steps;
	enum weir_sasl_outcome outcome;
	int error;
	size_t size;
	char text[4096];
	char user[64];
};

static struct heard server, client;

static void hear(void *context, const struct weir_sasl_step *step)
{
	struct heard *heard = context;
	heard->steps++;
	heard->outcome = step->outcome;
	heard->error = step->error;
	heard->size = step->text.size;
	if (step->text.size)
		memcpy(heard->text, step->text.data, step->text.size);
	heard->text[step->text.size] = 0;
	snprintf(heard->user, sizeof heard->user, "%.*s", (int)step->user.size, step->user.data);
}

static void await(const struct heard *heard, int steps)
{
	for (int i = 0; i < 2000 && heard->steps < steps; i++)
		weir_loop_turn(loop, 10);
	assert_int_equal(heard->steps, steps);
}

static struct weir_sasl *make(bool secure, struct weir_guard *with)
{
	struct weir_sasl_options options =
	        OPTIONS(weir_sasl_options, o.users = users, o.secure = secure, o.guard = with);
	struct weir_sasl *sasl;
	assert_int_equal(weir_address_parse(WEIR_SPAN("192.0.2.1:1"), &options.peer), 0);
	server = (struct heard){0};
	assert_int_equal(weir_sasl_create(loop, &options, hear, &server, &sasl), 0);
	return sasl;
}

static const char *coded(struct weir_span bytes)
{
	static char text[8192];
	text[weir_base64_encode(bytes, text)] = 0;
	return text;
}

static void start(struct weir_sasl *sasl, const char *mechanism, const char *initial)
{
	int steps = server.steps;
	weir_sasl_start(sasl, weir_span_of(mechanism),
	        initial ? weir_span_of(initial) : weir_span(NULL, 0));
	await(&server, steps + 1);
}

static void say(struct weir_sasl *sasl, const char *line)
{
	int steps = server.steps;
	weir_sasl_next(sasl, weir_span_of(line));
	await(&server, steps + 1);
}

/* Returns the outcome of one initial response. */
static int outcome(const char *mechanism, const char *initial, bool secure)
{
	struct weir_sasl *sasl = make(secure, NULL);
	start(sasl, mechanism, initial);
	weir_sasl_destroy(sasl);
	if (server.outcome == WEIR_SASL_CHALLENGE)
		return 1;
	return server.outcome == WEIR_SASL_DONE ? 0 : server.error;
}

static int plain(const char *bytes, size_t size)
{
	return outcome("plain", coded(weir_span(bytes, size)), true);
}

#define PLAIN(text) plain(text, sizeof(text) - 1)

static void plain_in_all_forms(void **state)
{
	(void)state;
	assert_int_equal(PLAIN("\0alice\0right"), 0);
	assert_string_equal(server.user, "alice");
	assert_int_equal(PLAIN("alice\0alice\0right"), 0);
	assert_int_equal(PLAIN("bob\0alice\0right"), -EACCES);
	assert_int_equal(PLAIN("\0alice\0wrong"), -EACCES);
	assert_int_equal(PLAIN("\0eve\0right"), -EACCES);
	assert_int_equal(PLAIN("\0carol\0right"), -EACCES);
	assert_int_equal(PLAIN("\0al\tice\0right"), -EACCES);
	assert_int_equal(PLAIN("\0alice\0ri\nght"), -EACCES);
	assert_int_equal(PLAIN("\0\0right"), WEIR_E_SYNTAX);
	assert_int_equal(PLAIN("\0alice\0"), WEIR_E_SYNTAX);
	assert_int_equal(PLAIN("alice\0right"), WEIR_E_SYNTAX);
	assert_int_equal(PLAIN("\0alice\0right\0"), WEIR_E_SYNTAX);
	assert_int_equal(PLAIN(""), WEIR_E_SYNTAX);
	assert_int_equal(outcome("PLAIN", "=", true), WEIR_E_SYNTAX);
	assert_int_equal(outcome("PLAIN", "AGE", true), WEIR_E_SYNTAX);
	assert_int_equal(outcome("PLAIN", NULL, false), -EPERM);
	assert_int_equal(outcome("LOGIN", NULL, false), -EPERM);
	assert_int_equal(outcome("CRAM-MD5", NULL, true), -EOPNOTSUPP);
	assert_int_equal(outcome("", NULL, true), -EOPNOTSUPP);
	assert_int_equal(outcome("PLAIN", NULL, true), 1);
	assert_int_equal(server.size, 0);

	struct weir_sasl *sasl = make(true, NULL);
	start(sasl, "PLAIN", NULL);
	say(sasl, coded(weir_span("\0alice\0right", 12)));
	assert_int_equal(server.outcome, WEIR_SASL_DONE);
	weir_sasl_destroy(sasl);
	sasl = make(true, NULL);
	start(sasl, "PLAIN", NULL);
	say(sasl, "*");
	assert_int_equal(server.error, -ECANCELED);
	weir_sasl_destroy(sasl);
	weir_sasl_destroy(NULL);
}

static void login(void **state)
{
	(void)state;
	for (int initial = 0; initial < 2; initial++)
		for (int right = 0; right < 2; right++) {
			struct weir_sasl *sasl = make(true, NULL);
			start(sasl, "LOGIN", initial ? "YWxpY2U=" : NULL);
			if (!initial) {
				assert_string_equal(server.text, "VXNlcm5hbWU6");
				say(sasl, "YWxpY2U=");
			}
			assert_string_equal(server.text, "UGFzc3dvcmQ6");
			say(sasl, right ? "cmlnaHQ=" : "d3Jvbmc=");
			assert_int_equal(server.outcome, right ? WEIR_SASL_DONE : WEIR_SASL_FAILED);
			assert_int_equal(server.error, right ? 0 : -EACCES);
			weir_sasl_destroy(sasl);
		}
}

static void lines_have_a_bound(void **state)
{
	static char line[WEIR_SASL_LINE_MAX + 5];
	(void)state;
	memset(line, 'A', sizeof line - 1);
	line[WEIR_SASL_LINE_MAX] = 0;
	assert_int_equal(outcome("PLAIN", line, true), WEIR_E_SYNTAX);
	assert_int_equal(outcome("SCRAM-SHA-256", line, true), WEIR_E_SYNTAX);
	line[WEIR_SASL_LINE_MAX] = 'A';
	assert_int_equal(outcome("PLAIN", line, true), -EMSGSIZE);
}

/* -- SCRAM, by hand ---------------------------------------------------------------------------- */

static int scram_first(const char *first)
{
	return outcome("SCRAM-SHA-256", coded(weir_span_of(first)), false);
}

static void first_messages(void **state)
{
	(void)state;
	assert_int_equal(scram_first("n,,n=alice,r=abc"), 1);
	assert_int_equal(scram_first("y,,n=alice,r=abc"), 1);
	assert_int_equal(scram_first("n,a=alice,n=alice,r=abc"), 1);
	assert_int_equal(scram_first("n,,n=alice,r=abc,x=more"), 1);
	assert_int_equal(scram_first("n,,n=a=2Cl=3D,r=abc"), 1);
	assert_int_equal(scram_first("p=tls-unique,,n=alice,r=abc"), WEIR_E_SYNTAX);
	assert_int_equal(scram_first("n,,n=alice"), WEIR_E_SYNTAX);
	assert_int_equal(scram_first("n,,n=,r=abc"), WEIR_E_SYNTAX);
	assert_int_equal(scram_first("n,,n=alice,r="), WEIR_E_SYNTAX);
	assert_int_equal(scram_first("n,,n=al=ice,r=abc"), WEIR_E_SYNTAX);
	assert_int_equal(scram_first("n,,n=al=2,r=abc"), WEIR_E_SYNTAX);
	assert_int_equal(scram_first("n,,m=x,n=alice,r=abc"), WEIR_E_SYNTAX);
	assert_int_equal(scram_first("n,n=alice,r=abc"), WEIR_E_SYNTAX);
	assert_int_equal(scram_first("n,,r=abc,n=alice"), WEIR_E_SYNTAX);
	assert_int_equal(scram_first("n,,n=alice,r=a\x01"), WEIR_E_SYNTAX);
	assert_int_equal(scram_first("n"), WEIR_E_SYNTAX);
	assert_int_equal(scram_first("="), WEIR_E_SYNTAX);
}

/* Gets the server's answer to a name: everything behind the nonce. */
static void shown(const char *name, char ret[256])
{
	char first[128], bytes[1024];
	size_t size;
	snprintf(first, sizeof first, "n,,n=%s,r=abc", name);
	assert_int_equal(scram_first(first), 1);
	assert_int_equal(weir_base64_decode(weir_span(server.text, server.size), bytes,
	                         sizeof bytes - 1, &size),
	        0);
	bytes[size] = 0;
	assert_memory_equal(bytes, "r=abc", 5);
	snprintf(ret, 256, "%s", strchr(bytes, ','));
}

static void unknown_users_look_like_users(void **state)
{
	char alice[256], eve[256], again[256], locked[256], mallory[256];
	(void)state;
	shown("alice", alice);
	shown("eve", eve);
	shown("mallory", mallory);
	shown("carol", locked);
	assert_int_equal(strlen(alice), strlen(eve));
	assert_int_equal(strlen(alice), strlen(locked));
	assert_string_not_equal(eve, mallory);
	shown("eve", again);
	assert_string_equal(eve, again);
	/* The salt is the same after a reload. */
	struct weir_users *before = users;
	assert_int_equal(weir_users_parse(weir_span_of(text_of_users), NULL, NULL, &users), 0);
	shown("eve", again);
	assert_string_equal(eve, again);
	weir_users_release(users);
	users = before;
}

static void final_messages(void **state)
{
	static const struct {
		const char *format;
		int error;
	} cases[] = {
	        {"c=biws,r=%s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", -EACCES},
	        {"c=biws,r=%sX,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", -EACCES},
	        {"c=eSws,r=%s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", -EACCES},
	        {"c=biws,r=%s,x=y,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", -EACCES},
	        {"c=biw,r=%s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", WEIR_E_SYNTAX},
	        {"c=biws,r=%s,p=AAAA", WEIR_E_SYNTAX},
	        {"c=biws,r=%s", WEIR_E_SYNTAX},
	        {"c=biws,r=%s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,x=y", WEIR_E_SYNTAX},
	        {"r=%s,c=biws,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", WEIR_E_SYNTAX},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char bytes[1024], final[2048];
		size_t size;
		struct weir_sasl *sasl = make(false, NULL);
		start(sasl, "SCRAM-SHA-256", coded(WEIR_SPAN("n,,n=alice,r=abc")));
		weir_base64_decode(weir_span(server.text, server.size), bytes, sizeof bytes, &size);
		*strchr(bytes, ',') = 0;
		snprintf(final, sizeof final, cases[i].format, bytes + 2);
		say(sasl, coded(weir_span_of(final)));
		assert_int_equal(server.outcome, WEIR_SASL_FAILED);
		assert_int_equal(server.error, cases[i].error);
		weir_sasl_destroy(sasl);
	}
}

/* -- our client and our server ----------------------------------------------------------------- */

/*
 * Returns 0 if both sides have succeeded. Changes byte `at` of the server's `turn`-th challenge by
 * `flip`, counted over decoded bytes. Returns -1 if there was no such byte.
 */
static int converse(
        const char *name, const char *password, const char *offered, int turn, size_t at, char flip)
{
	struct weir_sasl_client_options options = OPTIONS(weir_sasl_client_options,
	        o.mechanisms = weir_span_of(offered), o.user = weir_span_of(name),
	        o.password = weir_span_of(password), o.secure = true);
	struct weir_sasl_client *peer = NULL;
	struct weir_sasl *sasl = NULL;
	struct weir_sasl_options mine =
	        OPTIONS(weir_sasl_options, o.users = users, o.secure = true);
	bool flipped = !flip;
	client = server = (struct heard){0};
	int error = weir_sasl_create(loop, &mine, hear, &server, &sasl);
	if (error == 0)
		error = weir_sasl_client_create(loop, &options, hear, &client, &peer);
	if (error < 0)
		goto out;
	weir_sasl_client_start(peer);
	await(&client, 1);
	if (client.outcome == WEIR_SASL_CHALLENGE) {
		weir_sasl_start(sasl, weir_span_of(weir_sasl_client_mechanism(peer)),
		        weir_span(client.text, client.size));
		await(&server, 1);
	}
	while (client.outcome == WEIR_SASL_CHALLENGE && server.outcome == WEIR_SASL_CHALLENGE) {
		char bytes[1024];
		size_t size;
		assert_int_equal(weir_base64_decode(weir_span(server.text, server.size), bytes,
		                         sizeof bytes, &size),
		        0);
		if (server.steps == turn && at < size) {
			bytes[at] ^= flip;
			flipped = true;
		}
		int steps = client.steps;
		weir_sasl_client_next(peer, weir_span_of(coded(weir_span(bytes, size))));
		await(&client, steps + 1);
		if (client.outcome != WEIR_SASL_CHALLENGE)
			break;
		steps = server.steps;
		weir_sasl_next(sasl, weir_span(client.text, client.size));
		await(&server, steps + 1);
	}
	error = client.outcome == WEIR_SASL_FAILED ? client.error : server.error;
	if (error == 0)
		error = weir_sasl_client_verify(peer);
	if (!flipped)
		error = -1;
out:
	weir_sasl_client_destroy(peer);
	weir_sasl_destroy(sasl);
	return error;
}

static void client_and_server(void **state)
{
	static const char *const offers[] = {
	        "SCRAM-SHA-256 PLAIN LOGIN", "GSSAPI PLAIN", "login", "XOAUTH2 LOGIN CRAM-MD5"};
	(void)state;
	for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
		assert_int_equal(converse("alice", "right", offers[i], 0, 0, 0), 0);
		assert_string_equal(server.user, "alice");
		assert_int_equal(converse("alice", "wrong", offers[i], 0, 0, 0), -EACCES);
		assert_int_equal(converse("eve", "right", offers[i], 0, 0, 0), -EACCES);
		assert_int_equal(converse("carol", "right", offers[i], 0, 0, 0), -EACCES);
	}
	assert_int_equal(converse("o=d,d", "right", "SCRAM-SHA-256", 0, 0, 0), 0);
	assert_string_equal(server.user, "o=d,d");
	assert_int_equal(converse("alice", "right", "GSSAPI", 0, 0, 0), -EOPNOTSUPP);
	assert_int_equal(converse("al\nice", "right", "PLAIN", 0, 0, 0), WEIR_E_SYNTAX);
	assert_int_equal(converse("alice", "", "PLAIN", 0, 0, 0), WEIR_E_SYNTAX);
}

/* An attacker changes one bit of a challenge: one side notices. */
static void no_byte_of_the_server_may_change(void **state)
{
	(void)state;
	for (int turn = 1; turn <= 2; turn++) {
		int error = 0;
		for (size_t at = 0; error != -1; at++) {
			error = converse("dave", "right", "SCRAM-SHA-256", turn, at, 1);
			assert_int_not_equal(error, 0);
		}
	}
}

static void client_without_tls(void **state)
{
	struct weir_sasl_client_options options =
	        OPTIONS(weir_sasl_client_options, o.mechanisms = WEIR_SPAN("PLAIN LOGIN"),
	                o.user = WEIR_SPAN("alice"), o.password = WEIR_SPAN("right"));
	struct weir_sasl_client *peer;
	(void)state;
	assert_int_equal(weir_sasl_client_create(loop, &options, hear, &client, &peer), -EPERM);
	options.mechanisms = WEIR_SPAN("PLAIN SCRAM-SHA-256");
	assert_int_equal(weir_sasl_client_create(loop, &options, hear, &client, &peer), 0);
	assert_string_equal(weir_sasl_client_mechanism(peer), "SCRAM-SHA-256");
	weir_sasl_client_destroy(peer);
	weir_sasl_client_destroy(NULL);
}

/* A server that asks for too few or too many iterations, or does not know the nonce. */
static void client_refuses(void **state)
{
	static const char *const firsts[] = {
	        "r=%s,s=c2FsdA==,i=4096",
	        "r=%sX,s=c2FsdA==,i=4095",
	        "r=%sX,s=c2FsdA==,i=1048577",
	        "r=%sX,s=c2FsdA==,i=99999999999999999999",
	        "r=X%s,s=c2FsdA==,i=4096",
	        "r=%sX,s=,i=4096",
	        "r=%sX,s=c2FsdA=,i=4096",
	        "m=x,r=%sX,s=c2FsdA==,i=4096",
	        "e=other-error%.0s",
	        "%.0s",
	};
	(void)state;
	for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
		struct weir_sasl_client_options options =
		        OPTIONS(weir_sasl_client_options, o.mechanisms = WEIR_SPAN("SCRAM-SHA-256"),
		                o.user = WEIR_SPAN("alice"), o.password = WEIR_SPAN("right"));
		struct weir_sasl_client *peer;
		char bytes[256], first[512];
		size_t size;
		client = (struct heard){0};
		assert_int_equal(weir_sasl_client_create(loop, &options, hear, &client, &peer), 0);
		weir_sasl_client_start(peer);
		weir_base64_decode(
		        weir_span(client.text, client.size), bytes, sizeof bytes - 1, &size);
		bytes[size] = 0;
		snprintf(first, sizeof first, firsts[i], strstr(bytes, "r=") + 2);
		weir_sasl_client_next(peer, weir_span_of(coded(weir_span_of(first))));
		await(&client, 2);
		assert_int_equal(client.outcome, WEIR_SASL_FAILED);
		assert_int_equal(client.error, -EACCES);
		assert_int_equal(weir_sasl_client_verify(peer), -EACCES);
		weir_sasl_client_destroy(peer);
	}
}

/* -- ends -------------------------------------------------------------------------------------- */

static void gone_meanwhile(void **state)
{
	(void)state;
	struct weir_sasl *sasl = make(true, guard);
	weir_sasl_start(
	        sasl, WEIR_SPAN("PLAIN"), weir_span_of(coded(weir_span("\0alice\0wrong", 12))));
	weir_sasl_destroy(sasl);
	struct weir_sasl_client_options options =
	        OPTIONS(weir_sasl_client_options, o.mechanisms = WEIR_SPAN("SCRAM-SHA-256"),
	                o.user = WEIR_SPAN("alice"), o.password = WEIR_SPAN("right"));
	struct weir_sasl_client *peer;
	client = (struct heard){0};
	assert_int_equal(weir_sasl_client_create(loop, &options, hear, &client, &peer), 0);
	weir_sasl_client_start(peer);
	char bytes[256], first[512];
	size_t size;
	weir_base64_decode(weir_span(client.text, client.size), bytes, sizeof bytes - 1, &size);
	bytes[size] = 0;
	snprintf(first, sizeof first, "r=%sX,s=c2FsdA==,i=100000", strstr(bytes, "r=") + 2);
	weir_sasl_client_next(peer, weir_span_of(coded(weir_span_of(first))));
	weir_sasl_client_destroy(peer);
	for (int i = 0; i < 30; i++)
		weir_loop_turn(loop, 10);
	assert_int_equal(server.steps, 0);
	assert_int_equal(client.steps, 1);
}

static void the_guard_delays(void **state)
{
	(void)state;
	int64_t began_ms = weir_loop_now_ms(loop);
	for (int i = 0; i < 2; i++) {
		struct weir_sasl *sasl = make(true, guard);
		start(sasl, "PLAIN", coded(weir_span("\0alice\0wrong", 12)));
		assert_int_equal(server.error, -EACCES);
		weir_sasl_destroy(sasl);
	}
	/* 100 and 200 ms. */
	assert_in_range(weir_loop_now_ms(loop) - began_ms, 300, 5000);
	began_ms = weir_loop_now_ms(loop);
	struct weir_sasl *sasl = make(false, guard);
	start(sasl, "SCRAM-SHA-256", coded(WEIR_SPAN("n,,n=alice,r=abc")));
	assert_in_range(weir_loop_now_ms(loop) - began_ms, 0, 100);
	char bytes[1024], final[2048];
	size_t size;
	weir_base64_decode(weir_span(server.text, server.size), bytes, sizeof bytes, &size);
	*strchr(bytes, ',') = 0;
	snprintf(final, sizeof final,
	        "c=biws,r=%s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", bytes + 2);
	say(sasl, coded(weir_span_of(final)));
	assert_int_equal(server.error, -EACCES);
	assert_in_range(weir_loop_now_ms(loop) - began_ms, 400, 5000);
	weir_sasl_destroy(sasl);
	/* An exchange may be destroyed while its answer is delayed. */
	sasl = make(true, guard);
	weir_sasl_start(
	        sasl, WEIR_SPAN("PLAIN"), weir_span_of(coded(weir_span("\0alice\0wrong", 12))));
	for (int i = 0; i < 10; i++)
		weir_loop_turn(loop, 10);
	weir_sasl_destroy(sasl);
}

static void memory_may_fail_anywhere(void **state)
{
	static const char *const offers[] = {"SCRAM-SHA-256", "PLAIN", "LOGIN"};
	(void)state;
	for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
		bool failed = true;
		for (unsigned good = 0; failed; good++) {
			fail_allocation_after(good, false);
			int error = converse("dave", "right", offers[i], 0, 0, 0);
			failed = stop_failing_allocations();
			assert_true(error == (failed ? -ENOMEM : 0) || (failed && error == 0));
		}
	}
}

static void what_is_offered(void **state)
{
	struct weir_users *some;
	char text[4096];
	(void)state;
	assert_string_equal(weir_sasl_mechanisms(users, true), "SCRAM-SHA-256 PLAIN LOGIN");
	assert_string_equal(weir_sasl_mechanisms(users, false), "SCRAM-SHA-256");
	snprintf(text, sizeof text, "%sfrank:abJnggxhB/yWI:\n", text_of_users);
	assert_int_equal(weir_users_parse(weir_span_of(text), NULL, NULL, &some), 0);
	assert_string_equal(weir_sasl_mechanisms(some, true), "PLAIN LOGIN");
	assert_string_equal(weir_sasl_mechanisms(some, false), "");
	weir_users_release(some);
	assert_int_equal(weir_users_parse(WEIR_SPAN(""), NULL, NULL, &some), 0);
	assert_string_equal(weir_sasl_mechanisms(some, false), "");
	weir_users_release(some);
}

/* -- */

/* Of `right`, with as few iterations as are allowed, for many conversations. */
static const char quick_verifier[] = "SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg=="
                                     "$Q2CdtEIW5Q7zdEZEEVC8UWIbK2PCy+RXq0u0PkIzTMc="
                                     ":sVSn95Uo6O6eLRV+jm9/ARL/+kD60NQgJO0d9TWAPBw=";

static int setup_users(void **state)
{
	static struct crypt_data data;
	struct weir_scram scram;
	char verifier[WEIR_SCRAM_TEXT_MAX];
	(void)state;
	const char *hash = crypt_r("right", "$5$rounds=1000$salt$", &data);
	if (weir_scram_make(WEIR_SPAN("right"), &scram) < 0)
		return -1;
	weir_scram_format(&scram, verifier);
	snprintf(text_of_users, sizeof text_of_users,
	        "alice:%s:scram=%s home=/x\no=d,d:%s:scram=%s\ncarol:!%s:scram=%s\ndave:%s:scram=%s\n",
	        hash, verifier, hash, verifier, hash, verifier, hash, quick_verifier);
	return weir_users_parse(weir_span_of(text_of_users), NULL, NULL, &users);
}

static int teardown_users(void **state)
{
	(void)state;
	weir_users_release(users);
	return 0;
}

static int setup(void **state)
{
	struct weir_guard_options quick = OPTIONS(weir_guard_options, o.first_ms = 100);
	(void)state;
	return weir_loop_create(&loop) || weir_guard_create(&quick, &guard);
}

static int teardown(void **state)
{
	(void)state;
	weir_loop_destroy(loop);
	weir_guard_destroy(guard);
	return 0;
}

#define EXCHANGE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        EXCHANGE_TEST(plain_in_all_forms),
	        EXCHANGE_TEST(login),
	        EXCHANGE_TEST(lines_have_a_bound),
	        EXCHANGE_TEST(first_messages),
	        EXCHANGE_TEST(unknown_users_look_like_users),
	        EXCHANGE_TEST(final_messages),
	        EXCHANGE_TEST(client_and_server),
	        EXCHANGE_TEST(no_byte_of_the_server_may_change),
	        EXCHANGE_TEST(client_without_tls),
	        EXCHANGE_TEST(client_refuses),
	        EXCHANGE_TEST(gone_meanwhile),
	        EXCHANGE_TEST(the_guard_delays),
	        EXCHANGE_TEST(memory_may_fail_anywhere),
	        EXCHANGE_TEST(what_is_offered),
	};
	return cmocka_run_group_tests(tests, setup_users, teardown_users);
}
