/*
 * The sockets of a configuration, which the master holds as long as the configuration is in effect:
 * those of TCP and UDP, one for each worker, and the admin socket. Server processes get duplicates,
 * so that connections wait in the kernel while one is replaced.
 *
 * Two of them share the sockets of addresses that both have, while a change is tried: each has
 * descriptors of its own.
 */
#ifndef DAEMON_LISTENING_H
#define DAEMON_LISTENING_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "endpoint.h"

struct grants;

struct listening {
	struct endpoint_list endpoints;
	int *sockets;     /* for each endpoint and worker: of TCP and of UDP, or -1 */
	unsigned workers; /* 0: nothing is open */
	int admin;        /* the admin socket, or -1 */
	char *admin_path;
	dev_t admin_device; /* the identity of its file */
	ino_t admin_inode;
};

/* The socket of an endpoint for a worker. `type` is SOCK_STREAM or SOCK_DGRAM. */
int *listening_socket(
        const struct listening *listening, size_t endpoint, unsigned worker, int type);

/*
 * Opens the sockets of a configuration. Addresses that `old` has, too, keep its sockets; it may be
 * all zero. Returns 0 or a negative errno, which was reported.
 */
int listening_open(const struct config *config, const struct listening *old, unsigned workers,
        struct listening *ret);

/*
 * Adds the sockets to the table; the descriptors stay those of `listening`. Returns 0 or an errno.
 */
int listening_grant(const struct listening *listening, struct grants *grants);

/*
 * Sets the descriptors of a table that was read, as one that another master has made: its sockets
 * are those of `listening`.
 */
void listening_adopt_grants(const struct listening *listening, struct grants *grants);

/* -- for an upgrade: listening_text.c -- */
/* Writes the lines from which listening_read makes it again, one after the other. */
void listening_write(const struct listening *listening, FILE *to);
struct listening_reading {
	struct listening *listening; /* which has nothing open at first */
	unsigned worker;             /* of the next sockets; 0 at first */
};
/* Returns false if the line is none of these, or without memory. */
bool listening_read(struct listening_reading *reading, const char *line);
/* Whether the descriptors stay open over exec. */
void listening_keep_open(const struct listening *listening, bool keep);

/* Closes the sockets. Removes the file of the admin socket unless `heir` has the same. */
void listening_close(struct listening *listening, const struct listening *heir);

#endif
