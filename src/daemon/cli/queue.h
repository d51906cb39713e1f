/* weir queue: lists, retries and deletes the messages that wait to be forwarded. */
#ifndef DAEMON_QUEUE_H
#define DAEMON_QUEUE_H

/* `arguments` begin with the verb. Returns an exit code. */
int queue(int count, char **arguments);

#endif
