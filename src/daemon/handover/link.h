/*
 * The server process's side of its link to the master. The functions that open may be called from
 * any thread, and wait for the master; the others are for the main thread.
 */
#ifndef DAEMON_LINK_H
#define DAEMON_LINK_H

#include <stdbool.h>

#include "grants.h"
#include "handover.h"

/*
 * Takes the ends of both pairs of sockets, and the table, which is read and closed. Returns 0 or a
 * negative errno.
 */
int link_start(int requests, int control, int table);

/* Whether this process has a master. */
bool link_active(void);

/* The socket of the control messages, which the main loop closes; -1 without a master. */
int link_control(void);

/* The control socket was closed. */
void link_lose_control(void);

/* Sends a control message, from any thread. Failures show as the end of the control socket. */
void link_send(enum handover_kind kind, int result);

/* Has the master log by this process's weir_log_level, too. */
void link_send_log_level(void);

/*
 * Opens a thing of the table. Returns a descriptor, -ENOENT if the table does not have it, or the
 * errno of the master's failure.
 */
int link_open(enum grant_kind kind, const char *key);

/* For weir_set_file_opener: files that the table does not have are opened by this process. */
int link_open_file(const char *path);

/* The value of an entry of the table, or NULL. Valid until the table is replaced. */
const char *link_value(enum grant_kind kind, const char *key);

/* The table in effect. */
const struct grants *link_table(void);

/*
 * Reads a table that replaces the one in effect, for a reload; closes the descriptor. The old one
 * comes back by link_settle(false), and is freed by link_settle(true). Returns 0 or a negative
 * errno.
 */
int link_offer(int table);
void link_settle(bool commit);

/* Closes everything, for the end of the process. */
void link_end(void);

#endif
