/*
 * The processes that the master starts are the program itself, with another verb:
 *
 *   @server   a server process (process.h)
 *   @acme     the process that obtains certificates (acme_process.h)
 *   @keys     the key process of a configuration (keys.h)
 *   @probe    the trial of a new program, for an upgrade
 */
#ifndef DAEMON_CHILD_H
#define DAEMON_CHILD_H

/*
 * The user opens what the user may read. Root opens the rest, through no link that another user
 * could have made: a server in the hands of an attacker could replace a file of its own by one.
 * Returns a descriptor or a negative errno.
 */
int child_open_file(const char *user, const char *path);

/*
 * Makes the arguments of a process of this program: "weir", the verb, its value, and `rest` up to
 * its NULL. Returns an array that is freed with free(), and points to the strings; or NULL.
 */
char **child_arguments(const char *verb, const char *value, const char *const *rest);

/*
 * In a child: becomes `user` (confine_become) and the program with these arguments. NULL arguments
 * stand for no memory. Any failure ends the child.
 */
_Noreturn void child_execute(int program, char **arguments, const char *user);

#endif
