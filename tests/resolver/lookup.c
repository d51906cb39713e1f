/* Lookups with somebody to ask whose answers the test gives, and a clock that it moves. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <weir/address.h>
#include <weir/error.h>
#include <weir/loop.h>

#include "allocation.h"
#include "clock.h"
#include "dns_asker.h"
#include "dns_reply.h"

static struct weir_loop *loop;
static struct weir_dns_lookups *lookups;
static struct asker asker;

/* A client, and the answer that it got. */
struct client {
	struct weir_dns_lookup *lookup;
	unsigned answers;
	int error;
	struct weir_dns_lookup_info found;
	char lines[1024];
	struct weir_dns_name name;
};

static void answered(void *context, int error, struct weir_span reply)
{
	struct client *client = context;
	struct weir_dns_question question;
	size_t at = WEIR_DNS_HEADER_SIZE;
	client->answers++;
	client->error = error;
	client->found = *weir_dns_lookup_info(client->lookup);
	snprintf(client->lines, sizeof client->lines, "%s", lines_of(reply));
	assert_int_equal(weir_dns_question_read(reply, &at, &question), 0);
	client->name = question.name;
}

static int look(struct client *client, const char *question, unsigned flags)
{
	struct weir_dns_question asked = question_of(question);
	memset(client, 0, sizeof *client);
	return weir_dns_lookup(lookups, &asked, flags, answered, client, &client->lookup);
}

/* The cached answer as lines, or NULL. */
static const char *cached(const char *question, struct weir_dns_lookup_info *found)
{
	static uint8_t reply[WEIR_DNS_MESSAGE_MAX];
	struct weir_dns_question asked = question_of(question);
	size_t size = weir_dns_lookup_cached(lookups, &asked, 0, reply, sizeof reply, found);
	return size ? lines_of(weir_span(reply, size)) : NULL;
}

static void turn(void)
{
	weir_loop_turn(loop, 0);
	weir_loop_turn(loop, 0);
}

static void pass(int64_t ms)
{
	clock_advance(ms);
	turn();
}

static struct weir_dns_lookups_options default_options(void)
{
	struct weir_dns_lookups_options options;
	weir_dns_lookups_options_init(&options);
	options.own_cache.bytes = 1 << 20;
	return options;
}

static int open_with(void **state, struct weir_dns_lookups_options options)
{
	(void)state;
	memset(&asker, 0, sizeof asker);
	options.asker = &test_asker;
	options.asker_context = &asker;
	if (weir_loop_create(&loop) < 0)
		return -1;
	return weir_dns_lookups_create(loop, &options, &lookups);
}

static int set_up(void **state)
{
	return open_with(state, default_options());
}

static int tear_down(void **state)
{
	(void)state;
	weir_dns_lookups_destroy(lookups);
	weir_loop_destroy(loop);
	return asker.open ? -1 : 0;
}

#define ANSWER "an a.x. 100 A 192.0.2.1"

/* Asks, and lets the answer be known. */
static void learn(void)
{
	struct client client;
	assert_int_equal(look(&client, "a.x. A", 0), 0);
	asker_answer(&asker, 0, REPLY("a.x. A", "", ANSWER));
	assert_int_equal(client.answers, 1);
	assert_string_equal(client.lines, "an a.x. 100 A 192.0.2.1\n");
}

static void asked_once_and_remembered(void **state)
{
	struct weir_dns_lookup_info found;
	struct client client;
	(void)state;
	assert_null(cached("a.x. A", &found));
	learn();
	pass(40 * 1000);
	assert_string_equal(cached("A.X. A", &found), "an A.X. 60 A 192.0.2.1\n");
	assert_int_equal(look(&client, "a.X. A", 0), 0);
	assert_int_equal(client.answers, 0); /* not from within */
	turn();
	assert_int_equal(client.answers, 1);
	assert_string_equal(client.lines, "an a.X. 60 A 192.0.2.1\n");
	assert_int_equal(asker.count, 1);
}

static void all_who_wait_get_it(void **state)
{
	struct client clients[5];
	struct weir_dns_question other = question_of("A.x. A");
	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(look(&clients[i], i == 3 ? "A.x. A" : "a.x. A", 0), 0);
	weir_dns_lookup_cancel(clients[1].lookup);
	assert_int_equal(asker.count, 1);
	asker_answer(&asker, 0, REPLY("a.x. A", "", ANSWER));
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(clients[i].answers, i != 1);
	/* Each in the case in which he wrote it. */
	assert_memory_equal(clients[3].name.wire, other.name.wire, other.name.size);
	assert_memory_equal(clients[4].name.wire, "\1a\1x", 5);
	assert_int_equal(weir_dns_lookups_counters(lookups)->joined, 4);
}

static void the_time_of_a_question_is_counted(void **state)
{
	struct client client;
	uint64_t longer = 0, took = 0;
	(void)state;
	const uint64_t *ask_ms = weir_dns_lookups_counters(lookups)->ask_ms;
	assert_int_equal(look(&client, "a.x. A", 0), 0);
	pass(3000);
	asker_answer(&asker, -ETIMEDOUT, WEIR_SPAN(""));
	for (unsigned i = 0; i < WEIR_METRIC_BUCKETS; i++)
		longer += i >= 11 ? ask_ms[i] : 0;
	took = ask_ms[WEIR_METRIC_BUCKETS];
	assert_int_equal(longer, 1);
	assert_in_range(took, 3000, 60000);
}

static void flags_are_other_questions(void **state)
{
	struct client clients[4];
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(look(&clients[i], "a.x. A", i), 0);
	assert_int_equal(asker.count, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(asker.asks[i].flags, i);
	weir_dns_lookup_cancel(clients[0].lookup);
	asker_answer(&asker, 0, REPLY("a.x. A", "", ANSWER));
	assert_int_equal(clients[0].answers, 0);
	assert_int_equal(clients[3].answers, 1);
}

static void nothing_is_remembered_as_its_soa_says(void **state)
{
	struct weir_dns_lookup_info found;
	struct client client;
	(void)state;
	assert_int_equal(look(&client, "no.x. A", 0), 0);
	asker_answer(&asker, 0, REPLY("no.x. A", "NXDOMAIN", "au x. 600 SOA 60"));
	assert_int_equal(client.found.rcode, WEIR_DNS_NXDOMAIN);
	pass(59 * 1000);
	assert_string_equal(cached("no.x. A", &found), "au x. 1 SOA 60\n");
	assert_int_equal(look(&client, "other.x. A", 0), 0);
	asker_answer(&asker, 0, REPLY("other.x. A", "NXDOMAIN", NULL));
	assert_int_equal(client.found.rcode, WEIR_DNS_NXDOMAIN);
	assert_null(cached("other.x. A", &found));
}

static void failures(void **state)
{
	struct weir_dns_lookup_info found;
	struct client client;
	(void)state;
	assert_int_equal(look(&client, "a.x. A", 0), 0);
	asker_answer(&asker, -ETIMEDOUT, WEIR_SPAN(""));
	assert_int_equal(client.error, 0);
	assert_int_equal(client.found.rcode, WEIR_DNS_SERVFAIL);
	assert_int_equal(client.found.extended_error, WEIR_DNS_EDE_NO_REACHABLE_AUTHORITY);
	assert_string_equal(cached("a.x. A", &found), "");
	assert_int_equal(found.rcode, WEIR_DNS_SERVFAIL);
	pass(WEIR_DNS_FAILURE_S * 1000 + 1000);
	assert_null(cached("a.x. A", &found));
	assert_int_equal(look(&client, "a.x. A", 0), 0);
	asker_answer(&asker, 0, REPLY("evil.x. A", "", "an evil.x. 100 A 192.0.2.66"));
	assert_int_equal(client.found.rcode, WEIR_DNS_SERVFAIL);
	assert_int_equal(weir_dns_lookups_counters(lookups)->rejected, 1);
	assert_null(cached("evil.x. A", &found));
	asker.error = WEIR_E_LIMIT;
	assert_int_equal(look(&client, "b.x. A", 0), WEIR_E_LIMIT);
}

/* Other records in a reply are no answers to other questions. */
static void a_poisoned_reply(void **state)
{
	struct weir_dns_lookup_info found;
	struct client client;
	(void)state;
	assert_int_equal(look(&client, "a.x. A", 0), 0);
	asker_answer(&asker, 0,
	        REPLY("a.x. A", "", ANSWER, "an bank. 9999 A 192.0.2.66", "au bank. 9999 NS evil.",
	                "ad bank. 9999 A 192.0.2.66"));
	assert_string_equal(client.lines, "an a.x. 100 A 192.0.2.1\n");
	assert_null(cached("bank. A", &found));
	assert_null(cached("bank. NS", &found));
}

/* -- stale ------------------------------------------------------------------------------------- */

static void stale_when_the_upstreams_fail(void **state)
{
	struct weir_dns_lookup_info found;
	struct client client;
	(void)state;
	learn();
	pass(101 * 1000);
	assert_null(cached("a.x. A", &found));
	assert_int_equal(look(&client, "a.x. A", 0), 0);
	asker_answer(&asker, 0, REPLY("a.x. A", "SERVFAIL", NULL));
	assert_string_equal(client.lines, "an a.x. 30 A 192.0.2.1\n");
	assert_int_equal(client.found.extended_error, WEIR_DNS_EDE_STALE);
	assert_int_equal(client.found.rcode, 0);
	/* For a while nothing is asked. */
	assert_string_equal(cached("a.x. A", &found), "an a.x. 30 A 192.0.2.1\n");
	pass(WEIR_DNS_STALE_RETRY_S * 1000 + 1000);
	assert_null(cached("a.x. A", &found));
	/* It is known again. */
	assert_int_equal(look(&client, "a.x. A", 0), 0);
	asker_answer(&asker, 0, REPLY("a.x. A", "", "an a.x. 50 A 192.0.2.9"));
	assert_string_equal(client.lines, "an a.x. 50 A 192.0.2.9\n");
	assert_string_equal(cached("a.x. A", &found), "an a.x. 50 A 192.0.2.9\n");
	assert_int_equal(asker.count, 3);
}

static void stale_when_it_takes_long(void **state)
{
	struct weir_dns_lookup_info found;
	struct client first, second;
	(void)state;
	learn();
	pass(101 * 1000);
	assert_int_equal(look(&first, "a.x. A", 0), 0);
	assert_int_equal(look(&second, "a.x. A", 0), 0);
	pass(WEIR_DNS_STALE_WAIT_MS - 200);
	assert_int_equal(first.answers, 0);
	pass(400);
	assert_int_equal(first.answers, 1);
	assert_int_equal(second.answers, 1);
	assert_int_equal(first.found.extended_error, WEIR_DNS_EDE_STALE);
	assert_non_null(cached("a.x. A", &found));
	/* The question is still under way, and its answer is welcome. */
	assert_int_equal(asker.open, 1);
	asker_answer(&asker, 0, REPLY("a.x. A", "", "an a.x. 50 A 192.0.2.9"));
	assert_int_equal(first.answers, 1);
	assert_string_equal(cached("a.x. A", &found), "an a.x. 50 A 192.0.2.9\n");
}

static void stale_when_nothing_can_be_asked(void **state)
{
	struct client client;
	(void)state;
	learn();
	pass(101 * 1000);
	asker.error = WEIR_E_LIMIT;
	assert_int_equal(look(&client, "a.x. A", 0), 0);
	turn();
	assert_int_equal(client.found.extended_error, WEIR_DNS_EDE_STALE);
	asker.error = 0;
	pass((int64_t)WEIR_DNS_STALE_S * 1000);
	assert_int_equal(look(&client, "a.x. A", 0), 0);
	asker_answer(&asker, -ETIMEDOUT, WEIR_SPAN(""));
	assert_int_equal(client.found.rcode, WEIR_DNS_SERVFAIL);
}

static int set_up_fresh(void **state)
{
	struct weir_dns_lookups_options options = default_options();
	options.own_cache.stale = false;
	return open_with(state, options);
}

static void never_stale(void **state)
{
	struct client client;
	(void)state;
	learn();
	pass(101 * 1000);
	assert_int_equal(look(&client, "a.x. A", 0), 0);
	asker_answer(&asker, -ETIMEDOUT, WEIR_SPAN(""));
	assert_int_equal(client.found.rcode, WEIR_DNS_SERVFAIL);
}

/* -- prefetch ---------------------------------------------------------------------------------- */

static void asked_again_before_it_expires(void **state)
{
	struct weir_dns_lookup_info found;
	(void)state;
	learn();
	for (unsigned i = 0; i < WEIR_DNS_PREFETCH_USES; i++)
		cached("a.x. A", &found);
	pass(80 * 1000);
	cached("a.x. A", &found);
	assert_int_equal(asker.count, 1);
	pass(12 * 1000);
	for (unsigned i = 0; i < 5; i++)
		assert_non_null(cached("a.x. A", &found));
	assert_int_equal(asker.count, 2);
	assert_int_equal(weir_dns_lookups_counters(lookups)->prefetches, 1);
	asker_answer(&asker, 0, REPLY("a.x. A", "", ANSWER));
	assert_string_equal(cached("a.x. A", &found), "an a.x. 100 A 192.0.2.1\n");
}

static void a_prefetch_that_fails_costs_nothing(void **state)
{
	struct weir_dns_lookup_info found;
	(void)state;
	learn();
	pass(92 * 1000);
	for (unsigned i = 0; i < 5; i++)
		assert_non_null(cached("a.x. A", &found));
	assert_int_equal(asker.open, 1);
	asker_answer(&asker, -ETIMEDOUT, WEIR_SPAN(""));
	assert_string_equal(cached("a.x. A", &found), "an a.x. 8 A 192.0.2.1\n");
	assert_int_equal(asker.count, 2);
}

static void who_asks_once_is_no_reason(void **state)
{
	struct weir_dns_lookup_info found;
	(void)state;
	learn();
	pass(95 * 1000);
	assert_non_null(cached("a.x. A", &found));
	assert_int_equal(asker.count, 1);
}

/* -- bounds ------------------------------------------------------------------------------------ */

static int set_up_small(void **state)
{
	struct weir_dns_lookups_options options = default_options();
	options.asks_max = 2;
	options.lookups_max = 3;
	return open_with(state, options);
}

static void bounds(void **state)
{
	struct client clients[4];
	(void)state;
	assert_int_equal(look(&clients[0], "a. A", 0), 0);
	assert_int_equal(look(&clients[1], "b. A", 0), 0);
	assert_int_equal(look(&clients[2], "c. A", 0), WEIR_E_LIMIT);
	assert_int_equal(look(&clients[2], "b. A", 0), 0);
	assert_int_equal(look(&clients[3], "b. A", 0), WEIR_E_LIMIT);
	weir_dns_lookup_cancel(clients[1].lookup);
	assert_int_equal(look(&clients[3], "b. A", 0), 0);
	asker_answer(&asker, -ETIMEDOUT, WEIR_SPAN(""));
	assert_int_equal(clients[3].answers, 1);
	assert_int_equal(look(&clients[0], "d. A", 0), 0);
	assert_int_equal(look(&clients[1], "e. A", 0), 0);
}

static void without_memory(void **state)
{
	struct client client;
	(void)state;
	for (unsigned good = 0;; good++) {
		fail_allocation_after(good, true);
		int error = look(&client, "a.x. A", 0);
		if (!stop_failing_allocations()) {
			assert_int_equal(error, 0);
			break;
		}
		assert_int_equal(error, -ENOMEM);
	}
	/* The cache works without memory for an entry; a pending lookup does not. */
	fail_allocation_after(0, true);
	asker_answer(&asker, 0, REPLY("a.x. A", "", ANSWER));
	stop_failing_allocations();
	assert_int_equal(client.answers, 1);
	learn();
	fail_allocation_after(0, true);
	assert_int_equal(look(&client, "a.x. A", 0), -ENOMEM);
	assert_true(stop_failing_allocations());
	for (unsigned good = 0; good < 2; good++) {
		struct weir_dns_lookups_options options = default_options();
		struct weir_dns_lookups *other;
		fail_allocation_after(good, true);
		assert_int_equal(weir_dns_lookups_create(loop, &options, &other), -ENOMEM);
		stop_failing_allocations();
	}
	for (unsigned i = 0; i < 3; i++) {
		struct weir_dns_lookups_options options = default_options();
		struct weir_dns_lookups *other;
		options.asks_max = i == 0 ? 0 : 1;
		options.lookups_max = i == 1 ? 0 : 1;
		options.own_cache.bytes = i == 2 ? 0 : 1;
		assert_int_equal(weir_dns_lookups_create(loop, &options, &other), -EINVAL);
	}
}

/* -- from within ------------------------------------------------------------------------------- */

static struct client inner, victim;

static void asks_again(void *context, int error, struct weir_span reply)
{
	answered(context, error, reply);
	assert_int_equal(look(&inner, "a.x. A", 0), 0);
	weir_dns_lookup_cancel(victim.lookup);
}

static void a_callback_may_ask_and_cancel(void **state)
{
	struct client client = {0};
	struct weir_dns_question asked = question_of("a.x. A");
	(void)state;
	assert_int_equal(
	        weir_dns_lookup(lookups, &asked, 0, asks_again, &client, &client.lookup), 0);
	assert_int_equal(look(&victim, "a.x. A", 0), 0);
	asker_answer(&asker, 0, REPLY("a.x. A", "", ANSWER));
	assert_int_equal(client.answers, 1);
	assert_int_equal(victim.answers, 0);
	turn();
	assert_int_equal(inner.answers, 1);
}

/* Of all kinds, when the lookups go: nobody is called. */
static void destroyed_under_way(void **state)
{
	struct client clients[3];
	(void)state;
	learn();
	assert_int_equal(look(&clients[0], "a.x. A", 0), 0);
	assert_int_equal(look(&clients[1], "b.x. A", 0), 0);
	assert_int_equal(look(&clients[2], "b.x. A", 0), 0);
	weir_dns_lookups_destroy(lookups);
	lookups = NULL;
	turn();
	assert_int_equal(asker.cancelled, 1);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(clients[i].answers, 0);
}

/* -- everything at once ------------------------------------------------------------------------ */

enum {
	DICE_NAMES = 12,
	DICE_CLIENTS = 40,
	DICE_STEPS = 60000
};

static uint32_t dice(uint32_t count)
{
	static uint64_t x = 88172645463325252u;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x % count);
}

struct dice_client {
	struct client client;
	bool waiting;
	unsigned name;
};

/* Every answer for this name looks like this; another one would be for another lookup. */
static void check_answer(const struct dice_client *waiter)
{
	char start[32];
	const struct client *client = &waiter->client;
	assert_int_equal(client->answers, 1);
	snprintf(start, sizeof start, "an n%u.x. ", waiter->name);
	if (client->found.rcode == WEIR_DNS_NOERROR)
		assert_memory_equal(client->lines, start, strlen(start));
	else
		assert_int_equal(client->found.rcode, WEIR_DNS_SERVFAIL);
}

/* Answers one of the open questions, in one way or another. */
static void dice_answer(void)
{
	unsigned at = dice(ASKS_MAX), name;
	while (asker.open && !asker.asks[at].open)
		at = (at + 1) % ASKS_MAX;
	if (!asker.open)
		return;
	struct asked *asked = &asker.asks[at];
	char question[32], line[64];
	name = (unsigned)atoi((const char *)asked->question.name.wire + 2);
	snprintf(question, sizeof question, "n%u.x. A", name);
	snprintf(line, sizeof line, "an n%u.x. %u A 192.0.2.%u", name, dice(40), name);
	asked->open = false;
	asker.open--;
	switch (dice(6)) {
	case 0:
		asked->answered(asked->context, -ETIMEDOUT, WEIR_SPAN(""));
		break;
	case 1:
		asked->answered(asked->context, 0, REPLY(question, "SERVFAIL", NULL));
		break;
	case 2:
		asked->answered(
		        asked->context, 0, REPLY("other. A", "", "an other. 9 A 192.0.2.9"));
		break;
	default:
		asked->answered(asked->context, 0, REPLY(question, "", line));
	}
}

static void dice_ask(struct dice_client *waiter)
{
	char question[32];
	if (waiter->waiting)
		return;
	waiter->name = dice(1 + dice(DICE_NAMES));
	snprintf(question, sizeof question, "%c%u.x. A", dice(2) ? 'n' : 'N', waiter->name);
	waiter->waiting = look(&waiter->client, question, 0) == 0;
}

/* In any order of events: a lookup is answered once, by an answer to its own question. */
static void by_dice(void **state)
{
	static struct dice_client clients[DICE_CLIENTS];
	uint64_t told = 0;
	(void)state;
	for (unsigned i = 0; i < DICE_STEPS; i++) {
		struct dice_client *waiter = &clients[dice(DICE_CLIENTS)];
		switch (dice(8)) {
		case 0:
			pass(dice(4000));
			break;
		case 1:
		case 2:
			dice_answer();
			break;
		case 3:
			if (waiter->waiting && !waiter->client.answers) {
				weir_dns_lookup_cancel(waiter->client.lookup);
				waiter->waiting = false;
			}
			break;
		default:
			dice_ask(waiter);
		}
		turn();
		for (unsigned j = 0; j < DICE_CLIENTS; j++)
			if (clients[j].waiting && clients[j].client.answers) {
				for (char *at = clients[j].client.lines; *at; at++)
					*at = *at == 'N' ? 'n' : *at;
				check_answer(&clients[j]);
				clients[j].waiting = false;
				told++;
			}
	}
	while (asker.open)
		asker_answer(&asker, -ETIMEDOUT, WEIR_SPAN(""));
	turn();
	for (unsigned j = 0; j < DICE_CLIENTS; j++)
		assert_true(!clients[j].waiting || clients[j].client.answers == 1);
	const struct weir_dns_lookups_counters *counters = weir_dns_lookups_counters(lookups);
	assert_true(told > DICE_STEPS / 20 && counters->hits > 1000 && counters->stale > 1000 &&
	            counters->joined > 100 && counters->prefetches > 10);
}

/* -- a client's part --------------------------------------------------------------------------- */

/* Of 8 questions under way a client has a fourth. */
static int set_up_few(void **state)
{
	struct weir_dns_lookups_options options = default_options();
	options.asks_max = 8;
	return open_with(state, options);
}

static int look_for(const char *address, struct client *client, const char *question)
{
	struct weir_dns_question asked = question_of(question);
	struct weir_address from;
	memset(client, 0, sizeof *client);
	assert_int_equal(weir_address_parse(weir_span_of(address), &from), 0);
	return weir_dns_lookup_for(lookups, &from, &asked, 0, answered, client, &client->lookup);
}

static void a_network_has_its_part(void **state)
{
	struct client clients[6], more;
	(void)state;
	assert_int_equal(look_for("192.0.2.1:1", &clients[0], "a.x. A"), 0);
	assert_int_equal(look_for("192.0.2.1:2", &clients[1], "a.x. A"), 0);
	assert_int_equal(look_for("192.0.2.1:3", &more, "b.x. A"), -EDQUOT);
	assert_int_equal(look_for("[::ffff:192.0.2.1]:3", &more, "b.x. A"), -EDQUOT);
	assert_int_equal(look_for("192.0.2.2:1", &clients[2], "b.x. A"), 0);
	/* Of IPv6, 56 bits. */
	assert_int_equal(look_for("[2001:db8::1]:1", &clients[3], "b.x. A"), 0);
	assert_int_equal(look_for("[2001:db8:0:ff::2]:1", &clients[4], "b.x. A"), 0);
	assert_int_equal(look_for("[2001:db8:0:7::3]:1", &more, "b.x. A"), -EDQUOT);
	assert_int_equal(look_for("[2001:db8:0:100::1]:1", &clients[5], "b.x. A"), 0);
	/* A lookup without a client has no quota. */
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(look(&more, "b.x. A", 0), 0);
	assert_int_equal(asker.count, 2);
	asker_answer(&asker, 0, REPLY("a.x. A", "", ANSWER));
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(clients[i].answers, 1);
	/* Answered lookups do not count, nor do answers from the cache. */
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(look_for("192.0.2.1:1", &clients[i], "a.x. A"), 0);
	turn();
	assert_int_equal(clients[3].answers, 1);
	assert_int_equal(look_for("192.0.2.1:1", &clients[0], "c.x. A"), 0);
	assert_int_equal(look_for("192.0.2.1:1", &clients[1], "d.x. A"), 0);
	assert_int_equal(look_for("192.0.2.1:1", &more, "e.x. A"), -EDQUOT);
}

static void cancelled_and_counted(void **state)
{
	struct client clients[2], more;
	(void)state;
	assert_int_equal(look_for("192.0.2.1:1", &clients[0], "a.x. A"), 0);
	assert_int_equal(look_for("192.0.2.1:1", &clients[1], "b.x. A"), 0);
	weir_dns_lookup_cancel(clients[0].lookup);
	weir_dns_lookup_cancel(clients[1].lookup);
	assert_int_equal(look_for("192.0.2.1:1", &more, "c.x. A"), -EDQUOT);
	asker_answer(&asker, -ETIMEDOUT, WEIR_SPAN(""));
	assert_int_equal(clients[0].answers + clients[1].answers, 0);
	assert_int_equal(look_for("192.0.2.1:1", &more, "c.x. A"), 0);
	/* A lookup that could not begin does not count. */
	asker.error = -ENETDOWN;
	assert_int_equal(look_for("192.0.2.1:1", &clients[0], "d.x. A"), -ENETDOWN);
	asker.error = 0;
	assert_int_equal(look_for("192.0.2.1:1", &clients[0], "d.x. A"), 0);
	weir_dns_lookup_cancel(more.lookup);
}

/* A client over its quota gets the stale answer. */
static void a_part_and_what_is_old(void **state)
{
	struct client clients[2], old;
	(void)state;
	learn();
	pass(200 * 1000);
	assert_int_equal(look_for("192.0.2.1:1", &clients[0], "b.x. A"), 0);
	assert_int_equal(look_for("192.0.2.1:1", &clients[1], "c.x. A"), 0);
	assert_int_equal(look_for("192.0.2.1:1", &old, "a.x. A"), 0);
	turn();
	assert_string_equal(old.lines, "an a.x. 30 A 192.0.2.1\n");
	assert_int_equal(asker.count, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(asked_once_and_remembered),
	        TEST(all_who_wait_get_it),
	        TEST(the_time_of_a_question_is_counted),
	        TEST(flags_are_other_questions),
	        TEST(nothing_is_remembered_as_its_soa_says),
	        TEST(failures),
	        TEST(a_poisoned_reply),
	        TEST(stale_when_the_upstreams_fail),
	        TEST(stale_when_it_takes_long),
	        TEST(stale_when_nothing_can_be_asked),
	        cmocka_unit_test_setup_teardown(never_stale, set_up_fresh, tear_down),
	        TEST(asked_again_before_it_expires),
	        TEST(a_prefetch_that_fails_costs_nothing),
	        TEST(who_asks_once_is_no_reason),
	        cmocka_unit_test_setup_teardown(bounds, set_up_small, tear_down),
	        TEST(without_memory),
	        TEST(a_callback_may_ask_and_cancel),
	        TEST(destroyed_under_way),
	        cmocka_unit_test_setup_teardown(a_network_has_its_part, set_up_few, tear_down),
	        cmocka_unit_test_setup_teardown(cancelled_and_counted, set_up_few, tear_down),
	        cmocka_unit_test_setup_teardown(a_part_and_what_is_old, set_up_few, tear_down),
	        TEST(by_dice),
	};
	clock_hold();
	return cmocka_run_group_tests_name("resolver/lookup", tests, NULL, NULL);
}
