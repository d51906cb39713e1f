/* Outgoing channels: the same machinery, begun from this side. Each has a host of its own. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "channel_state.h"

static void connect_free_host(struct server_host *host)
{
	free(host);
}

static int connect_open_socket(const struct weir_address *address)
{
	int on = 1, unsent = WEIR_UNSENT_LOW;
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
	if (connect(fd, &address->any, weir_address_size(address)) < 0 && errno != EINPROGRESS) {
		int error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

/* Connected at once or not, the socket becomes writable: open() is called from the loop. */
int weir_adopt(struct weir_loop *loop, int fd, const struct weir_address *peer,
        const struct weir_protocol *protocol, void *context, const struct weir_bounds *bounds,
        struct weir_channel **ret)
{
	int error;
	struct server_host *host = calloc(1, sizeof *host);
	if (!host)
		return -ENOMEM;
	host->loop = loop;
	host->protocol = protocol;
	host->context = context;
	if (bounds)
		host->bounds = *bounds;
	server_host_init(host);
	struct weir_channel *channel = channel_create(host, fd, peer, true, &error);
	if (!channel) {
		free(host);
		return error;
	}
	host->channel_gone = connect_free_host;
	*ret = channel;
	return 0;
}

int weir_connect(struct weir_loop *loop, const struct weir_address *address,
        const struct weir_protocol *protocol, void *context, const struct weir_bounds *bounds,
        struct weir_channel **ret)
{
	int fd = connect_open_socket(address);
	if (fd < 0)
		return fd;
	int error = weir_adopt(loop, fd, address, protocol, context, bounds, ret);
	if (error < 0)
		close(fd);
	return error;
}
