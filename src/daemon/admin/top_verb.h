/* weir top: the connections of the running daemon, on a terminal page. */
#ifndef DAEMON_TOP_VERB_H
#define DAEMON_TOP_VERB_H

/* Returns an exit code. */
int top_verb(int count, char **arguments);

#endif
