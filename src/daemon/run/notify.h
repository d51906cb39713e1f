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

enum {
	NOTIFY_LISTEN_FIRST = 3, /* the first descriptor of sd_listen_fds(3) */
	NOTIFY_LISTEN_MAX = 4096,
};

/* Begins the signs of life, three in the time that WATCHDOG_USEC allows for one. */
void notify_start(struct notify *notify, struct weir_loop *loop);
void notify_stop(struct notify *notify);

/* The daemon serves; `status` is one line for people. Ends a reload, too. */
void notify_ready(const char *status);
void notify_reloading(void);
void notify_stopping(void);
/* One line for people, while nothing else changes. */
void notify_status(const char *status);

/* The time between two signs of life; 0 if none are expected of this process. */
int64_t notify_watchdog_ms(void);
void notify_alive(void);

/*
 * Gives a descriptor to the manager, which returns it with notify_listeners if this process crashes
 * and is started again; or has it close those of a name. A name has no ':' and no control
 * characters.
 */
void notify_store(const char *name, int fd);
void notify_forget(const char *name);

/* How many sockets the manager has handed over at this start, from NOTIFY_LISTEN_FIRST on. */
unsigned notify_listeners(void);

#endif
