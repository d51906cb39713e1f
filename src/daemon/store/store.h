/*
 * The database of `store`: the process has one, with a pool of connections for each loop. The
 * stores of the parts ask here whether they are in it.
 *
 *   serve ─▶ store_open ─▶ config->store.database ─▶ store_database(config, STORE_QUEUE)
 *
 * A loop that may have used it leaves it (weir_database_leave) before it ends: workers and the main
 * loop do.
 */
#ifndef DAEMON_STORE_H
#define DAEMON_STORE_H

#include <stdbool.h>

#include <weir/postgres.h>

#include "config.h"

struct node;
struct reader;
struct weir_database;
struct weir_database_guard;
struct weir_database_part;

enum {
	/* A start waits so long for a database that does not reply, for all parts together. */
	STORE_START_MS = 2000,
	/* So long for the rows of one that does, for copies on disk, and if it has no users. */
	STORE_LOAD_MS = 10000,
};

/* How long a start waits for the database: STORE_START_MS, or less if `wait` is less. */
uint32_t store_start_ms(const struct config *config);

/* Their names, in the configuration and in the schema. */
extern const char *const store_part_names[STORE_PARTS];

/* The parts that the configuration has in the database: bits by enum config_store_part. */
unsigned store_parts(const struct config *config);
/* Whether this one is among them. */
bool store_has(const struct config *config, enum config_store_part part);

/*
 * Returns the database of the process for a part, not held; NULL if the part is in files. It lives
 * as long as the process serves.
 */
struct weir_database *store_database(const struct config *config, enum config_store_part part);

/* In place of the name of the process's user, where nothing connects. */
#define STORE_ANY_USER "weir"

/*
 * Sets the options of a pool. `user` is the name of the user that the process is or becomes. The
 * texts are borrowed.
 */
void store_options(
        const struct config *config, const char *user, struct weir_postgres_options *ret);

/*
 * Makes the database; NULL if everything is in files. Nothing is connected yet. Call it before the
 * process is confined. Returns 0 or a negative errno, which was reported.
 */
int store_open(const struct config *config, struct weir_database **ret);

/*
 * Returns why this program cannot use a part of the schema as it is in the database, and what to
 * do; NULL if it can.
 */
const char *store_part_lack(const struct weir_database_part *part);

/*
 * Whether this program can use the part, but for what is new since then, and a migration is due.
 * Stores what to do.
 */
bool store_part_waits(const struct weir_database_part *part, char *ret, size_t size);

enum {
	STORE_WAITS_SIZE = 160
};

/* Whether these parts include this part of the schema. */
bool store_parts_include(unsigned parts, const struct weir_database_part *part);

/* The first line of a `secret-key-file`. */
enum {
	STORE_SEAL_SIZE = 32,
	STORE_SEAL_LINE = 46, /* with a line end and a NUL */
};
#define STORE_SEAL_MISTAKE                                                                         \
	"the first line must be 32 bytes in base64, as `openssl rand -base64 32` makes them"

/* Decodes the line, which has no line end any more. Returns false if it is none. */
bool store_parse_seal(const char *text, unsigned char ret[STORE_SEAL_SIZE]);

/*
 * Reads the key that encrypts secrets (`secret-key-file`), and sets `sealed`. A mistake was made a
 * problem at the node that names the file, which may be NULL.
 */
void store_read_seal(struct reader *reader, const struct node *node, struct config_store *store);

/*
 * Shares the counts of the guard with the other front ends, if the users are in the database; NULL
 * otherwise. Returns 0 or -ENOMEM.
 */
int store_share_guard(
        struct weir_loop *loop, const struct config *config, struct weir_database_guard **ret);

/* Has the loop leave it. NULL is allowed. */
void store_leave(struct weir_database *database, struct weir_loop *loop);

/* Whether both have the same parts in the same database, reached in the same way. */
bool store_same(const struct config *a, const struct config *b);

/* The things that a process has in memory of the database, each with a copy on disk. */
enum store_snapshot {
	STORE_SNAPSHOT_USERS,
	STORE_SNAPSHOT_ZONES, /* with the keys of TSIG */
	STORE_SNAPSHOT_COOKIES,
	STORE_SNAPSHOT_CERTIFICATES,
	STORE_SNAPSHOT_TICKETS,
	STORE_SNAPSHOTS,
};

extern const struct store_snapshot_row {
	const char *name;   /* in reports; and of the copy, in `directory` */
	const char *source; /* in the database: the snapshot, or the purpose of shared secrets */
	enum config_store_part part;
} store_snapshots[STORE_SNAPSHOTS];

/*
 * Makes the path of a copy on disk; the caller frees it. Stores NULL without 'directory'. Returns 0
 * or -ENOMEM, which was reported.
 */
int store_copy_path(const struct config *config, enum store_snapshot which, char **ret);

/* Reports what is wrong with a copy. */
void store_on_copy_warning(void *context, const char *text);

/* A short text for an error of a store of mail, in files or in the database. */
const char *store_error_text(int error);

/* The purposes of the secrets that front ends share; see weir/database_secrets.h. */
#define STORE_SECRET_TICKET "ticket"
#define STORE_SECRET_COOKIE "cookie"

/*
 * Whether a key process has the `secret-key-file`: this process asks it to encrypt and to decrypt
 * secrets then, and has the key nowhere.
 */
bool store_seals_elsewhere(const struct config *config);

/*
 * Has the key process of this configuration do so from now on; for the main thread. NULL: none, at
 * the end.
 */
void store_use_keys(const struct config *config);

/* A short text for an error of weir_database_unseal. */
const char *store_secret_text(int error);

#endif
