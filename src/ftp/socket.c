/* The sockets of data connections, bound to the address that the peer knows the server by. */
#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <weir/limits.h>

#include "port.h"
#include "socket.h"

enum {
	BACKLOG = 64 /* of all the sessions that share the port */
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

int ftp_listen(struct weir_address *address, int *ret)
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
