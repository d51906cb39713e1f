/* Bodies that the proxy splices, and those that it has to copy instead. */
#include "proxied.h"

#include <weir/limits.h>

#include "producer_internal.h"
#include "proxy_state.h"

enum {
	SIZE = 1 << 20,
	PART = 50000,
};

static char body[SIZE];

static uint64_t spliced(void)
{
	char url[128];
	snprintf(url, sizeof url, "http://%s", origin.authority);
	return http_proxy_cells(loop, url)->spliced;
}

static void start(void)
{
	for (size_t i = 0; i < SIZE; i++)
		body[i] = (char)(i * 7 + i / 251);
	PLAIN(GROUP());
}

/* One peer sends the body in parts, and the other one gets it. */
static void pass(struct peer *from, struct peer *to, size_t size)
{
	for (size_t at = 0; at < size; at += PART) {
		size_t part = size - at < PART ? size - at : PART;
		assert_int_equal(peer_send_bytes(from, body + at, part), part);
		assert_true(peer_read(to, part));
		assert_int_equal(to->got.size, part);
		assert_memory_equal(to->got.data, body + at, part);
		to->got.size = 0;
	}
}

static void get(size_t size)
{
	char head[128];
	passes("GET / HTTP/1.1\r\n" HOST "\r\n", "GET / HTTP/1.1\r\n" HOST "\r\n");
	snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);
	replies(head, head);
	pass(&upstream, &client, size);
}

static void put(size_t size)
{
	char head[128];
	snprintf(head, sizeof head, "PUT / HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", size);
	passes(head, head);
	pass(&client, &upstream, size);
	replies(OK, OK);
}

static void bodies_of_any_size(void **state)
{
	static const size_t edge = WEIR_HTTP_PROXY_SPLICE_AFTER;
	static const size_t sizes[] = {edge - 1, edge, edge + 1, edge + PART, SIZE};
	(void)state;
	start();
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		uint64_t before = spliced();
		get(sizes[i]);
		put(sizes[i]);
		assert_true(sizes[i] > edge + 1 ? spliced() > before : spliced() <= before + 2);
	}
	assert_true(spliced() > SIZE);
	stop_proxy();
}

static void without_a_pipe_bodies_are_copied(void **state)
{
	struct pipe *pipes[WEIR_PIPES_MAX];
	(void)state;
	start();
	for (unsigned i = 0; i < WEIR_PIPES_MAX; i++)
		pipes[i] = pipe_take(loop);
	get(SIZE);
	put(SIZE);
	assert_int_equal(spliced(), 0);
	for (unsigned i = 0; i < WEIR_PIPES_MAX; i++)
		pipe_release(pipes[i], true);
	get(SIZE);
	assert_true(spliced() > 0);
	stop_proxy();
}

/* A pipe is given back whenever there is nothing to be spliced, and after an early end. */
static void no_pipe_is_lost(void **state)
{
	struct pipe *pipes[WEIR_PIPES_MAX];
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n";
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		start();
		passes("GET / HTTP/1.1\r\n" HOST "\r\n", "GET / HTTP/1.1\r\n" HOST "\r\n");
		replies(head, head);
		pass(&upstream, &client, SIZE);
		if (i & 1)
			peer_send_bytes(&upstream, body, SIZE); /* the client does not read */
		peer_reset(i & 2 ? &upstream : &client);
		peer_turn(i & 2 ? &client : &upstream, 50);
		stop_proxy();
		for (unsigned n = 0; n < WEIR_PIPES_MAX; n++)
			assert_non_null(pipes[n] = pipe_take(loop));
		for (unsigned n = 0; n < WEIR_PIPES_MAX; n++)
			pipe_release(pipes[n], true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(bodies_of_any_size),
	        TEST(without_a_pipe_bodies_are_copied),
	        TEST(no_pipe_is_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
