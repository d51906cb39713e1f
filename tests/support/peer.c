/* Sockets that never block; where one would, the loop turns. */
#include <errno.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"

enum {
	PATIENCE = 5000, /* turns of a millisecond */
	SEND_PATIENCE = 50
};

struct weir_address local_address(void)
{
	struct weir_address address = {0};
	address.v4.sin_family = AF_INET;
	address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

struct peer peer_connect(struct weir_loop *loop, const struct weir_address *address, int buffer)
{
	struct peer peer = {.loop = loop};
	peer.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (peer.fd < 0)
		abort();
	setsockopt(peer.fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (buffer)
		setsockopt(peer.fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
	if (connect(peer.fd, &address->any, weir_address_size(address)) < 0 && errno != EINPROGRESS)
		abort();
	return peer;
}

size_t peer_send_bytes(struct peer *peer, const void *data, size_t size)
{
	size_t sent = 0;
	for (int patience = 0; sent < size && patience < SEND_PATIENCE;) {
		ssize_t put = send(peer->fd, (const char *)data + sent, size - sent, MSG_NOSIGNAL);
		if (put > 0) {
			sent += (size_t)put;
			patience = 0;
			continue;
		}
		if (errno != EAGAIN)
			break;
		patience++;
		weir_loop_turn(peer->loop, 1);
	}
	return sent;
}

void peer_send(struct peer *peer, const char *text)
{
	peer_send_bytes(peer, text, strlen(text));
}

void peer_finish(struct peer *peer)
{
	shutdown(peer->fd, SHUT_WR);
}

static bool ended(const struct peer *peer)
{
	return peer->eof || peer->error;
}

/* True when something was read. */
static bool read_some(struct peer *peer, size_t most)
{
	static _Thread_local char bytes[65536];
	ssize_t got = recv(peer->fd, bytes, most < sizeof bytes ? most : sizeof bytes, 0);
	if (got > 0 && weir_buffer_append(&peer->got, bytes, (size_t)got, SIZE_MAX) < 0)
		abort();
	peer->eof |= got == 0;
	if (got < 0 && errno != EAGAIN)
		peer->error = errno;
	return got > 0;
}

/* Reads at most so many bytes, after a wait if there are none. */
static bool read_soon(struct peer *peer, size_t most)
{
	for (int patience = 0; !ended(peer) && patience < PATIENCE; patience++) {
		if (read_some(peer, most))
			return true;
		weir_loop_turn(peer->loop, 1);
	}
	return false;
}

bool peer_read(struct peer *peer, size_t size)
{
	while (peer->got.size < size && read_soon(peer, size - peer->got.size))
		;
	return peer->got.size >= size;
}

bool peer_read_more(struct peer *peer)
{
	return read_soon(peer, SIZE_MAX);
}

bool peer_read_end(struct peer *peer)
{
	peer_read(peer, SIZE_MAX);
	return ended(peer);
}

void peer_turn(struct peer *peer, int turns)
{
	while (turns--)
		weir_loop_turn(peer->loop, 0);
}

bool peer_got(struct peer *peer, const char *text)
{
	size_t size = strlen(text);
	peer_read(peer, size);
	if (peer->got.size != size || (size && memcmp(peer->got.data, text, size) != 0))
		return false;
	peer->got.size = 0;
	return true;
}

void peer_close(struct peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
	weir_buffer_finish(&peer->got);
}

void peer_reset(struct peer *peer)
{
	struct linger none = {.l_onoff = 1, .l_linger = 0};
	setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
	peer_close(peer);
}

size_t __attribute__((weak)) __sanitizer_get_current_allocated_bytes(void);

size_t memory_in_use(void)
{
	if (__sanitizer_get_current_allocated_bytes)
		return __sanitizer_get_current_allocated_bytes();
	struct mallinfo2 info = mallinfo2();
	return info.uordblks + info.hblkhd;
}
