/* weir queue: looks at what waits to be forwarded, has it tried at once, deletes. */
#ifndef DAEMON_QUEUE_H
#define DAEMON_QUEUE_H

/* `arguments` begin with the verb. An exit code. */
int queue(int count, char **arguments);

#endif
