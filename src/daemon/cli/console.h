/* weir console: a client of the admin socket. */
#ifndef DAEMON_CONSOLE_H
#define DAEMON_CONSOLE_H

#include <limits.h>
#include <stdbool.h>

struct weir_buffer;

/*
 * For other verbs that ask the daemon: stores the path of the socket, which is `socket` or that of
 * the configuration `config` (NULL: the usual one); not both are given. Returns 0, or an exit code
 * after a message.
 */
int console_find(const char *verb, const char *config, const char *socket, char ret[PATH_MAX]);

/* Sends a command and prints its reply. Returns whether it succeeded; if not, it was reported. */
bool console_command(const char *path, const char *line);

/* Sends a command, and appends the lines of its reply to `ret`. Returns as console_command. */
bool console_ask(const char *path, const char *line, struct weir_buffer *ret);

/* `arguments` begin with the verb. An exit code. */
int console(int count, char **arguments);

#endif
