/*
 * The master: the process that the operator starts. It reads the configuration, binds the addresses
 * and opens what is configured, as the user that started it, often root. It speaks no protocol. A
 * server process, which is unprivileged and confined, gets descriptors from it and serves.
 *
 *   SIGHUP            reloads the configuration and the certificates, and reopens the logs
 *   SIGUSR1           reopens the logs, and nothing else
 *   SIGUSR2           upgrades: starts the program anew, and drains the server process that runs
 *   SIGTERM, SIGINT   finish the requests in flight and end; the second time, end at once
 *   others            as SIGTERM, where the default would end the process
 *
 * A server process that crashes is started again. At most two run: one serves, and one drains, or
 * is being started.
 */
#ifndef DAEMON_MASTER_H
#define DAEMON_MASTER_H

#include <stdbool.h>

struct options;

/* Serves until a signal ends it. `arguments` are those of `weir serve`. Returns an exit code. */
int master(const struct options *options, char **arguments);

/* Whether this process was executed by the master of another version, for an upgrade. */
bool master_is_resuming(void);

/*
 * The child process that tries this program for an upgrade: reads the configuration, and reports
 * that it can take over.
 */
int master_probe(int count, char **arguments);

#endif
