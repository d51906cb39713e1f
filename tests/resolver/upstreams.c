/* Upstreams: which server is asked when, what counts as a reply, and what becomes of the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <weir/dns_upstreams.h>
#include <weir/error.h>
#include <weir/limits.h>

#include "allocation.h"
#include "clock.h"
#include "fake_upstream.h"
#include "peer.h"

enum {
	FAKES = 3
};

static struct weir_loop *loop;
static struct fake fakes[FAKES];
static struct weir_dns_upstreams *upstreams;

/* The result of a question. */
static struct result {
	struct weir_dns_ask *ask;
	int calls;
	int error;
	int rcode;
	unsigned answers;
	size_t size;
	bool destroy; /* all, from within */
	bool again;   /* asks the same from within */
} results[16];

static void on_answer(void *context, int error, struct weir_span reply);

static struct weir_dns_question question(const char *name, unsigned type)
{
	struct weir_dns_question question = {.type = (uint16_t)type, .rr_class = WEIR_DNS_IN};
	assert_int_equal(weir_dns_name_parse(weir_span_of(name), &question.name), 0);
	return question;
}

static int ask(struct result *result, const char *name, unsigned flags)
{
	struct weir_dns_question asked = question(name, WEIR_DNS_A);
	return weir_dns_ask(upstreams, &asked, flags, on_answer, result, &result->ask);
}

static void on_answer(void *context, int error, struct weir_span reply)
{
	struct result *result = context;
	struct weir_dns_header header = {0};
	result->calls++;
	result->error = error;
	result->ask = NULL;
	if (error == 0) {
		assert_true(weir_dns_header_read(reply, &header));
		assert_false(header.flags & WEIR_DNS_TC);
		result->rcode = header.flags & WEIR_DNS_RCODE_MASK;
		result->answers = header.counts[WEIR_DNS_ANSWER];
		result->size = reply.size;
	}
	if (result->destroy) {
		weir_dns_upstreams_destroy(upstreams);
		upstreams = NULL;
	} else if (result->again) {
		result->again = false;
		assert_int_equal(ask(result, "again.example", 0), 0);
	}
}

static struct weir_dns_upstreams_options options_for(
        const struct weir_address *addresses, size_t count)
{
	struct weir_dns_upstreams_options options;
	weir_dns_upstreams_options_init(&options);
	options.addresses = addresses;
	options.count = count;
	return options;
}

static void begin(unsigned count, bool in_order, const char *const *scripts)
{
	struct weir_address addresses[FAKES];
	memset(results, 0, sizeof results);
	for (unsigned i = 0; i < count; i++) {
		fake_start(&fakes[i], loop, scripts[i]);
		addresses[i] = fakes[i].address;
	}
	struct weir_dns_upstreams_options options = options_for(addresses, count);
	options.in_order = in_order;
	assert_int_equal(weir_dns_upstreams_create(loop, &options, &upstreams), 0);
}

static void begin_one(const char *script)
{
	begin(1, true, &script);
}

static void begin_two(const char *first, const char *second)
{
	begin(2, true, (const char *const[]){first, second});
}

static void end(void)
{
	weir_dns_upstreams_destroy(upstreams);
	upstreams = NULL;
	for (unsigned i = 0; i < FAKES; i++)
		if (fakes[i].loop)
			fake_stop(&fakes[i]);
	memset(fakes, 0, sizeof fakes);
	for (int i = 0; i < 3; i++)
		weir_loop_turn(loop, 0);
}

static bool wait_for(const struct result *result, int calls)
{
	return TURN_UNTIL(loop, result->calls == calls);
}

/* Time goes by. */
static void pass(int64_t ms)
{
	for (int i = 0; i < 5; i++)
		weir_loop_turn(loop, 1);
	clock_advance(ms);
	for (int i = 0; i < 5; i++)
		weir_loop_turn(loop, 1);
}

static void must_answer(struct result *result)
{
	assert_true(wait_for(result, 1));
	assert_int_equal(result->error, 0);
	assert_int_equal(result->rcode, WEIR_DNS_NOERROR);
	assert_int_equal(result->answers, 1);
}

static void ask_and_get(const char *name)
{
	static struct result result;
	result = (struct result){0};
	assert_int_equal(ask(&result, name, 0), 0);
	must_answer(&result);
}

static const struct weir_dns_upstreams_counters *counters(void)
{
	return weir_dns_upstreams_counters(upstreams);
}

static struct weir_dns_upstream_info info(size_t index)
{
	struct weir_dns_upstream_info info;
	assert_true(weir_dns_upstreams_info(upstreams, index, &info));
	return info;
}

/* -- what is asked ----------------------------------------------------------------------------- */

static void a_question_is_answered(void **state)
{
	(void)state;
	begin_one("a");
	assert_int_equal(ask(&results[0], "www.example", 0), 0);
	assert_int_equal(results[0].calls, 0);
	must_answer(&results[0]);
	assert_true(fakes[0].last.header.flags & WEIR_DNS_RD);
	assert_false(fakes[0].last.header.flags & WEIR_DNS_CD);
	assert_true(fakes[0].last.edns.present);
	assert_false(fakes[0].last.edns.dnssec);
	assert_int_equal(fakes[0].last.edns.size, WEIR_DNS_UDP_SIZE);
	assert_int_equal(counters()->answered, 1);
	end();
}

static void flags_are_passed_on(void **state)
{
	(void)state;
	begin_one("a");
	assert_int_equal(ask(&results[0], "www.example",
	                         WEIR_DNS_ASK_DNSSEC | WEIR_DNS_ASK_CHECKING_DISABLED),
	        0);
	must_answer(&results[0]);
	assert_true(fakes[0].last.header.flags & WEIR_DNS_CD);
	assert_true(fakes[0].last.edns.dnssec);
	end();
}

/* Sixty questions: ports, IDs and the case of letters all differ. */
static void nobody_can_guess(void **state)
{
	enum {
		COUNT = 60
	};
	uint16_t ports[COUNT], ids[COUNT];
	uint8_t names[COUNT][32];
	int same_ports = 0, same_ids = 0, same_names = 0;
	(void)state;
	begin_one("a");
	for (int i = 0; i < COUNT; i++) {
		ask_and_get("abcdefghijklm.nopqrstuvwxyz");
		ports[i] = weir_address_port(&fakes[0].last_peer);
		ids[i] = fakes[0].last.header.id;
		memcpy(names[i], fakes[0].last.question.name.wire, 29);
		for (int k = 0; k < i; k++) {
			same_ports += ports[k] == ports[i];
			same_ids += ids[k] == ids[i];
			same_names += memcmp(names[k], names[i], 29) == 0;
		}
	}
	/* 1770 pairs: of 16 bits, and of about 15, one pair in six hundred runs has three. */
	assert_true(same_ids <= 3);
	assert_true(same_ports <= 4);
	assert_true(same_names <= 1);
	end();
}

static void some_types_are_no_questions(void **state)
{
	static const uint16_t types[] = {
	        WEIR_DNS_AXFR, WEIR_DNS_IXFR, WEIR_DNS_OPT, WEIR_DNS_TSIG, WEIR_DNS_TKEY};
	(void)state;
	begin_one("a");
	for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++) {
		struct weir_dns_question asked = question("example", types[i]);
		assert_int_equal(
		        weir_dns_ask(upstreams, &asked, 0, on_answer, &results[0], &results[0].ask),
		        -EINVAL);
	}
	end();
}

/* -- what counts as a reply -------------------------------------------------------------------- */

static void strangers_are_ignored(void **state)
{
	(void)state;
	for (const char *script = "iqny"; *script; script++) {
		begin_one(script);
		assert_int_equal(ask(&results[0], "www.example", 0), 0);
		must_answer(&results[0]);
		assert_int_equal(counters()->ignored, 1);
		assert_int_equal(counters()->sent, 1);
		end();
	}
}

/* The kernel does not even hand it over. */
static void another_port_is_not_heard(void **state)
{
	(void)state;
	begin_one("pa");
	assert_int_equal(ask(&results[0], "www.example", 0), 0);
	pass(WEIR_DNS_WAIT_FIRST_MS + 2 * WEIR_TIMER_TICK_MS);
	must_answer(&results[0]);
	assert_int_equal(fakes[0].queries, 2);
	end();
}

static void a_flood_of_strangers_leads_to_tcp(void **state)
{
	(void)state;
	begin_one("I");
	assert_int_equal(ask(&results[0], "www.example", 0), 0);
	must_answer(&results[0]);
	assert_int_equal(counters()->ignored, WEIR_DNS_FORGED_MAX + 1);
	assert_int_equal(fakes[0].tcp_queries, 1);
	end();
}

/* The wrong case leads to TCP; there it is the server's own doing, and is not tried for a while. */
static void a_server_of_one_case(void **state)
{
	(void)state;
	begin_one("c");
	fakes[0].tcp_script = "c";
	ask_and_get("www.long.example");
	assert_int_equal(fakes[0].tcp_queries, 1);
	assert_true(info(0).one_case);
	ask_and_get("www.long.example");
	assert_int_equal(fakes[0].tcp_queries, 1);
	assert_int_equal(fakes[0].queries, 2);
	pass(WEIR_DNS_WORKAROUND_MS);
	assert_false(info(0).one_case);
	ask_and_get("www.long.example");
	assert_int_equal(fakes[0].tcp_queries, 2);
	end();
}

/* If its case is right by TCP, the datagram was forged. */
static void a_forged_case(void **state)
{
	(void)state;
	begin_one("ca");
	ask_and_get("www.long.example");
	assert_int_equal(fakes[0].tcp_queries, 1);
	assert_false(info(0).one_case);
	end();
}

/* -- EDNS -------------------------------------------------------------------------------------- */

static void servers_without_edns(void **state)
{
	(void)state;
	for (const char *script = "ebv"; *script; script++) {
		const char one[2] = {*script, 0};
		begin_one(one);
		ask_and_get("www.example");
		assert_int_equal(fakes[0].queries, 2);
		assert_false(fakes[0].last.edns.present);
		assert_true(info(0).plain);
		ask_and_get("www.example");
		assert_int_equal(fakes[0].queries, 3);
		pass(WEIR_DNS_WORKAROUND_MS);
		ask_and_get("www.example");
		assert_int_equal(fakes[0].queries, 5);
		end();
	}
}

/* -- TCP --------------------------------------------------------------------------------------- */

static void what_is_truncated_comes_by_tcp(void **state)
{
	(void)state;
	begin_one("t");
	ask_and_get("www.example");
	ask_and_get("www.example");
	assert_int_equal(fakes[0].tcp_queries, 2);
	assert_int_equal(fakes[0].connections, 1);
	pass(WEIR_DNS_UPSTREAM_IDLE_MS + 2 * WEIR_TIMER_TICK_MS);
	pass(0);
	ask_and_get("www.example");
	assert_int_equal(fakes[0].connections, 2);
	end();
}

static void what_is_too_large_comes_by_tcp(void **state)
{
	(void)state;
	begin_one("l");
	fakes[0].tcp_script = "l";
	assert_int_equal(ask(&results[0], "www.example", 0), 0);
	assert_true(wait_for(&results[0], 1));
	assert_int_equal(results[0].answers, 50);
	assert_true(results[0].size > WEIR_DNS_UPSTREAM_REPLY_MAX);
	end();
}

static void replies_by_tcp_in_any_order(void **state)
{
	(void)state;
	begin_one("t");
	fakes[0].hold = true;
	assert_int_equal(ask(&results[0], "one.example", 0), 0);
	assert_int_equal(ask(&results[1], "two.example", 0), 0);
	must_answer(&results[0]);
	must_answer(&results[1]);
	assert_int_equal(fakes[0].connections, 1);
	end();
}

/* A connection that was open before may be closed under a query; a new one may not. */
static void a_connection_that_is_closed(void **state)
{
	(void)state;
	begin_one("t");
	fakes[0].tcp_script = "aza";
	ask_and_get("www.example");
	ask_and_get("www.example");
	assert_int_equal(fakes[0].connections, 2);
	assert_int_equal(fakes[0].tcp_queries, 3);
	end();
	begin_one("t");
	fakes[0].tcp_script = "z";
	assert_int_equal(ask(&results[0], "www.example", 0), 0);
	assert_true(wait_for(&results[0], 1));
	assert_int_equal(results[0].error, -ECONNRESET);
	assert_int_equal(fakes[0].connections, 1);
	end();
}

static void a_connection_that_is_silent(void **state)
{
	(void)state;
	begin_two("t", "a");
	fakes[0].tcp_script = "-";
	assert_int_equal(ask(&results[0], "www.example", 0), 0);
	pass(1);
	pass(WEIR_DNS_TCP_WAIT_MS + 2 * WEIR_TIMER_TICK_MS);
	must_answer(&results[0]);
	assert_int_equal(fakes[1].queries, 1);
	end();
}

static void truncated_and_no_tcp(void **state)
{
	(void)state;
	begin_two("t", "a");
	weir_server_destroy(fakes[0].tcp);
	ask_and_get("www.example");
	assert_int_equal(fakes[1].queries, 1);
	weir_watch_close(loop, &fakes[0].watch);
	fakes[0].tcp = NULL;
	end();
}

/* -- from server to server --------------------------------------------------------------------- */

static void refusals_lead_to_the_next(void **state)
{
	(void)state;
	for (const char *script = "srhm"; *script; script++) {
		const char one[2] = {*script, 0};
		begin_two(one, "a");
		ask_and_get("www.example");
		assert_int_equal(fakes[0].queries, 1);
		assert_int_equal(fakes[1].queries, 1);
		assert_false(info(0).backing_off);
		end();
	}
}

static void a_refusal_by_all_is_told(void **state)
{
	(void)state;
	begin_two("s", "s");
	assert_int_equal(ask(&results[0], "www.example", 0), 0);
	assert_true(wait_for(&results[0], 1));
	assert_int_equal(results[0].error, 0);
	assert_int_equal(results[0].rcode, WEIR_DNS_SERVFAIL);
	assert_int_equal(fakes[0].queries + fakes[1].queries, 2);
	end();
	begin_two("m", "h");
	assert_int_equal(ask(&results[0], "www.example", 0), 0);
	assert_true(wait_for(&results[0], 1));
	assert_int_equal(results[0].error, -EBADMSG);
	end();
}

/*
 * The other server is silent: the refusal is returned after its timeout, not after that of the
 * question.
 */
static void a_refusal_and_silence(void **state)
{
	(void)state;
	begin_two("s", "-");
	assert_int_equal(ask(&results[0], "www.example", 0), 0);
	pass(WEIR_DNS_WAIT_FIRST_MS + 2 * WEIR_TIMER_TICK_MS);
	assert_true(wait_for(&results[0], 1));
	assert_int_equal(results[0].rcode, WEIR_DNS_SERVFAIL);
	assert_int_equal(fakes[1].queries, 1);
	end();
}

static void a_name_that_is_not_is_an_answer(void **state)
{
	(void)state;
	begin_two("x", "a");
	assert_int_equal(ask(&results[0], "www.example", 0), 0);
	assert_true(wait_for(&results[0], 1));
	assert_int_equal(results[0].rcode, WEIR_DNS_NXDOMAIN);
	assert_int_equal(fakes[1].queries, 0);
	end();
}

static void silence_leads_to_the_next(void **state)
{
	(void)state;
	begin_two("-", "a");
	assert_int_equal(ask(&results[0], "www.example", 0), 0);
	pass(WEIR_DNS_WAIT_FIRST_MS + 2 * WEIR_TIMER_TICK_MS);
	must_answer(&results[0]);
	assert_int_equal(counters()->unanswered, 1);
	end();
}

static void one_server_is_asked_again(void **state)
{
	(void)state;
	begin_one("--a");
	assert_int_equal(ask(&results[0], "www.example", 0), 0);
	pass(WEIR_DNS_WAIT_FIRST_MS + 2 * WEIR_TIMER_TICK_MS);
	assert_int_equal(fakes[0].queries, 2);
	pass(WEIR_DNS_WAIT_FIRST_MS);
	assert_int_equal(fakes[0].queries, 2); /* twice as long */
	pass(WEIR_DNS_WAIT_FIRST_MS + 2 * WEIR_TIMER_TICK_MS);
	must_answer(&results[0]);
	end();
}

static void all_are_silent(void **state)
{
	(void)state;
	begin_two("-", "-");
	assert_int_equal(ask(&results[0], "www.example", 0), 0);
	for (int i = 0; i < 20 && !results[0].calls; i++)
		pass(500);
	assert_int_equal(results[0].calls, 1);
	assert_int_equal(results[0].error, -ETIMEDOUT);
	assert_in_range(fakes[0].queries + fakes[1].queries, 4, WEIR_DNS_TRIES_MAX);
	assert_int_equal(counters()->failed, 1);
	end();
}

static void nobody_listens(void **state)
{
	(void)state;
	begin_two("a", "a");
	fake_go_away(&fakes[0]);
	pass(0);
	ask_and_get("www.example");
	assert_true(info(0).backing_off);
	fake_go_away(&fakes[1]);
	pass(0);
	assert_int_equal(ask(&results[0], "www.example", 0), 0);
	assert_true(wait_for(&results[0], 1));
	assert_int_equal(results[0].error, -ECONNREFUSED);
	end();
}

/* -- health ------------------------------------------------------------------------------------ */

/* Set aside after three failures, probed with copies, for longer and longer; an answer ends it. */
static void who_fails_is_set_aside(void **state)
{
	const int64_t wait_ms = WEIR_DNS_WAIT_FIRST_MS + 2 * WEIR_TIMER_TICK_MS;
	(void)state;
	begin_two("------a", "a");
	for (unsigned i = 0; i < WEIR_DNS_FAILURES_MAX; i++) {
		assert_false(info(0).backing_off);
		assert_int_equal(ask(&results[i], "www.example", 0), 0);
		pass(wait_ms);
		must_answer(&results[i]);
	}
	assert_true(info(0).backing_off);
	assert_int_equal(counters()->backed_off, 1);
	int64_t backoff_ms = WEIR_DNS_BACKOFF_FIRST_MS;
	for (unsigned probes = 0; probes < 3; probes++, backoff_ms *= 2) {
		pass(backoff_ms - 400);
		ask_and_get("www.example");
		pass(0);
		assert_int_equal(fakes[0].queries, 3 + probes);
		pass(400);
		ask_and_get("www.example");
		pass(wait_ms);
		assert_int_equal(fakes[0].queries, 4 + probes);
		assert_true(info(0).backing_off);
	}
	pass(backoff_ms);
	ask_and_get("www.example");
	pass(0);
	assert_false(info(0).backing_off);
	assert_int_equal(fakes[0].queries, 7);
	ask_and_get("www.example");
	assert_int_equal(fakes[0].queries, 8);
	end();
}

/* The first is slow from some time on: the others are looked at now and then, and one taken. */
static void the_fastest_is_preferred(void **state)
{
	(void)state;
	begin(2, false, (const char *const[]){"a", "a"});
	ask_and_get("www.example");
	pass(0);
	assert_int_equal(fakes[0].queries, 1);
	assert_int_equal(fakes[1].queries, 1); /* a probe */
	fakes[0].script = "-";
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ask(&results[i], "www.example", 0), 0);
		pass(WEIR_DNS_WAIT_LEAST_MS + 3 * WEIR_TIMER_TICK_MS);
		must_answer(&results[i]);
	}
	unsigned before = fakes[0].queries;
	ask_and_get("www.example");
	assert_int_equal(fakes[0].queries, before);
	end();
}

static void an_answer_that_is_late_is_welcome(void **state)
{
	struct fake *fake = &fakes[0];
	uint8_t bytes[512];
	(void)state;
	begin_one("-");
	assert_int_equal(ask(&results[0], "www.example", 0), 0);
	pass(0);
	struct weir_dns_query first = fake->last;
	struct weir_address peer = fake->last_peer;
	pass(WEIR_DNS_WAIT_FIRST_MS + 2 * WEIR_TIMER_TICK_MS);
	assert_int_equal(fake->queries, 2);
	struct weir_dns_writer writer;
	struct weir_dns_name name = first.question.name;
	memcpy(bytes + 256, name.wire, name.size);
	memcpy(bytes + 256 + name.size, "\0\1\0\1", 4);
	weir_dns_writer_init(&writer, bytes, 256);
	weir_dns_put_question(&writer, weir_span(bytes + 256, name.size + 4u));
	weir_dns_put_record(&writer, WEIR_DNS_ANSWER, name.wire, WEIR_DNS_A, WEIR_DNS_IN, 1,
	        WEIR_SPAN("\1\2\3\4"));
	size_t size = weir_dns_writer_finish(&writer, first.header.id, WEIR_DNS_QR);
	assert_int_equal(sendto(fake->watch.fd, bytes, size, 0, &peer.any, sizeof peer.v4), size);
	must_answer(&results[0]);
	end();
}

/* -- ends, limits, changes --------------------------------------------------------------------- */

static void questions_are_counted(void **state)
{
	(void)state;
	struct weir_address nowhere = {.v4 = {.sin_family = AF_INET}};
	struct weir_dns_upstreams_options options = options_for(&nowhere, 1);
	options.asks_max = 2;
	memset(results, 0, sizeof results);
	fake_start(&fakes[0], loop, "-");
	assert_int_equal(weir_dns_upstreams_create(loop, &options, &upstreams), 0);
	struct weir_dns_upstreams_options other = options;
	other.addresses = &fakes[0].address;
	assert_int_equal(weir_dns_upstreams_change(upstreams, &other), 0);
	assert_int_equal(ask(&results[0], "one.example", 0), 0);
	assert_int_equal(ask(&results[1], "two.example", 0), 0);
	assert_int_equal(ask(&results[2], "three.example", 0), WEIR_E_LIMIT);
	assert_int_equal(counters()->refused, 1);
	weir_dns_ask_cancel(results[0].ask);
	assert_int_equal(ask(&results[2], "three.example", 0), 0);
	weir_dns_ask_cancel(NULL);
	end();
	assert_int_equal(results[0].calls + results[1].calls + results[2].calls, 0);
}

static void wrong_options(void **state)
{
	(void)state;
	struct weir_address addresses[WEIR_DNS_UPSTREAMS_MAX + 1] = {0};
	struct weir_dns_upstreams_options options = options_for(addresses, 0);
	assert_int_equal(weir_dns_upstreams_create(loop, &options, &upstreams), -EINVAL);
	options.count = 1;
	assert_int_equal(weir_dns_upstreams_create(loop, &options, &upstreams), -EINVAL);
	for (unsigned i = 0; i <= WEIR_DNS_UPSTREAMS_MAX; i++)
		addresses[i].any.sa_family = AF_INET;
	options.count = WEIR_DNS_UPSTREAMS_MAX + 1;
	assert_int_equal(weir_dns_upstreams_create(loop, &options, &upstreams), -EINVAL);
	options = options_for(addresses, 1);
	options.timeout_ms = 0;
	assert_int_equal(weir_dns_upstreams_create(loop, &options, &upstreams), -EINVAL);
	options = options_for(addresses, 1);
	options.asks_max = 0;
	assert_int_equal(weir_dns_upstreams_create(loop, &options, &upstreams), -EINVAL);
	weir_dns_upstreams_destroy(NULL);
}

static void callbacks_may_do_anything(void **state)
{
	(void)state;
	for (const char *script = "at-s"; *script; script++) {
		const char one[2] = {*script, 0};
		begin_two(one, one);
		results[0].again = true;
		assert_int_equal(ask(&results[0], "www.example", 0), 0);
		for (int i = 0; i < 40 && results[0].calls < 2; i++)
			pass(*script == '-' ? 500 : 0);
		assert_int_equal(results[0].calls, 2);
		results[1].destroy = true;
		assert_int_equal(ask(&results[1], "www.example", 0), 0);
		assert_int_equal(ask(&results[2], "www.example", 0), 0);
		for (int i = 0; i < 40 && !results[1].calls && !results[2].calls; i++)
			pass(*script == '-' ? 500 : 0);
		end();
	}
}

static int change_to(const struct weir_address *addresses, size_t count)
{
	struct weir_dns_upstreams_options options = options_for(addresses, count);
	options.in_order = true;
	return weir_dns_upstreams_change(upstreams, &options);
}

/* Questions under way are asked of the new servers, also those that are pending on a connection. */
static void other_servers(void **state)
{
	(void)state;
	begin(3, true, (const char *const[]){"-t", "-", "a"});
	fakes[0].tcp_script = "-";
	struct weir_address gone[2] = {fakes[0].address, fakes[1].address};
	assert_int_equal(change_to(gone, 2), 0);
	assert_int_equal(ask(&results[0], "one.example", 0), 0);
	pass(0);
	assert_int_equal(ask(&results[1], "two.example", 0), 0);
	pass(0);
	pass(0);
	assert_int_equal(fakes[0].tcp_queries, 1);
	assert_int_equal(change_to(&fakes[2].address, 1), 0);
	must_answer(&results[0]);
	must_answer(&results[1]);
	assert_false(weir_dns_upstreams_info(upstreams, 1, &(struct weir_dns_upstream_info){0}));
	assert_int_equal(change_to(NULL, 0), -EINVAL);
	end();
}

/* Every allocation fails once: an error or an answer, and nothing is lost. */
static void memory_fails(void **state)
{
	(void)state;
	for (const char *script = "ats"; *script; script++) {
		const char one[2] = {*script, 0};
		for (unsigned good = 0; good < 30; good++) {
			begin_two(one, "a");
			ask_and_get("first.example");
			results[0].calls = 0;
			fail_allocation_after(good, false);
			int error = ask(&results[0], "www.example", 0);
			bool told = error < 0 || wait_for(&results[0], 1);
			stop_failing_allocations();
			assert_true(told);
			end();
		}
	}
}

static int set_up(void **state)
{
	(void)state;
	return weir_loop_create(&loop);
}

static int tear_down(void **state)
{
	(void)state;
	weir_loop_destroy(loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_question_is_answered),
	        cmocka_unit_test(flags_are_passed_on),
	        cmocka_unit_test(nobody_can_guess),
	        cmocka_unit_test(some_types_are_no_questions),
	        cmocka_unit_test(strangers_are_ignored),
	        cmocka_unit_test(another_port_is_not_heard),
	        cmocka_unit_test(a_flood_of_strangers_leads_to_tcp),
	        cmocka_unit_test(a_server_of_one_case),
	        cmocka_unit_test(a_forged_case),
	        cmocka_unit_test(servers_without_edns),
	        cmocka_unit_test(what_is_truncated_comes_by_tcp),
	        cmocka_unit_test(what_is_too_large_comes_by_tcp),
	        cmocka_unit_test(replies_by_tcp_in_any_order),
	        cmocka_unit_test(a_connection_that_is_closed),
	        cmocka_unit_test(a_connection_that_is_silent),
	        cmocka_unit_test(truncated_and_no_tcp),
	        cmocka_unit_test(refusals_lead_to_the_next),
	        cmocka_unit_test(a_refusal_by_all_is_told),
	        cmocka_unit_test(a_refusal_and_silence),
	        cmocka_unit_test(a_name_that_is_not_is_an_answer),
	        cmocka_unit_test(silence_leads_to_the_next),
	        cmocka_unit_test(one_server_is_asked_again),
	        cmocka_unit_test(all_are_silent),
	        cmocka_unit_test(nobody_listens),
	        cmocka_unit_test(who_fails_is_set_aside),
	        cmocka_unit_test(the_fastest_is_preferred),
	        cmocka_unit_test(an_answer_that_is_late_is_welcome),
	        cmocka_unit_test(questions_are_counted),
	        cmocka_unit_test(wrong_options),
	        cmocka_unit_test(callbacks_may_do_anything),
	        cmocka_unit_test(other_servers),
	        cmocka_unit_test(memory_fails),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
