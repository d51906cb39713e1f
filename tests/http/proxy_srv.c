/* Upstreams by SRV names: weights, priorities, answers that change or fail, requests that wait. */
#include "proxied.h"

#include <sys/socket.h>
#include <unistd.h>

#include <weir/dns_lookup.h>
#include <weir/resolver.h>

#include "allocation.h"
#include "clock.h"
#include "dns_asker.h"
#include "dns_codec.h"

#define NAME "_http._tcp.app.example"

static struct asker asker;
static struct weir_dns_lookups *lookups;
static struct weir_resolver *resolver;
static struct origin other;
static unsigned short ports[2]; /* of `origin` and `other` */

/* -- DNS --------------------------------------------------------------------------------------- */

struct target {
	unsigned short priority, weight, port;
	const char *host; /* one label; "": the root */
};

enum {
	TTL_S = 60
};

static size_t put_target(uint8_t *to, const struct target *target)
{
	size_t label = strlen(target->host), at = 0;
	size_t data = 6 + (label ? label + 2 : 1);
	dns_put16(to + at, 0xc00c); /* the name in the question */
	dns_put16(to + at + 2, WEIR_DNS_SRV);
	dns_put16(to + at + 4, WEIR_DNS_IN);
	dns_put16(to + at + 6, 0);
	dns_put16(to + at + 8, TTL_S);
	dns_put16(to + at + 10, (uint16_t)data);
	dns_put16(to + at + 12, target->priority);
	dns_put16(to + at + 14, target->weight);
	dns_put16(to + at + 16, target->port);
	at += 18;
	if (label) {
		to[at++] = (uint8_t)label;
		memcpy(to + at, target->host, label);
		at += label;
	}
	to[at++] = 0;
	return at;
}

/* Answers the open question with these targets; none: with NXDOMAIN. */
static void answer(const struct target *targets, unsigned count)
{
	uint8_t reply[2048] = {0};
	size_t at = WEIR_DNS_HEADER_SIZE;
	assert_true(TURN_UNTIL(loop, asker.open));
	const struct weir_dns_question *question = &asker.asks[0].question;
	dns_put16(reply + 2, (uint16_t)(WEIR_DNS_QR | (count ? 0 : 3)));
	reply[5] = 1;
	reply[7] = (uint8_t)count;
	memcpy(reply + at, question->name.wire, question->name.size);
	at += question->name.size;
	dns_put16(reply + at, question->type);
	dns_put16(reply + at + 2, question->rr_class);
	at += 4;
	for (unsigned i = 0; i < count; i++)
		at += put_target(reply + at, &targets[i]);
	asker_answer(&asker, 0, weir_span(reply, at));
}

#define ANSWER(...)                                                                                \
	answer((const struct target[]){__VA_ARGS__},                                               \
	        sizeof((const struct target[]){__VA_ARGS__}) / sizeof(struct target))

/* The records have expired, and the name is looked up again. */
static void expire(void)
{
	clock_advance(TTL_S * 1000 + 10 * 1000);
	assert_true(TURN_UNTIL(loop, asker.open));
}

/* -- the proxy --------------------------------------------------------------------------------- */

static struct weir_http_upstreams *srv_group(struct weir_http_upstreams_options options)
{
	static struct weir_http_upstream one = {.url = "http+srv://" NAME, .weight = 1};
	if (!options.upstreams) {
		options.upstreams = &one;
		options.count = 1;
	}
	options.resolver = resolver;
	options.retries_max = 0;
	struct weir_http_upstreams *group = make_group(options);
	assert_int_equal(weir_http_upstreams_start(group, loop), 0);
	return group;
}
#define SRV(...) srv_group(OPTIONS(weir_http_upstreams_options, __VA_ARGS__))

/* Sends a request; returns 'a' for `origin`, 'b' for `other`, or the first digit of the status. */
static char asks(void)
{
	struct peer peer = {.fd = -1, .loop = loop};
	const char *request = "GET / HTTP/1.1\r\n" HOST "\r\n";
	char which = 0;
	int fd = web_connect(&web);
	assert_true(web_send(&web, fd, request, strlen(request)));
	for (int turn = 0; turn < 5000 && !which; turn++) {
		char status[16];
		const struct origin *from = turn & 1 ? &origin : &other;
		peer.fd = accept4(from->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (peer.fd >= 0)
			which = turn & 1 ? 'a' : 'b';
		else if (recv(fd, status, sizeof status, MSG_DONTWAIT) > 9)
			which = status[9];
		weir_loop_turn(loop, peer.fd < 0);
	}
	if (peer.fd >= 0) {
		peer_send(
		        &peer, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
		assert_non_null(strstr(web_read(&web, fd, "\r\n\r\n"), " 200 "));
		peer_close(&peer);
	}
	close(fd);
	web_turn(&web, 1);
	return which;
}

static unsigned asks_for(char which, unsigned times)
{
	unsigned count = 0;
	while (times--)
		count += asks() == which;
	return count;
}

/* -- tests ------------------------------------------------------------------------------------- */

static void weights(void **state)
{
	(void)state;
	PLAIN(SRV(o.balance = WEIR_HTTP_BALANCE_ROUND_ROBIN));
	ANSWER({1, 30, ports[0], "localhost"}, {1, 10, ports[1], "localhost"});
	assert_int_equal(asks_for('a', 8), 6);
	stop_proxy();
}

static void a_weight_of_0(void **state)
{
	(void)state;
	PLAIN(SRV(o.balance = WEIR_HTTP_BALANCE_ROUND_ROBIN));
	ANSWER({1, 0, ports[0], "localhost"}, {1, 0, ports[1], "localhost"});
	assert_int_equal(asks_for('a', 4), 2);
	stop_proxy();
}

/* The later priority is asked while the earlier one is down; a port that is closed is. */
static void priorities(void **state)
{
	struct origin dead;
	(void)state;
	origin_start(&dead, loop);
	unsigned short closed = (unsigned short)atoi(strchr(dead.authority, ':') + 1);
	PLAIN(SRV(o.failures_max = 1));
	ANSWER({9, 1, ports[1], "localhost"}, {3, 1, ports[0], "localhost"});
	assert_int_equal(asks_for('a', 5), 5);
	expire();
	origin_stop(&dead);
	ANSWER({9, 1, ports[1], "localhost"}, {3, 1, closed, "localhost"},
	        {5, 1, ports[0], "localhost"});
	web_turn(&web, 1);
	assert_int_equal(asks(), '5');
	assert_int_equal(asks_for('a', 5), 5);
	stop_proxy();
}

static void answers_that_change(void **state)
{
	(void)state;
	PLAIN(SRV());
	ANSWER({1, 1, ports[0], "localhost"});
	assert_int_equal(asks(), 'a');
	/* Within the TTL, nobody is asked. */
	unsigned before = asker.count;
	clock_advance(20 * 1000);
	web_turn(&web, 1);
	assert_int_equal(asker.count, before);
	expire();
	ANSWER({1, 1, ports[1], "localhost"});
	web_turn(&web, 1);
	assert_int_equal(asks_for('b', 3), 3);
	/* A failure, and a name that is gone, change nothing. */
	expire();
	asker_answer(&asker, -ETIMEDOUT, weir_span(NULL, 0));
	web_turn(&web, 1);
	assert_int_equal(asks(), 'b');
	expire();
	answer(NULL, 0);
	web_turn(&web, 1);
	assert_int_equal(asks(), 'b');
	/* The service is not provided any more (RFC 2782). */
	clock_advance(3600 * 1000);
	ANSWER({0, 0, 0, ""});
	web_turn(&web, 1);
	assert_int_equal(asks(), '5');
	expire();
	ANSWER({1, 1, ports[0], "localhost"});
	web_turn(&web, 1);
	assert_int_equal(asks(), 'a');
	stop_proxy();
}

/* More names than slots, one after the other: each slot is used again. */
static void slots_are_used_again(void **state)
{
	struct target targets[40];
	(void)state;
	PLAIN(SRV());
	for (unsigned round = 0; round < 6; round++) {
		for (unsigned i = 0; i < 40; i++)
			targets[i] = (struct target){
			        1, 1, (unsigned short)(1 + round * 40 + i), "localhost"};
		targets[0].port = ports[0];
		targets[0].priority = 0;
		answer(targets, 40);
		web_turn(&web, 1);
		assert_int_equal(asks(), 'a');
		expire();
	}
	answer(NULL, 0);
	stop_proxy();
}

static void a_request_waits_for_the_first_answer(void **state)
{
	(void)state;
	PLAIN(SRV());
	peer_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
	peer_turn(&client, 5);
	struct peer second =
	        peer_connect(loop, weir_server_address(weir_http_listener(web.server)), 0);
	peer_send(&second, "GET / HTTP/1.1\r\n" HOST "\r\n");
	peer_turn(&second, 5);
	peer_reset(&second); /* leaves while it waits */
	web_turn(&web, 1);
	ANSWER({1, 1, ports[0], "localhost"});
	upstream = origin_accept(&origin);
	origin_expect(&origin, &upstream, "GET / HTTP/1.1\r\n" HOST "\r\n");
	replies(OK, OK);
	assert_true(origin_is_left_alone(&origin));
	stop_proxy();
	/* There is no answer. */
	PLAIN(SRV(o.waiting_max = 1));
	expire();
	peer_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
	peer_turn(&client, 5);
	assert_int_equal(asks(), '5');
	answer(NULL, 0);
	assert_int_equal(status_of_client(), 503);
	stop_proxy();
}

static void a_reload_keeps_the_targets(void **state)
{
	(void)state;
	struct weir_http_upstreams *first = SRV(), *second;
	ANSWER({1, 1, ports[1], "localhost"});
	weir_loop_turn(loop, 1);
	struct weir_http_upstream one = {.url = "HTTP+SRV://" NAME, .weight = 1};
	second = make_group(OPTIONS(weir_http_upstreams_options, o.upstreams = &one, o.count = 1,
	        o.resolver = resolver));
	weir_http_upstreams_inherit(second, first);
	weir_http_upstreams_release(first);
	clock_advance(3600 * 1000);
	PLAIN(second);
	assert_int_equal(asks(), 'b');
	stop_proxy();
}

static void malformed_names(void **state)
{
	static const char *const bad[] = {"http+srv://", "http+srv://app.example",
	        "http+srv://_http.app", "http+srv://_http._tcp", "http+srv://_http._tcp.a:80",
	        "http+srv://_http._tcp.a/x", "ftp+srv://_http._tcp.a",
	        "fastcgi+srv://_http._tcp.a"};
	struct weir_http_upstreams *made;
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct weir_http_upstream one = {.url = bad[i], .weight = 1};
		struct weir_http_upstreams_options options =
		        OPTIONS(weir_http_upstreams_options, o.upstreams = &one, o.count = 1);
		assert_int_equal(weir_http_upstreams_create(&options, &made), WEIR_E_SYNTAX);
		one.url = "https+srv://_https._tcp.a";
		assert_int_equal(weir_http_upstreams_create(&options, &made), -EINVAL);
	}
}

/* Without memory a target is left out, and the next lookup finds it. */
static void each_allocation_fails(void **state)
{
	static const struct weir_http_upstream one = {.url = "http+srv://" NAME, .weight = 1};
	bool failed = true;
	(void)state;
	for (unsigned good = 0; failed; good++) {
		struct weir_http_upstreams *group = NULL;
		struct weir_http_upstreams_options options = OPTIONS(weir_http_upstreams_options,
		        o.upstreams = &one, o.count = 1, o.resolver = resolver);
		fail_allocation_after(good, false);
		int error = weir_http_upstreams_create(&options, &group);
		if (!error)
			error = weir_http_upstreams_start(group, loop);
		for (int i = 0; i < 5; i++)
			weir_loop_turn(loop, 0);
		if (asker.open)
			ANSWER({1, 1, ports[0], "localhost"}, {2, 1, ports[1], "localhost"});
		for (int i = 0; i < 5; i++)
			weir_loop_turn(loop, 0);
		failed = stop_failing_allocations();
		assert_true(failed || !error);
		weir_http_upstreams_release(group);
		for (int i = 0; i < 5; i++)
			weir_loop_turn(loop, 0);
		clock_advance(3600 * 1000);
	}
}

static int setup_srv(void **state)
{
	struct weir_dns_lookups_options options;
	struct weir_resolver_options of_resolver;
	if (setup_proxied(state) < 0)
		return -1;
	origin_start(&other, loop);
	ports[0] = (unsigned short)atoi(strchr(origin.authority, ':') + 1);
	ports[1] = (unsigned short)atoi(strchr(other.authority, ':') + 1);
	memset(&asker, 0, sizeof asker);
	weir_dns_lookups_options_init(&options);
	options.own_cache.bytes = 1 << 20;
	options.asker = &test_asker;
	options.asker_context = &asker;
	weir_resolver_options_init(&of_resolver);
	of_resolver.hosts = NULL;
	if (weir_dns_lookups_create(loop, &options, &lookups) < 0)
		return -1;
	of_resolver.lookups = lookups;
	return weir_resolver_create(loop, &of_resolver, &resolver);
}

static int teardown_srv(void **state)
{
	for (int i = 0; i < 5; i++)
		weir_loop_turn(loop, 0);
	weir_resolver_destroy(resolver);
	weir_dns_lookups_destroy(lookups);
	origin_stop(&other);
	return teardown_proxied(state);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_srv, teardown_srv)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(weights),
	        TEST(a_weight_of_0),
	        TEST(priorities),
	        TEST(answers_that_change),
	        TEST(slots_are_used_again),
	        TEST(a_request_waits_for_the_first_answer),
	        TEST(a_reload_keeps_the_targets),
	        TEST(malformed_names),
	        TEST(each_allocation_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
