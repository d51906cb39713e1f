/*
 * The floor: the least that a server of small files over HTTP can do, as a measure for those that
 * do more. It waits, receives, finds the blank lines, and answers all of them with one send of a
 * fixed reply of the size that nginx gives a 13-byte file. It parses nothing, opens nothing, and
 * keeps one byte a connection. A client that does not read is dropped.
 */
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	FD_MAX = 65536,
	INPUT_MAX = 65536,
	BATCH_MAX = 512,
	EVENTS_MAX = 256
};

static const char reply[] = "HTTP/1.1 200 OK\r\n"
                            "Server: floor/1.22.1\r\n"
                            "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                            "Content-Type: text/plain\r\n"
                            "Content-Length: 13\r\n"
                            "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                            "Connection: keep-alive\r\n"
                            "ETag: \"00000000-d\"\r\n"
                            "Accept-Ranges: bytes\r\n"
                            "\r\n"
                            "Hello, world\n";
enum {
	REPLY_SIZE = sizeof(reply) - 1
};

static char replies[BATCH_MAX * REPLY_SIZE];
static unsigned char
        matched[FD_MAX]; /* bytes of the blank line at the end of each connection's input */

/* Counts the ends of requests ("\r\n\r\n"), also one that is split between two calls. */
static unsigned count_ends(unsigned char *state, const char *data, size_t size)
{
	unsigned ends = 0, at = *state;
	for (const char *end = data + size; data < end; data++) {
		if (at == 0) {
			data = memchr(data, '\r', (size_t)(end - data));
			if (!data)
				break;
			at = 1;
		} else if (*data == "\r\n\r\n"[at]) {
			at++;
		} else {
			at = *data == '\r';
		}
		if (at == 4) {
			ends++;
			at = 0;
		}
	}
	*state = (unsigned char)at;
	return ends;
}

/* Replies to the input of a connection. Returns false if the peer has gone. */
static int answer(int fd)
{
	static char input[INPUT_MAX];
	ssize_t got = recv(fd, input, sizeof(input), MSG_DONTWAIT);
	if (got <= 0)
		return 0;
	unsigned owed = count_ends(&matched[fd], input, (size_t)got);
	while (owed) {
		unsigned now = owed < BATCH_MAX ? owed : BATCH_MAX;
		ssize_t size = (ssize_t)now * REPLY_SIZE;
		if (send(fd, replies, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL) != size)
			return 0;
		owed -= now;
	}
	return 1;
}

static void watch(int poller, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event))
		err(1, "epoll_ctl");
}

static int listen_on(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	        .sin_port = htons((uint16_t)port),
	        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* accepted sockets inherit it */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 4096))
		err(1, "port %d", port);
	return fd;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		errx(2, "usage: floor PORT");
	for (int i = 0; i < BATCH_MAX; i++)
		memcpy(replies + i * REPLY_SIZE, reply, REPLY_SIZE);
	int listener = listen_on(atoi(argv[1])), poller = epoll_create1(0);
	watch(poller, listener);

	for (;;) {
		struct epoll_event events[EVENTS_MAX];
		int count = epoll_wait(poller, events, EVENTS_MAX, -1);
		for (int i = 0; i < count; i++) {
			int fd = events[i].data.fd;
			if (fd != listener) {
				if (!answer(fd))
					close(fd);
				continue;
			}
			while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0 &&
			        fd < FD_MAX) {
				matched[fd] = 0;
				watch(poller, fd);
			}
		}
	}
}
