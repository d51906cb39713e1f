/* See the header. */
#include "played.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "postgres_state.h"

struct weir_loop *loop;
struct weir_postgres *pool;
char url[128];
static int listener;

void start_pool(struct weir_postgres_options options)
{
	options.url = url;
	options.statements_max = 0;
	pool = pool_make(loop, options);
}

void stop_pool(void)
{
	weir_postgres_destroy(pool);
	weir_loop_turn(loop, 0);
}

int played_try_accept(void)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	return fd;
}

struct peer accept_any(void)
{
	struct peer peer = {.fd = -1, .loop = loop};
	for (int i = 0; i < ACCEPT_TURNS && peer.fd < 0; i++) {
		peer.fd = played_try_accept();
		if (peer.fd < 0 && i > 3)
			clock_advance(100);
		weir_loop_turn(loop, peer.fd < 0);
	}
	assert_true(peer.fd >= 0);
	return peer;
}

/* A request to cancel, of a pool before this one, may come first. */
struct peer accept_started(void)
{
	static const char cancel[] = "\0\0\0\20\4\322\26\56";
	struct peer peer = accept_any();
	while (!peer_read(&peer, 8) || memcmp(peer.got.data, cancel, 8) == 0) {
		peer_close(&peer);
		peer = accept_any();
	}
	peer.got.size = 0;
	peer_send_bytes(&peer, WELCOME, sizeof WELCOME - 1);
	return peer;
}

bool played_try_await_sync(struct peer *peer)
{
	static const char sync[] = "S\0\0\0\4";
	while (peer->got.size < 5 || memcmp(peer->got.data + peer->got.size - 5, sync, 5) != 0)
		if (!peer_read_more(peer))
			return false;
	peer->got.size = 0;
	return true;
}

void await_sync(struct peer *peer)
{
	assert_true(played_try_await_sync(peer));
}

void answer(struct peer *peer, struct weir_span bytes)
{
	await_sync(peer);
	peer_send_bytes(peer, bytes.data, bytes.size);
}

void quick_await_end(struct heard *heard)
{
	for (int i = 0; i < ACCEPT_TURNS && !heard->ends; i++) {
		if (i > 10)
			clock_advance(100);
		weir_loop_turn(loop, 1);
	}
	assert_int_equal(heard->ends, 1);
}

struct peer played_make_narrow_connection(void)
{
	struct heard heard = {0};
	CALL(&heard, pool, "SELECT a");
	struct peer reader = accept_started();
	answer(&reader, BYTES(ANSWER));
	heard_expect(&heard, loop, "(ok).");
	const struct postgres_connection *connection =
	        WEIR_CONTAINER(pool->connections.next, struct postgres_connection, link);
	assert_int_equal(setsockopt(PQsocket(connection->pg), SOL_SOCKET, SO_SNDBUF, &(int){32768},
	                         sizeof(int)),
	        0);
	return reader;
}

int played_start_all(void **state)
{
	struct weir_address address = local_address();
	socklen_t size = sizeof address;
	(void)state;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(listener, &address.any, weir_address_size(&address)), 0);
	/* Of its connections, too: what the kernel takes is little, and so the same in each run. */
	assert_int_equal(
	        setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &(int){16384}, sizeof(int)), 0);
	assert_int_equal(listen(listener, 64), 0);
	assert_int_equal(getsockname(listener, &address.any, &size), 0);
	snprintf(url, sizeof url, "postgres://weir@127.0.0.1:%u/postgres?sslmode=disable",
	        ntohs(address.v4.sin_port));
	return weir_loop_create(&loop);
}

int played_stop_all(void **state)
{
	(void)state;
	close(listener);
	weir_loop_destroy(loop);
	return 0;
}
