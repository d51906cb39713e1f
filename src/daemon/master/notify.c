/*
 * The names of stored sockets are those of their keys (listening_key), with '_' for ':', which
 * names cannot have.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "listening.h"
#include "notify.h"
#include "service.h"

enum {
	LISTEN_FIRST = 3, /* SD_LISTEN_FDS_START */
	LISTEN_MAX = 4096,
	TEXT_MAX = 2048,
};

/* -- notifications ----------------------------------------------------------------------------- */

bool notify_active(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	return path && (*path == '/' || *path == '@') && path[1];
}

/* `fd` is sent along, or -1. */
static void notify_datagram(const char *text, int fd)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	if (!notify_active() || strlen(path) >= sizeof address.sun_path)
		return;
	memcpy(address.sun_path, path, strlen(path));
	if (*path == '@')
		address.sun_path[0] = 0; /* an abstract name */
	struct iovec piece = {(void *)(uintptr_t)text, strlen(text)};
	struct msghdr message = {.msg_name = &address,
	        .msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)),
	        .msg_iov = &piece,
	        .msg_iovlen = 1};
	if (fd >= 0) {
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof control.bytes;
	}
	int to = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (to < 0)
		return;
	ssize_t put = sendmsg(to, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)put;
	close(to);
}

void notify_send(const char *format, ...)
{
	char text[TEXT_MAX];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	notify_datagram(text, -1);
}

void notify_ready(const char *status)
{
	notify_send("READY=1\nSTATUS=%s\nMAINPID=%d\n", status, (int)getpid());
}

void notify_reloading(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	notify_send("RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reloading\n",
	        (unsigned long long)now.tv_sec * 1000000u +
	                (unsigned long long)now.tv_nsec / 1000u);
}

void notify_stopping(void)
{
	notify_send("STOPPING=1\nSTATUS=finishing the requests in flight\n");
}

void notify_status(const char *status)
{
	notify_send("STATUS=%s\n", status);
}

uint64_t notify_watchdog_us(void)
{
	const char *text = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	if (!text || (pid && atol(pid) != (long)getpid()))
		return 0;
	return strtoull(text, NULL, 10);
}

void notify_alive(void)
{
	notify_send("WATCHDOG=1\n");
}

/* -- stored sockets ---------------------------------------------------------------------------- */

static void notify_name(const struct endpoint *endpoint, char name[LISTENING_KEY_SIZE])
{
	listening_key(endpoint, 0, name);
	for (char *at = name; *at; at++)
		if (*at == ':' || *at == ' ')
			*at = '_';
}

static void notify_store_one(const char *name, int fd)
{
	char text[TEXT_MAX];
	snprintf(text, sizeof text, "FDSTORE=1\nFDNAME=%s\nFDPOLL=0\n", name);
	if (fd >= 0)
		notify_datagram(text, fd);
}

void notify_store(const struct listening *listening)
{
	char name[LISTENING_KEY_SIZE];
	for (size_t i = 0; notify_active() && i < listening->endpoints.count; i++) {
		notify_name(&listening->endpoints.items[i], name);
		for (unsigned worker = 0; worker < listening->workers; worker++) {
			notify_store_one(
			        name, *listening_socket(listening, i, worker, SOCK_STREAM));
			notify_store_one(name, *listening_socket(listening, i, worker, SOCK_DGRAM));
		}
	}
}

void notify_forget(const struct listening *listening)
{
	char name[LISTENING_KEY_SIZE];
	for (size_t i = 0; i < listening->endpoints.count; i++) {
		notify_name(&listening->endpoints.items[i], name);
		notify_send("FDSTOREREMOVE=1\nFDNAME=%s\n", name);
	}
}

/* -- sockets of the manager -------------------------------------------------------------------- */

/* The type of a bound socket of the internet, or -1; a listener of TCP must listen. */
static int notify_type(int fd, struct weir_address *ret)
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
static size_t notify_endpoint(struct listening *listening, const struct weir_address *address)
{
	struct endpoint_list *list = &listening->endpoints;
	size_t at = 0;
	while (at < list->count && !endpoint_same_address(&list->items[at].actual, address))
		at++;
	if (at == list->count)
		list->items[list->count++] = (struct endpoint){.type = listener_type_find("http"),
		        .wanted = *address,
		        .actual = *address,
		        .reserved = -1};
	return at;
}

static bool notify_take(struct listening *listening, int fd)
{
	struct weir_address address;
	int type = notify_type(fd, &address);
	if (type < 0)
		return false;
	size_t at = notify_endpoint(listening, &address);
	for (unsigned worker = 0; worker < listening->workers; worker++) {
		int *place = listening_socket(listening, at, worker, type);
		if (*place >= 0)
			continue;
		*place = fd;
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		fcntl(fd, F_SETFL, O_NONBLOCK);
		return true;
	}
	return false;
}

static unsigned notify_count_listeners(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	unsigned long number = count ? strtoul(count, NULL, 10) : 0;
	if (!pid || atol(pid) != (long)getpid() || number > LISTEN_MAX)
		return 0;
	return (unsigned)number;
}

int notify_listeners(struct listening *ret)
{
	unsigned count = notify_count_listeners();
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (count == 0)
		return 0;
	/* At most one address for each socket, or one socket for each worker. */
	size_t places = 2 * (size_t)count * CONFIG_WORKERS_MAX;
	struct listening listening = {.admin = -1, .workers = CONFIG_WORKERS_MAX};
	listening.endpoints.items = calloc(count, sizeof *listening.endpoints.items);
	listening.sockets = calloc(places, sizeof *listening.sockets);
	if (!listening.endpoints.items || !listening.sockets) {
		free(listening.endpoints.items);
		free(listening.sockets);
		return -ENOMEM;
	}
	for (size_t i = 0; i < places; i++)
		listening.sockets[i] = -1;
	for (unsigned i = 0; i < count; i++)
		if (!notify_take(&listening, LISTEN_FIRST + (int)i))
			close(LISTEN_FIRST + (int)i);
	*ret = listening;
	return 0;
}
