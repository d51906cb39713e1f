/* weir passwd: adds a user to a users file, changes a password, removes a user. */
#ifndef DAEMON_PASSWD_H
#define DAEMON_PASSWD_H

/* `arguments` begin with the verb. Returns an exit code. */
int passwd(int count, char **arguments);

#endif
