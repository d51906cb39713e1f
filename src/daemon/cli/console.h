/* weir console: a client of the admin socket. */
#ifndef DAEMON_CONSOLE_H
#define DAEMON_CONSOLE_H

/* `arguments` begin with the verb. An exit code. */
int console(int count, char **arguments);

/* weir upgrade: sends the command of that name. */
int console_upgrade(int count, char **arguments);

#endif
