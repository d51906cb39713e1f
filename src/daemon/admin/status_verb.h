/* weir status: the state of the running daemon on one page. */
#ifndef DAEMON_STATUS_VERB_H
#define DAEMON_STATUS_VERB_H

/* Returns an exit code. */
int status_verb(int count, char **arguments);

#endif
