/* Outgoing channels: each has a group of its own, which ends with it. */
#include <errno.h>
#include <linux/socket.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "channel_state.h"

static void outgoing_free_group(struct channel_group *group)
{
	free(group);
}

/*
 * A buffer whose size is locked would bound the scale of the window for good, so the lock is taken
 * off while the connection begins. Returns whether the kernel can do that (Linux 5.14).
 */
static bool outgoing_hold_window(int fd, int size)
{
	int unlocked = 0;
	return setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &unlocked, sizeof unlocked) == 0 &&
	       setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0 &&
	       setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &unlocked, sizeof unlocked) == 0;
}

static int outgoing_connect_socket(const struct weir_address *address, int receive_buffer)
{
	int on = 1, unsent = WEIR_UNSENT_LOW, locked = SOCK_RCVBUF_LOCK;
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
	bool held = receive_buffer && outgoing_hold_window(fd, receive_buffer);
	if (connect(fd, &address->any, weir_address_size(address)) < 0 && errno != EINPROGRESS) {
		int error = -errno;
		close(fd);
		return error;
	}
	if (held) {
		setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &locked, sizeof locked);
		setsockopt(
		        fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &receive_buffer, sizeof receive_buffer);
	}
	return fd;
}

/* Connected at once or not, the socket becomes writable: open() is called from the loop. */
int weir_adopt(struct weir_loop *loop, int fd, const struct weir_address *peer,
        const struct weir_protocol *protocol, void *context, const struct weir_bounds *bounds,
        struct weir_channel **ret)
{
	int error;
	if (bounds && !channel_bounds_work(bounds))
		return -EINVAL;
	struct channel_group *group = calloc(1, sizeof *group);
	if (!group)
		return -ENOMEM;
	group->loop = loop;
	group->protocol = protocol;
	group->context = context;
	if (bounds)
		group->bounds = *bounds;
	else
		weir_bounds_init(&group->bounds);
	channel_group_init(group);
	group->cells = channel_metrics_of_outgoing(loop);
	error = -ENOMEM;
	struct weir_channel *channel =
	        group->cells ? channel_create(group, fd, peer, true, &error) : NULL;
	if (!channel) {
		free(group);
		return error;
	}
	group->channel_gone = outgoing_free_group;
	*ret = channel;
	return 0;
}

int weir_connect(struct weir_loop *loop, const struct weir_address *address,
        const struct weir_protocol *protocol, void *context, const struct weir_bounds *bounds,
        struct weir_channel **ret)
{
	int fd = outgoing_connect_socket(address, bounds ? (int)bounds->receive_buffer : 0);
	if (fd < 0)
		return fd;
	int error = weir_adopt(loop, fd, address, protocol, context, bounds, ret);
	if (error < 0)
		close(fd);
	return error;
}
