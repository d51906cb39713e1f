/* TCP, and any other stream socket: the system calls themselves. */
#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <weir/transport.h>

#include "transport_internal.h"

static ssize_t tcp_receive(struct weir_transport *transport, int fd, void *data, size_t size)
{
	(void)transport;
	ssize_t got = socket_receive(fd, data, size);
	return got < 0 ? -errno : got;
}

static ssize_t tcp_send_pieces(struct weir_transport *transport, int fd, const struct iovec *pieces,
        unsigned count, bool more)
{
	int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
	struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = count};
	(void)transport;
	ssize_t put = count == 1 ? socket_send(fd, pieces->iov_base, pieces->iov_len, flags)
	                         : socket_send_message(fd, &message, flags);
	return put < 0 ? -errno : put;
}

/* A file that has become shorter yields no bytes: this is an error, not the end of the output. */
static ssize_t tcp_send_file(
        struct weir_transport *transport, int fd, int file, off_t offset, size_t size)
{
	(void)transport;
	ssize_t put = sendfile(fd, file, &offset, size);
	return put < 0 ? -errno : put == 0 && size ? -EIO : put;
}

/* The pipe has the bytes, so that EAGAIN is the socket's. */
static ssize_t tcp_send_pipe(
        struct weir_transport *transport, int fd, int pipe, size_t size, bool more)
{
	unsigned flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | (more ? SPLICE_F_MORE : 0);
	(void)transport;
	ssize_t put = splice(pipe, NULL, fd, NULL, size, flags);
	return put < 0 ? -errno : put == 0 && size ? -EIO : put;
}

static int tcp_finish(struct weir_transport *transport, int fd)
{
	(void)transport;
	return shutdown(fd, SHUT_WR) < 0 ? -errno : 0;
}

static void tcp_close_transport(struct weir_transport *transport)
{
	(void)transport;
}

struct weir_transport *weir_tcp(void)
{
	static const struct weir_transport_type type = {
	        .name = "tcp",
	        .lends_files = true,
	        .receive = tcp_receive,
	        .send = tcp_send_pieces,
	        .send_file = tcp_send_file,
	        .send_pipe = tcp_send_pipe,
	        .finish = tcp_finish,
	        .close = tcp_close_transport,
	};
	static struct weir_transport tcp = {.type = &type};
	return &tcp;
}
