/*
 * The listening sockets at the service manager, such as systemd: it opens some at the start (socket
 * activation), and stores all of them, so that connections wait if the master crashes.
 */
#ifndef DAEMON_MANAGER_H
#define DAEMON_MANAGER_H

struct listening;

/* Stores the sockets with the manager, or removes them from its store. */
void manager_store(const struct listening *listening);
void manager_forget(const struct listening *listening);

/*
 * Takes the sockets that the manager has opened or stored, as listeners of the addresses to which
 * they are bound. Sockets of no such kind are closed. Returns 0 or -ENOMEM.
 */
int manager_adopt(struct listening *ret);

#endif
