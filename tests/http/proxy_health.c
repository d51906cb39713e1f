/* Health checks by the clock, the slow start, and what a group takes over from an earlier one. */
#include "proxied.h"

#include "allocation.h"
#include "clock.h"
#include "proxy_state.h"

enum {
	INTERVAL_MS = 5000,
};

static char changes[64];

static void on_health(
        void *context, const char *name, const char *url, bool healthy, const char *why)
{
	(void)context, (void)name, (void)url;
	snprintf(changes + strlen(changes), sizeof changes - strlen(changes), "%s%s%s. ",
	        healthy ? "up" : "down", *why ? ": " : "", why);
}

static struct weir_http_upstreams *checked(const char *path)
{
	struct weir_http_upstreams *upstreams =
	        GROUP(o.check.interval_ms = INTERVAL_MS, o.check.path = path, o.check.rise = 2,
	                o.check.fall = 2, o.health_changed = on_health);
	*changes = 0;
	assert_int_equal(weir_http_upstreams_start(upstreams, loop), 0);
	return upstreams;
}

static void reply_to_check(const char *reply)
{
	struct peer peer = origin_accept(&origin);
	origin_skip_request(&peer);
	peer_send(&peer, reply);
	assert_true(peer_read_end(&peer));
	peer_close(&peer);
	clock_advance(INTERVAL_MS);
}

static void end_group(struct weir_http_upstreams *upstreams)
{
	weir_http_upstreams_release(upstreams);
	for (int i = 0; i < 20; i++)
		weir_loop_turn(loop, 0);
}

static void so_many_in_a_row(void **state)
{
	(void)state;
	struct weir_http_upstreams *upstreams = checked("/health");
	reply_to_check("HTTP/1.1 500 No\r\n\r\n");
	reply_to_check("HTTP/1.1 200 OK\r\n\r\n");
	reply_to_check("HTTP/1.1 404 No\r\n\r\n");
	assert_string_equal(changes, "");
	reply_to_check("HTTP/1.1 503 No\r\n\r\n");
	assert_string_equal(changes, "down: status 503. ");
	assert_true(upstreams->upstreams[0].unhealthy);
	reply_to_check("HTTP/1.1 302 Go\r\n\r\n");
	reply_to_check("nonsense");
	reply_to_check("HTTP/1.1 204 No\r\n\r\n");
	assert_true(upstreams->upstreams[0].unhealthy);
	reply_to_check("HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n");
	assert_false(upstreams->upstreams[0].unhealthy);
	assert_int_equal(upstreams->cells->unhealthy, 0);
	assert_int_equal(upstreams->cells->checks[0], 4);
	assert_int_equal(upstreams->cells->checks[1], 4);
	end_group(upstreams);
}

/* Two groups, as of two loops, make the checks of one, and both know the results. */
static void groups_that_share_their_health(void **state)
{
	(void)state;
	struct weir_http_health *health = weir_http_health_create();
	char url[128];
	struct weir_http_upstream two[] = {
	        {.url = url, .weight = 1}, {.url = "http://127.0.0.1:1", .weight = 1}};
	struct weir_http_upstreams *groups[2];
	*changes = 0;
	snprintf(url, sizeof url, "http://%s", origin.authority);
	for (int i = 0; i < 2; i++) {
		groups[i] = GROUP(o.upstreams = two, o.count = 2, o.check.interval_ms = INTERVAL_MS,
		        o.check.path = "/health", o.check.rise = 1, o.check.fall = 2,
		        o.health = health, o.health_changed = on_health);
		assert_int_equal(weir_http_upstreams_start(groups[i], loop), 0);
	}
	weir_http_health_release(health);
	struct proxy_cells *cells = groups[0]->cells; /* of both groups, by the name */
	for (unsigned round = 1; round <= 3; round++) {
		reply_to_check("HTTP/1.1 200 OK\r\n\r\n");
		assert_true(TURN_UNTIL(loop, cells->checks[1] == round));
		assert_int_equal(cells->checks[0], round);
	}
	/* The second server refuses connections: one line, and one server. */
	assert_non_null(strstr(changes, "down: "));
	assert_null(strstr(strstr(changes, "down: ") + 1, "down: "));
	assert_int_equal(cells->unhealthy, 1);
	for (int i = 0; i < 2; i++) {
		http_upstreams_follow_health(groups[i]);
		assert_false(groups[i]->upstreams[0].unhealthy);
		assert_true(groups[i]->upstreams[1].unhealthy);
	}
	/* The group that has made a check may end before the other, and within a check. */
	struct peer peer = origin_accept(&origin);
	bool first = groups[0]->upstreams[0].claimed;
	assert_int_equal(groups[1]->upstreams[0].claimed, !first);
	end_group(groups[first ? 0 : 1]);
	peer_close(&peer);
	assert_int_equal(cells->unhealthy, 1);
	clock_advance(INTERVAL_MS);
	reply_to_check("HTTP/1.1 500 No\r\n\r\n");
	reply_to_check("HTTP/1.1 500 No\r\n\r\n");
	assert_true(TURN_UNTIL(loop, groups[first ? 1 : 0]->upstreams[0].unhealthy));
	assert_int_equal(cells->unhealthy, 2);
	end_group(groups[first ? 1 : 0]);
	assert_int_equal(cells->unhealthy, 0);
}

static void connections_that_send_nothing(void **state)
{
	(void)state;
	struct weir_http_upstreams *upstreams = checked(NULL);
	for (unsigned i = 0; i < 3; i++) {
		struct peer peer = origin_accept(&origin);
		assert_true(peer_read_end(&peer));
		assert_int_equal(peer.got.size, 0);
		peer_close(&peer);
		clock_advance(INTERVAL_MS);
	}
	assert_true(TURN_UNTIL(loop, upstreams->cells->checks[0] >= 3));
	assert_string_equal(changes, "");
	end_group(upstreams);
}

static void a_new_group_knows_what_the_earlier_one_did(void **state)
{
	struct weir_http_upstreams *other;
	(void)state;
	struct weir_http_upstreams *first = checked("/health");
	reply_to_check("HTTP/1.1 500 No\r\n\r\n");
	reply_to_check("HTTP/1.1 500 No\r\n\r\n");
	assert_true(first->upstreams[0].unhealthy);
	struct weir_http_upstreams *second = GROUP(o.check.interval_ms = INTERVAL_MS);
	weir_http_upstreams_inherit(second, first);
	assert_true(second->upstreams[0].unhealthy);
	assert_int_equal(weir_http_upstreams_start(second, loop), 0);
	assert_int_equal(second->cells->unhealthy, 2); /* one cell for both, by the name */
	end_group(first);
	assert_int_equal(second->cells->unhealthy, 1);
	/* Without checks nothing would make it healthy again. */
	other = GROUP();
	weir_http_upstreams_inherit(other, second);
	assert_false(other->upstreams[0].unhealthy);
	weir_http_upstreams_release(other);
	end_group(second);
}

static void the_weight_rises_slowly(void **state)
{
	char urls[2][128];
	struct weir_http_upstream two[] = {
	        {.url = urls[0], .weight = 1}, {.url = urls[1], .weight = 1}};
	unsigned counts[2] = {0};
	(void)state;
	snprintf(urls[0], sizeof urls[0], "http://%s", origin.authority);
	snprintf(urls[1], sizeof urls[1], "http://127.0.0.1:1");
	struct weir_http_upstreams *upstreams = GROUP(o.upstreams = two, o.count = 2,
	        o.balance = WEIR_HTTP_BALANCE_ROUND_ROBIN, o.slow_start_ms = 60000);
	http_upstreams_set_loop(upstreams, loop);
	weir_loop_turn(loop, 0);
	/* The second one was down, and has come back. */
	upstreams->upstreams[1].down_until_ms = 1;
	http_upstream_succeeded(upstreams, &upstreams->upstreams[1]);
	for (unsigned quarter = 1; quarter <= 4; quarter++) {
		clock_advance(15000);
		weir_loop_turn(loop, 0);
		counts[0] = counts[1] = 0;
		for (unsigned i = 0; i < 100; i++)
			counts[http_upstreams_choose(upstreams, NULL, 0) - upstreams->upstreams]++;
		/* The share of a weight of quarter/4 beside one of 1. */
		unsigned wanted = 100 * quarter / (quarter + 4);
		assert_in_range(counts[1], wanted - 3, wanted + 3);
	}
	end_group(upstreams);
}

static void bad_options(void **state)
{
	struct weir_http_upstreams *upstreams = NULL;
	struct weir_http_upstreams_options options;
	struct weir_http_upstream one = {.url = "http://127.0.0.1:1", .weight = 1};
	(void)state;
	weir_http_upstreams_options_init(&options);
	options.upstreams = &one;
	options.count = 1;
	options.check.interval_ms = INTERVAL_MS;
	options.check.path = "health";
	assert_int_equal(weir_http_upstreams_create(&options, &upstreams), -EINVAL);
	options.check.path = "/health";
	options.check.status = 100;
	assert_int_equal(weir_http_upstreams_create(&options, &upstreams), -EINVAL);
	options.check.status = 0;
	options.check.fall = 0;
	assert_int_equal(weir_http_upstreams_create(&options, &upstreams), -EINVAL);
}

static void each_allocation_fails(void **state)
{
	bool failed = true;
	(void)state;
	for (unsigned good = 0; failed; good++) {
		struct weir_http_upstreams *upstreams = GROUP(
		        o.check.interval_ms = INTERVAL_MS, o.check.path = "/", o.check.fall = 1);
		fail_allocation_after(good, false);
		weir_http_upstreams_start(upstreams, loop);
		for (int i = 0; i < 30; i++)
			weir_loop_turn(loop, 0);
		failed = stop_failing_allocations();
		/* Want of memory is no fault of the upstream. */
		assert_false(upstreams->upstreams[0].unhealthy);
		end_group(upstreams);
		while (accept(origin.listener, NULL, NULL) >= 0)
			;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(so_many_in_a_row),
	        TEST(groups_that_share_their_health),
	        TEST(connections_that_send_nothing),
	        TEST(a_new_group_knows_what_the_earlier_one_did),
	        TEST(the_weight_rises_slowly),
	        TEST(bad_options),
	        TEST(each_allocation_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
