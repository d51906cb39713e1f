/*
 * The key process of a configuration (key_process.h), as the master sees it. The master has both
 * ends of its sockets, so that a successor of a process that was killed has the same ones.
 */
#ifndef DAEMON_KEYS_H
#define DAEMON_KEYS_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include <weir/loop.h>

#include "config.h"
#include "grants.h"
#include "key_message.h"

struct keys {
	struct weir_loop *loop;
	int program; /* a descriptor of the executable file; borrowed */
	pid_t pid;   /* 0: none runs */
	int server[KEY_SOCKETS];
	int own[KEY_SOCKETS];
	char **paths; /* of the keys, in the order of the certificates; "": it has none */
	size_t count;
	char *seal; /* the path of the `secret-key-file`; "": none */
	char *user; /* opens the files; NULL: the master's */
	int64_t started_ms;
	struct weir_timer restart;
};

/*
 * Makes the sockets, adds the server's ends to the table, and starts the process. Stores NULL if
 * the configuration wants none. Returns 0 or a negative errno, which was reported.
 */
int keys_start(struct weir_loop *loop, int program, const struct config *config,
        struct grants *table, struct keys **ret);

/* The process has ended; another one starts. */
void keys_restart(struct keys *keys, int status);

/*
 * Closes the master's ends. The process ends when its servers have closed theirs. NULL is allowed.
 */
void keys_destroy(struct keys *keys);

/* -- for an upgrade: see upgrade.c -- */
/* Writes the lines from which keys_read makes it again, one after the other. NULL is allowed. */
void keys_write(const struct keys *keys, FILE *to);
bool keys_read(struct keys **keys, const char *line, struct weir_loop *loop, int program);
/* Whether the descriptors stay open over exec. NULL is allowed. */
void keys_keep_open(const struct keys *keys, bool keep);
/* Sets the descriptors of a table that was read. NULL is allowed. */
void keys_adopt_grants(const struct keys *keys, struct grants *table);

#endif
