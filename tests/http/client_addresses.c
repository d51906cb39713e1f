/* Hosts with several addresses (RFC 8305): the order and time of attempts, and their ends. */
#include "fake_origin.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weir/limits.h>
#include <weir/resolver.h>

#include "allocation.h"
#include "clock.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

enum {
	QUEUE_FILL = 8, /* connections that fill the queue of a listener, and more */
};

static struct weir_loop *loop;
static struct weir_resolver *resolver;
static struct weir_http_client *client;
static struct origin good;        /* at 127.0.0.1 */
static int silent[2] = {-1, -1};  /* listeners at ::1 and 127.0.0.2 on the same port */
static int queued[2][QUEUE_FILL]; /* whose connections are never accepted */
static char hosts[] = "/tmp/weir-test-XXXXXX";
static struct heard heard;

static void local(struct sockaddr_storage *ret, const char *text, uint16_t port)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	memset(ret, 0, sizeof *ret);
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
	}
}

static uint16_t port_of_good(void)
{
	return (uint16_t)atoi(strchr(good.authority, ':') + 1);
}

/* Listens, and has its queue full: the kernel does not reply to a further client. */
static void make_silent(int which, const char *text)
{
	struct sockaddr_storage address;
	int on = 1;
	local(&address, text, port_of_good());
	int fd = silent[which] = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(fd, 0), 0);
	for (int i = 0; i < QUEUE_FILL; i++) {
		queued[which][i] =
		        socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(queued[which][i], (struct sockaddr *)&address, sizeof address);
	}
}

static void start(const char *names, struct weir_http_client_options options)
{
	struct weir_resolver_options files;
	weir_resolver_options_init(&files);
	int fd = mkstemp(hosts);
	assert_true(fd >= 0 && write(fd, names, strlen(names)) == (ssize_t)strlen(names));
	close(fd);
	files.hosts = hosts;
	files.conf = "/nonexistent";
	assert_int_equal(weir_resolver_create(loop, &files, &resolver), 0);
	options.resolver = resolver;
	assert_int_equal(weir_http_client_create(loop, &options, &client), 0);
}
#define START(names, ...) start(names, OPTIONS(weir_http_client_options, __VA_ARGS__))

static void call(void)
{
	char url[64];
	snprintf(url, sizeof url, "http://many.test:%u/", port_of_good());
	CALL(&heard, client, NULL, "", o.url = url);
}

static void stop(void)
{
	client_stop(client, loop);
	weir_resolver_destroy(resolver);
	unlink(hosts); /* the resolver looks whether it has changed */
	strcpy(hosts, "/tmp/weir-test-XXXXXX");
}

static void the_other_family_is_tried_soon(void **state)
{
	(void)state;
	make_silent(0, "::1");
	START("::1 many.test\n127.0.0.1 many.test\n", o.connect_ms = 60000);
	call();
	assert_true(origin_is_left_alone(&good));
	clock_advance(WEIR_HTTP_CLIENT_NEXT_MS);
	struct peer peer = origin_accept(&good);
	origin_skip_request(&peer);
	peer_send(&peer, OK);
	heard_expect(&heard, loop, "200 OK|ok.");
	/* The connection is kept, and the attempt has ended. */
	call();
	origin_skip_request(&peer);
	peer_send(&peer, OK);
	heard_expect(&heard, loop, "200 OK|ok.");
	assert_true(origin_is_left_alone(&good));
	stop();
	peer_close(&peer);
}

/* Two of one family are before the other one in the file. */
static void families_take_turns(void **state)
{
	(void)state;
	make_silent(0, "::1");
	make_silent(1, "127.0.0.2");
	START("::1 many.test\n::1 many.test\n127.0.0.1 many.test\n127.0.0.2 many.test\n");
	call();
	assert_true(origin_is_left_alone(&good));
	clock_advance(WEIR_HTTP_CLIENT_NEXT_MS);
	struct peer peer = origin_accept(&good);
	origin_skip_request(&peer);
	peer_send(&peer, OK);
	heard_expect(&heard, loop, "200 OK|ok.");
	stop();
	peer_close(&peer);
}

/* An address that refuses costs no time. */
static void a_refusal_does_not_wait(void **state)
{
	(void)state;
	START("::1 many.test\n127.0.0.3 many.test\n127.0.0.1 many.test\n");
	clock_hold();
	call();
	struct peer peer = origin_accept(&good);
	clock_go_on();
	origin_skip_request(&peer);
	peer_send(&peer, OK);
	heard_expect(&heard, loop, "200 OK|ok.");
	stop();
	peer_close(&peer);
}

static void nobody_replies(void **state)
{
	(void)state;
	make_silent(0, "::1");
	make_silent(1, "127.0.0.2");
	START("::1 many.test\n127.0.0.2 many.test\n", o.connect_ms = 5000);
	call();
	assert_true(origin_is_left_alone(&good));
	clock_advance(WEIR_HTTP_CLIENT_NEXT_MS);
	assert_true(origin_is_left_alone(&good));
	assert_int_equal(heard.ends, 0);
	clock_advance(5000);
	heard_expect_error(&heard, loop, -ETIMEDOUT);
	/* Cancelled, and destroyed, with two attempts under way. */
	for (int destroys = 0; destroys < 2; destroys++) {
		call();
		assert_true(origin_is_left_alone(&good));
		clock_advance(WEIR_HTTP_CLIENT_NEXT_MS);
		assert_true(origin_is_left_alone(&good));
		if (!destroys)
			weir_http_call_cancel(heard.call);
	}
	stop();
	heard_clear(&heard);
}

static void each_allocation_fails(void **state)
{
	(void)state;
	START("::1 many.test\n127.0.0.1 many.test\n");
	for (unsigned count = 0, failed = 1; failed; count++) {
		char url[64];
		struct peer peer = {.fd = -1, .loop = loop};
		snprintf(url, sizeof url, "http://many.test:%u/", port_of_good());
		fail_allocation_after(count, false);
		int error = heard_start(
		        &heard, client, NULL, "", OPTIONS(weir_http_call_options, o.url = url));
		for (int i = 0; i < 20 && !error && !heard.ends; i++)
			weir_loop_turn(loop, 1);
		failed = stop_failing_allocations();
		if (!error && !heard.ends) {
			peer = origin_accept(&good);
			weir_http_call_cancel(heard.call);
			peer_close(&peer);
		} else {
			assert_true(error == -ENOMEM || heard.error == -ENOMEM);
		}
		while ((peer.fd = accept(good.listener, NULL, NULL)) >= 0)
			close(peer.fd);
		heard_clear(&heard);
	}
	stop();
}

static int setup(void **state)
{
	(void)state;
	if (weir_loop_create(&loop) < 0)
		return -1;
	origin_start(&good, loop);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	heard_clear(&heard);
	for (int i = 0; i < 2; i++) {
		for (int j = 0; silent[i] >= 0 && j < QUEUE_FILL; j++)
			close(queued[i][j]);
		if (silent[i] >= 0)
			close(silent[i]);
		silent[i] = -1;
	}
	origin_stop(&good);
	weir_loop_destroy(loop);
	return 0;
}

#define ADDRESS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        ADDRESS_TEST(the_other_family_is_tried_soon),
	        ADDRESS_TEST(families_take_turns),
	        ADDRESS_TEST(a_refusal_does_not_wait),
	        ADDRESS_TEST(nobody_replies),
	        ADDRESS_TEST(each_allocation_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
