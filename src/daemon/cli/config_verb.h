/* `weir config`: prints an annotated default configuration, completions and parts of documents. */
#ifndef DAEMON_CONFIG_VERB_H
#define DAEMON_CONFIG_VERB_H

/* Returns the exit code. */
int config_verb(int count, char **arguments);

#endif
