/* For verbs that work on a database: a configuration, a loop, and waiting for an end. */
#ifndef DAEMON_STORE_VERB_H
#define DAEMON_STORE_VERB_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/postgres.h>

#include "config.h"
#include "store.h"

struct weir_database;
struct weir_loop;

/* The configuration of a verb without -c. */
#define STORE_VERB_CONFIG "/etc/weir/weir.yaml"

/*
 * Reads the configuration, and leaves the files that it names unread, except the password of the
 * database. Returns NULL after messages.
 */
struct config *store_verb_read(const char *path);

/*
 * Reads the password and the key of `store`, which sources_skim leaves unread. Returns false after
 * messages, which begin with `path`, that of the configuration.
 */
bool store_verb_read_secrets(struct config *config, const char *path);

/* Whether there is a database, and for this part; if not, that was reported with the path. */
bool store_verb_is_there(const struct config *config, const char *path);
bool store_verb_has(const struct config *config, const char *path, enum config_store_part part);

/* A database in a loop of its own. */
struct store_verb {
	struct weir_loop *loop;
	struct weir_database *database;
	uint64_t wait_ms; /* of `store` */
	bool ended;
	bool failed;
};

/*
 * Opens the database of the configuration; root becomes the user of the server for that. Returns 0
 * or a negative errno, which was reported. store_verb_finish frees what it has in any case.
 */
int store_verb_begin(struct store_verb *verb, struct config *config);
void store_verb_finish(struct store_verb *verb);

/* A weir_database_done_fn for the struct: reports an error. */
void store_verb_done(void *context, int error, const char *text);

/*
 * For `weir check`; in store_check.c. store_check_begin asks the database, and returns whether it
 * has a problem. store_check_print prints a line for each part and each copy on disk.
 */
struct store_check {
	unsigned count;
	struct store_check_part {
		const char *name;
		const char *lack;             /* or NULL */
		char waits[STORE_WAITS_SIZE]; /* the same, of store_part_waits */
	} parts[STORE_PARTS];
	bool replied;
	bool problem;
	char why[WEIR_POSTGRES_WHY_MAX];   /* if it has not replied */
	char users[WEIR_POSTGRES_WHY_MAX]; /* why no server can use the users; or "" */
};

bool store_check_begin(struct store_check *check, struct config *config);
void store_check_print(const struct store_check *check, const struct config *config);

/*
 * Turns the loop until store_verb_done was called; `error` is what has started it. Returns whether
 * it succeeded; if not, that was reported.
 */
bool store_verb_wait(struct store_verb *verb, int error);

#endif
