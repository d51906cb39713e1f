/*
 * Opens listeners. Each worker has a socket of its own at an address (SO_REUSEPORT). All of them
 * live in the master: closing one would drop the connections that wait in its queue.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/limits.h>

#include "admin.h"
#include "grants.h"
#include "listening.h"
#include "say.h"
#include "service.h"

int *listening_socket(const struct listening *listening, size_t endpoint, unsigned worker, int type)
{
	size_t at = 2 * (endpoint * listening->workers + worker) + (type == SOCK_DGRAM);
	return &listening->sockets[at];
}

/* -- sockets ----------------------------------------------------------------------------------- */

static int listening_bind(const struct weir_address *address, int type)
{
	int on = 1, off = 0;
	int family = address->any.sa_family;
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (family == AF_INET6) {
		bool any = IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr);
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, any ? &off : &on, sizeof on);
	}
	int error =
	        type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0
	                ? -errno
	                : 0;
	if (error == 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0 ||
	                          bind(fd, &address->any, weir_address_size(address)) < 0 ||
	                          (type == SOCK_STREAM && listen(fd, WEIR_BACKLOG) < 0)))
		error = -errno;
	if (error == 0)
		return fd;
	close(fd);
	return error;
}

/* The old socket of this address for a worker; workers share if there were fewer. */
static int listening_find_old(
        const struct listening *old, const struct endpoint *endpoint, unsigned worker, int type)
{
	const struct endpoint *found =
	        old && old->workers ? endpoint_find(&old->endpoints, endpoint) : NULL;
	if (!found)
		return -1;
	size_t index = (size_t)(found - old->endpoints.items);
	unsigned count = 0;
	while (count < old->workers && *listening_socket(old, index, count, type) >= 0)
		count++;
	return count ? *listening_socket(old, index, worker % count, type) : -1;
}

static int listening_open_socket(const struct endpoint *endpoint, const struct listening *old,
        unsigned worker, int type, int *ret)
{
	char text[WEIR_ADDRESS_TEXT_MAX];
	int known = listening_find_old(old, endpoint, worker, type);
	int fd = known < 0 ? listening_bind(&endpoint->actual, type)
	                   : fcntl(known, F_DUPFD_CLOEXEC, 0);
	if (fd >= 0) {
		*ret = fd;
		return 0;
	}
	int error = known < 0 ? fd : -errno;
	weir_address_format(&endpoint->wanted, text);
	say("cannot listen on %s: %s", text, weir_error_text(error));
	return error;
}

static int listening_open_all(struct listening *listening, const struct listening *old)
{
	int error = 0;
	for (size_t i = 0; i < listening->endpoints.count; i++)
		for (unsigned worker = 0; worker < listening->workers && error == 0; worker++) {
			const struct endpoint *endpoint = &listening->endpoints.items[i];
			error = listening_open_socket(endpoint, old, worker, SOCK_STREAM,
			        listening_socket(listening, i, worker, SOCK_STREAM));
			if (error == 0 && endpoint->type->datagrams)
				error = listening_open_socket(endpoint, old, worker, SOCK_DGRAM,
				        listening_socket(listening, i, worker, SOCK_DGRAM));
		}
	return error;
}

/* -- the admin socket -------------------------------------------------------------------------- */

static int listening_open_admin(
        struct listening *listening, const struct config *config, const struct listening *old)
{
	struct stat status;
	if (!config->admin.path)
		return 0;
	listening->admin_path = strdup(config->admin.path);
	if (!listening->admin_path)
		return -ENOMEM;
	if (old && old->admin >= 0 && old->admin_path &&
	        strcmp(old->admin_path, config->admin.path) == 0) {
		listening->admin = fcntl(old->admin, F_DUPFD_CLOEXEC, 0);
		listening->admin_device = old->admin_device;
		listening->admin_inode = old->admin_inode;
		return listening->admin < 0 ? -errno : 0;
	}
	int fd = admin_bind_socket(config->user, config->admin.path);
	if (fd < 0)
		return fd;
	listening->admin = fd;
	if (lstat(config->admin.path, &status) == 0) {
		listening->admin_device = status.st_dev;
		listening->admin_inode = status.st_ino;
	}
	return 0;
}

/* Another daemon may have replaced the file. */
static void listening_remove_admin(const struct listening *listening)
{
	struct stat status;
	if (lstat(listening->admin_path, &status) == 0 &&
	        status.st_dev == listening->admin_device && status.st_ino == listening->admin_inode)
		unlink(listening->admin_path);
}

/* -- all of them ------------------------------------------------------------------------------- */

int listening_open(const struct config *config, const struct listening *old, unsigned workers,
        struct listening *ret)
{
	struct listening listening = {.admin = -1};
	int error = endpoints_reserve(
	        config, old && old->workers ? &old->endpoints : NULL, &listening.endpoints);
	if (error < 0)
		return error;
	size_t count = 2 * workers * listening.endpoints.count;
	listening.sockets = calloc(count, sizeof *listening.sockets);
	if (listening.sockets) {
		listening.workers = workers;
		for (size_t i = 0; i < count; i++)
			listening.sockets[i] = -1;
		error = listening_open_all(&listening, old);
	} else {
		error = -ENOMEM;
	}
	endpoints_unreserve(&listening.endpoints);
	if (error == 0)
		error = listening_open_admin(&listening, config, old);
	if (error == 0)
		*ret = listening;
	else
		listening_close(&listening, old);
	return error;
}

int listening_grant(const struct listening *listening, struct grants *grants)
{
	char key[ENDPOINT_KEY_SIZE], address[WEIR_ADDRESS_TEXT_MAX];
	int error = 0;
	for (size_t i = 0; i < listening->endpoints.count; i++) {
		const struct endpoint *endpoint = &listening->endpoints.items[i];
		weir_address_format(&endpoint->actual, address);
		for (unsigned worker = 0; worker < listening->workers && error == 0; worker++) {
			int datagrams = *listening_socket(listening, i, worker, SOCK_DGRAM);
			endpoint_key(endpoint, worker, key);
			error = grants_add(grants, GRANT_STREAM, key, address, strlen(address),
			        *listening_socket(listening, i, worker, SOCK_STREAM));
			if (error == 0 && datagrams >= 0)
				error = grants_add(grants, GRANT_DATAGRAM, key, address,
				        strlen(address), datagrams);
		}
	}
	if (error == 0 && listening->admin >= 0)
		error = grants_add(
		        grants, GRANT_ADMIN, listening->admin_path, NULL, 0, listening->admin);
	return error;
}

void listening_adopt_grants(const struct listening *listening, struct grants *grants)
{
	char key[ENDPOINT_KEY_SIZE];
	for (size_t i = 0; i < listening->endpoints.count; i++)
		for (unsigned worker = 0; worker < listening->workers; worker++) {
			endpoint_key(&listening->endpoints.items[i], worker, key);
			grants_set_fd(grants, GRANT_STREAM, key,
			        *listening_socket(listening, i, worker, SOCK_STREAM));
			grants_set_fd(grants, GRANT_DATAGRAM, key,
			        *listening_socket(listening, i, worker, SOCK_DGRAM));
		}
	if (listening->admin >= 0)
		grants_set_fd(grants, GRANT_ADMIN, listening->admin_path, listening->admin);
}

static bool listening_same_admin(const struct listening *a, const struct listening *b)
{
	return b && b->admin >= 0 && a->admin_device == b->admin_device &&
	       a->admin_inode == b->admin_inode;
}

void listening_close(struct listening *listening, const struct listening *heir)
{
	for (size_t i = 0; i < 2 * listening->workers * listening->endpoints.count; i++)
		if (listening->sockets[i] >= 0)
			close(listening->sockets[i]);
	if (listening->admin >= 0) {
		close(listening->admin);
		if (!listening_same_admin(listening, heir))
			listening_remove_admin(listening);
	}
	free(listening->admin_path);
	free(listening->sockets);
	endpoints_free(&listening->endpoints);
	*listening = (struct listening){.admin = -1};
}
