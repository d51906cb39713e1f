/*
 * The protocol of sd_notify(3): reports to systemd, or to another manager that names its socket in
 * NOTIFY_SOCKET, when the daemon is ready, reloads and ends, and that its loop runs. Without such a
 * manager nothing is sent. A report that cannot be sent at once is lost, so nothing blocks.
 */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include <weir/loop.h>

struct notify {
	struct weir_loop *loop;
	struct weir_timer watchdog; /* runs if the manager expects signs of life */
	int64_t period_ms;
};

/* Begins the signs of life, three in the time that WATCHDOG_USEC allows for one. */
void notify_start(struct notify *notify, struct weir_loop *loop);
void notify_stop(struct notify *notify);

/* The daemon serves; `status` is one line for people. Ends a reload, too. */
void notify_ready(const char *status);
void notify_reloading(void);
void notify_stopping(void);

#endif
