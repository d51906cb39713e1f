/*
 * The sockets of data connections: bound to the address that the peer knows the server by, and a
 * passive one to a port of the range.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/random.h>
#include <unistd.h>

#include <weir/limits.h>

#include "port.h"
#include "socket.h"

enum {
	BACKLOG = 8
};

int ftp_socket(const struct weir_address *local, int *ret)
{
	int on = 1, unsent = WEIR_UNSENT_LOW;
	int fd = socket(local->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
	if (bind(fd, &local->any, weir_address_size(local)) < 0) {
		int error = -errno;
		close(fd);
		return error;
	}
	*ret = fd;
	return 0;
}

static int ftp_socket_listen_on(struct weir_address *address, int *ret)
{
	socklen_t size = sizeof *address;
	int fd;
	int error = ftp_socket(address, &fd);
	if (error < 0)
		return error;
	/* With SO_REUSEADDR two may be bound to a port, but only one can listen. */
	if (listen(fd, BACKLOG) < 0 || getsockname(fd, &address->any, &size) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	*ret = fd;
	return 0;
}

/* Any port of the range that is free, from a random one on: nobody should know the next. */
int ftp_listen(const struct weir_ftp_rules *rules, struct weir_address *address, int *ret)
{
	unsigned count = rules->passive_last - rules->passive_first + 1U;
	uint16_t from;
	int error = -EADDRINUSE;
	if (!rules->passive_first) {
		ftp_set_port(address, 0);
		return ftp_socket_listen_on(address, ret);
	}
	if (getrandom(&from, sizeof from, 0) != sizeof from)
		return -EIO;
	for (unsigned i = 0; i < count && i < WEIR_FTP_PORTS_TRIED && error == -EADDRINUSE; i++) {
		unsigned port = rules->passive_first + (from + i) % count;
		ftp_set_port(address, (uint16_t)port);
		error = ftp_socket_listen_on(address, ret);
	}
	return error;
}
