/*
 * Landlock: the kernel refuses this process, and everything that it starts, what no rule allows.
 * The rules are made from a configuration: its directories, and the ports of the servers that it
 * asks.
 */
#ifndef DAEMON_LANDLOCK_H
#define DAEMON_LANDLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct config;

enum {
	LANDLOCK_PATHS_MAX = 8192,
	LANDLOCK_PORTS_MAX = 1024,
};

struct landlock_path {
	char *path;   /* of a directory or a file */
	bool write;   /* files in it may be written, made and removed */
	dev_t device; /* the identity of what was there */
	ino_t inode;
};

/* The needs of a configuration. */
struct landlock_plan {
	struct landlock_path *paths;
	size_t path_count;
	uint16_t ports[LANDLOCK_PORTS_MAX]; /* to connect to by TCP */
	size_t port_count;
	uint16_t bind_port; /* of the admin address; 0: none */
	bool any_connect;   /* to any port: FTP's active mode */
	bool any_bind;      /* FTP's passive ports */
	bool unix_connect;  /* to Unix sockets, which Landlock does not refuse but seccomp does */
	bool incomplete;    /* a bound was reached, or there was no memory */
};

/* Makes the plan, which landlock_plan_finish frees. */
void landlock_plan(const struct config *config, struct landlock_plan *ret);
/* That of the process that obtains certificates. */
void landlock_plan_acme(const struct config *config, struct landlock_plan *ret);
void landlock_plan_finish(struct landlock_plan *plan);

/* Whether a process that was confined by one plan can serve the other. */
bool landlock_covers(const struct landlock_plan *plan, const struct landlock_plan *other);

/* The version that the kernel has; 0 if it has none, or one that moving files needs more than. */
int landlock_version(void);

/* Confines the calling thread, and those that it starts. Returns 0 or a negative errno. */
int landlock_apply(const struct landlock_plan *plan);

#endif
