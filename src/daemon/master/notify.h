/*
 * The protocol of a service manager (sd_notify(3), sd_listen_fds(3)), without its library: states
 * in datagrams to the Unix socket in NOTIFY_SOCKET, and sockets that the manager has opened.
 */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct listening;

/* Whether there is a manager that wants notifications. */
bool notify_active(void);

/* Sends assignments, a line each. Failures are ignored: the manager has a time limit of its own. */
void notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The states of the master. */
void notify_ready(const char *status);
void notify_reloading(void);
void notify_stopping(void);
void notify_status(const char *status);

/* The time within which the manager expects a sign that the daemon is alive; 0: it does not. */
uint64_t notify_watchdog_us(void);
void notify_alive(void);

/*
 * Stores the listening sockets with the manager, or removes them from its store. They come back by
 * notify_listeners if the master crashes and is started again.
 */
void notify_store(const struct listening *listening);
void notify_forget(const struct listening *listening);

/*
 * Takes the sockets that the manager has opened or stored (LISTEN_FDS), as listeners of the
 * addresses to which they are bound. Sockets of no such kind are closed. Returns 0 or -ENOMEM.
 */
int notify_listeners(struct listening *ret);

#endif
