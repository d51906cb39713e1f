/*
 * Datagrams to the service manager's socket (sd_notify(3)). A message that cannot be sent is lost,
 * as the manager expects it.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "notify.h"

enum {
	NOTIFY_TEXT_SIZE = 256,
	NOTIFY_SIGNS = 3 /* in the time that is allowed for one */
};

/* `fd` is sent along, or -1. */
static void notify_send_with(const char *text, int fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t size = path ? strlen(path) : 0;
	if (size < 2 || size >= sizeof address.sun_path || (*path != '/' && *path != '@'))
		return;
	memcpy(address.sun_path, path, size);
	if (*path == '@')
		address.sun_path[0] = 0; /* an abstract name */
	struct iovec piece = {(void *)(uintptr_t)text, strlen(text)};
	struct msghdr message = {.msg_name = &address,
	        .msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size),
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
	int to = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (to < 0)
		return;
	ssize_t put = sendmsg(to, &message, MSG_NOSIGNAL);
	(void)put;
	close(to);
}

static void notify_send(const char *text)
{
	notify_send_with(text, -1);
}

void notify_ready(const char *status)
{
	char text[NOTIFY_TEXT_SIZE];
	snprintf(text, sizeof text, "READY=1\nSTATUS=%s\n", status);
	notify_send(text);
}

/* Type=notify-reload compares the time with that of its signal. */
void notify_reloading(void)
{
	char text[NOTIFY_TEXT_SIZE];
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=Reloading\n",
	        (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	notify_send(text);
}

void notify_stopping(void)
{
	notify_send("STOPPING=1\nSTATUS=Finishing the requests in flight\n");
}

void notify_status(const char *status)
{
	char text[NOTIFY_TEXT_SIZE];
	snprintf(text, sizeof text, "STATUS=%s\n", status);
	notify_send(text);
}

/* -- sockets ----------------------------------------------------------------------------------- */

void notify_store(const char *name, int fd)
{
	char text[NOTIFY_TEXT_SIZE];
	snprintf(text, sizeof text, "FDSTORE=1\nFDNAME=%s\nFDPOLL=0\n", name);
	notify_send_with(text, fd);
}

void notify_forget(const char *name)
{
	char text[NOTIFY_TEXT_SIZE];
	snprintf(text, sizeof text, "FDSTOREREMOVE=1\nFDNAME=%s\n", name);
	notify_send(text);
}

unsigned notify_listeners(void)
{
	const char *pid = getenv("LISTEN_PID"), *text = getenv("LISTEN_FDS");
	unsigned long count = text ? strtoul(text, NULL, 10) : 0;
	if (!pid || atol(pid) != (long)getpid() || count > NOTIFY_LISTEN_MAX)
		count = 0;
	/* They are not for the processes that this one starts. */
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return (unsigned)count;
}

/* -- signs of life ----------------------------------------------------------------------------- */

int64_t notify_watchdog_ms(void)
{
	const char *time_us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	if (!time_us || (pid && atol(pid) != (long)getpid()))
		return 0;
	return strtoll(time_us, NULL, 10) / 1000 / NOTIFY_SIGNS;
}

void notify_alive(void)
{
	notify_send("WATCHDOG=1\n");
}

static void notify_on_watchdog(struct weir_timer *timer)
{
	struct notify *notify = WEIR_CONTAINER(timer, struct notify, watchdog);
	notify_alive();
	weir_timer_start(notify->loop, timer, notify->period_ms, notify_on_watchdog);
}

void notify_start(struct notify *notify, struct weir_loop *loop)
{
	notify->loop = loop;
	notify->period_ms = notify_watchdog_ms();
	if (notify->period_ms > 0)
		weir_timer_start(loop, &notify->watchdog, notify->period_ms, notify_on_watchdog);
}

void notify_stop(struct notify *notify)
{
	weir_timer_stop(&notify->watchdog);
}
