/*
 * The names of stored sockets are those of their keys (endpoint_key), with '_' for ':', which
 * names cannot have.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listening.h"
#include "manager.h"
#include "notify.h"
#include "service.h"

static void manager_name(const struct endpoint *endpoint, char name[ENDPOINT_KEY_SIZE])
{
	endpoint_key(endpoint, 0, name);
	for (char *at = name; *at; at++)
		if (*at == ':' || *at == ' ')
			*at = '_';
}

static void manager_store_one(const char *name, int fd)
{
	if (fd >= 0)
		notify_store(name, fd);
}

void manager_store(const struct listening *listening)
{
	char name[ENDPOINT_KEY_SIZE];
	for (size_t i = 0; i < listening->endpoints.count; i++) {
		manager_name(&listening->endpoints.items[i], name);
		for (unsigned worker = 0; worker < listening->workers; worker++) {
			manager_store_one(
			        name, *listening_socket(listening, i, worker, SOCK_STREAM));
			manager_store_one(
			        name, *listening_socket(listening, i, worker, SOCK_DGRAM));
		}
	}
}

void manager_forget(const struct listening *listening)
{
	char name[ENDPOINT_KEY_SIZE];
	for (size_t i = 0; i < listening->endpoints.count; i++) {
		manager_name(&listening->endpoints.items[i], name);
		notify_forget(name);
	}
}

/* -- the start --------------------------------------------------------------------------------- */

/* The type of a bound socket of the internet, or -1; a listener of TCP must listen. */
static int manager_type(int fd, struct weir_address *ret)
{
	int type, listens = 0;
	socklen_t size = sizeof type, address_size = sizeof *ret;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
	        getsockname(fd, &ret->any, &address_size) < 0 ||
	        (ret->any.sa_family != AF_INET && ret->any.sa_family != AF_INET6))
		return -1;
	size = sizeof listens;
	if (type == SOCK_STREAM &&
	        (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens))
		return -1;
	return type == SOCK_STREAM || type == SOCK_DGRAM ? type : -1;
}

/* Finds or adds the endpoint of an address; the arrays have room. */
static size_t manager_endpoint(struct listening *listening, const struct weir_address *address)
{
	struct endpoint_list *list = &listening->endpoints;
	size_t at = 0;
	while (at < list->count && !weir_address_equal(&list->items[at].actual, address))
		at++;
	if (at == list->count)
		list->items[list->count++] = (struct endpoint){.type = listener_type_find("http"),
		        .wanted = *address,
		        .actual = *address,
		        .reserved = -1};
	return at;
}

static bool manager_take(struct listening *listening, int fd)
{
	struct weir_address address;
	int type = manager_type(fd, &address);
	if (type < 0)
		return false;
	size_t at = manager_endpoint(listening, &address);
	for (unsigned worker = 0; worker < listening->workers; worker++) {
		int *socket = listening_socket(listening, at, worker, type);
		if (*socket >= 0)
			continue;
		*socket = fd;
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		fcntl(fd, F_SETFL, O_NONBLOCK);
		return true;
	}
	return false;
}

int manager_adopt(struct listening *ret)
{
	unsigned count = notify_listeners();
	if (count == 0)
		return 0;
	/* At most one address for each socket, or one socket for each worker. */
	size_t sockets = 2 * (size_t)count * CONFIG_WORKERS_MAX;
	struct listening listening = {.admin = -1, .workers = CONFIG_WORKERS_MAX};
	listening.endpoints.items = calloc(count, sizeof *listening.endpoints.items);
	listening.sockets = calloc(sockets, sizeof *listening.sockets);
	if (!listening.endpoints.items || !listening.sockets) {
		free(listening.endpoints.items);
		free(listening.sockets);
		return -ENOMEM;
	}
	for (size_t i = 0; i < sockets; i++)
		listening.sockets[i] = -1;
	for (unsigned i = 0; i < count; i++)
		if (!manager_take(&listening, NOTIFY_LISTEN_FIRST + (int)i))
			close(NOTIFY_LISTEN_FIRST + (int)i);
	*ret = listening;
	return 0;
}
