/* Listeners: their defaults, and the sockets that listen. */
#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "channel_state.h"
#include "helper.h"

void weir_bounds_init(struct weir_bounds *bounds)
{
	*bounds = (struct weir_bounds){
	        .request_max = WEIR_REQUEST_MAX,
	        .replies_max = WEIR_REPLIES_MAX,
	        .idle_ms = WEIR_IDLE_MS,
	        .request_ms = WEIR_REQUEST_MS,
	        .progress_ms = WEIR_PROGRESS_MS,
	        .channels_max = WEIR_CHANNELS_MAX,
	        .drain_ms = WEIR_DRAIN_MS,
	};
}

void weir_listener_init(struct weir_listener *listener)
{
	*listener = (struct weir_listener){0};
	weir_bounds_init(&listener->bounds);
}

void weir_server_options_init(struct weir_server_options *options)
{
	*options = (struct weir_server_options){0};
	weir_listener_init(&options->listener);
}

bool channel_bounds_work(const struct weir_bounds *bounds)
{
	return bounds->request_max && bounds->replies_max && bounds->idle_ms &&
	       bounds->request_ms && bounds->progress_ms;
}

void channel_group_init(struct channel_group *group)
{
	struct weir_bounds *bounds = &group->bounds;
	bounds->request_max = min_of(bounds->request_max, (size_t)UINT32_MAX); /* the cutter's */
	group->counters = weir_loop_counters(group->loop);
	weir_list_init(&group->channels);
	weir_list_init(&group->handshakes);
}

/* Accepted sockets inherit these options, so that none is set per connection. */
static int listener_set_options(int fd, const struct weir_listener *listener)
{
	int on = 1, off = 0, unsent = WEIR_UNSENT_LOW;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
	        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent) < 0)
		return -errno;
	if (listener->shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0)
		return -errno;
	if (listener->address.any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY,
		        IN6_IS_ADDR_UNSPECIFIED(&listener->address.v6.sin6_addr) ? &off : &on,
		        sizeof on);
	return 0;
}

/* Takes a socket that listens already. */
static int listener_take(const struct weir_listener *listener, struct weir_address *ret_address)
{
	int on = 1, unsent = WEIR_UNSENT_LOW;
	socklen_t size = sizeof *ret_address;
	int fd = listener->open_socket(listener->context, SOCK_STREAM);
	if (fd < 0)
		return fd;
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
	        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent) == 0 &&
	        getsockname(fd, &ret_address->any, &size) == 0)
		return fd;
	int error = -errno;
	close(fd);
	return error;
}

int channel_open_listener(const struct weir_listener *listener, struct weir_address *ret_address)
{
	socklen_t size = sizeof *ret_address;
	if (listener->open_socket)
		return listener_take(listener, ret_address);
	int fd = socket(
	        listener->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int error = listener_set_options(fd, listener);
	if (error == 0 &&
	        (bind(fd, &listener->address.any, weir_address_size(&listener->address)) < 0 ||
	                listen(fd, WEIR_BACKLOG) < 0 ||
	                getsockname(fd, &ret_address->any, &size) < 0))
		error = -errno;
	if (error < 0) {
		close(fd);
		return error;
	}
	return fd;
}
