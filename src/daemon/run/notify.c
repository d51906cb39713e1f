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

static void notify_send(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t size = path ? strlen(path) : 0;
	if (size < 2 || size >= sizeof address.sun_path || (*path != '/' && *path != '@'))
		return;
	memcpy(address.sun_path, path, size);
	if (*path == '@')
		address.sun_path[0] = 0; /* an abstract name */
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	ssize_t put =
	        sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address,
	                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size));
	(void)put;
	close(fd);
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

/* -- signs of life ----------------------------------------------------------------------------- */

/* Returns 0 if none are expected of this process. */
static int64_t notify_watchdog_ms(void)
{
	const char *time_us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	if (!time_us || (pid && atol(pid) != (long)getpid()))
		return 0;
	return strtoll(time_us, NULL, 10) / 1000 / NOTIFY_SIGNS;
}

static void notify_on_watchdog(struct weir_timer *timer)
{
	struct notify *notify = WEIR_CONTAINER(timer, struct notify, watchdog);
	notify_send("WATCHDOG=1\n");
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
