/*
 * The admin socket: a Unix socket through which an operator talks to the running daemon. Its
 * commands are described in admin_command.h; `weir console` is the client.
 *
 *   admin_create ─ admin_register … ─ admin_listen ─ … admin_listen (a reload) … ─ admin_destroy
 *
 * Everything here belongs to the main thread. The socket file has mode 0600 and belongs to the user
 * that the daemon becomes; a client must be that user or root (SO_PEERCRED).
 */
#ifndef DAEMON_ADMIN_H
#define DAEMON_ADMIN_H

#include <stdbool.h>
#include <stddef.h>

#include "admin_command.h"

struct admin;
struct admin_http;
struct weir_loop;

enum {
	ADMIN_SESSIONS_MAX = 16,        /* clients at a time; another one is refused */
	ADMIN_IDLE_MS = 10 * 60 * 1000, /* between two commands */
	ADMIN_COMMAND_MS = 10 * 1000,   /* from the first byte of a command to its last */
	ADMIN_PROGRESS_MS = 30 * 1000,  /* a client that does not read its reply */
};

/*
 * `http` serves the clients of the socket that speak HTTP: those whose first byte is a capital
 * letter, which no command has. It is borrowed. Returns 0 or -ENOMEM.
 */
int admin_create(struct weir_loop *loop, struct admin_http *http, struct admin **ret);

/* Refuses HTTP from here on: it is about to be destroyed. */
void admin_stop_http(struct admin *admin);

/* Adds commands; `table` is borrowed. */
void admin_register(struct admin *admin, struct admin_table *table);

/*
 * Makes and binds an admin socket, as the user that the daemon becomes. Returns it, or a negative
 * errno, which was reported.
 */
int admin_bind_socket(const char *user, const char *path);

/*
 * Listens at `path` instead of where it listened; NULL: nowhere. The socket is made as `user` would
 * make it (NULL: as this process). A socket file that nobody listens on is replaced, any other file
 * is not. Returns 0 or a negative errno, which was logged; then nothing has changed.
 */
int admin_listen(struct admin *admin, const char *user, const char *path);

/* Returns the fault of the path for which no daemon could listen there, or NULL. */
const char *admin_path_fault(const char *path);

/*
 * Ends the sessions, removes the socket file and frees. Turns the loop. A request that is still
 * pending may end later, while the loop lives. NULL is allowed.
 */
void admin_destroy(struct admin *admin);

#endif
