/* The files of an import and an export that weir/database_transfer.h does not read or write. */
#ifndef DAEMON_STORE_FILES_H
#define DAEMON_STORE_FILES_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include <weir/buffer.h>
#include <weir/span.h>

struct config;
struct store_verb;

/* -- users and aliases ------------------------------------------------------------------------- */

struct store_users_files {
	struct weir_buffer users, aliases;
};

/* Reads and checks the files that the configuration names. Returns false after messages. */
bool store_files_read_users(const struct config *config, struct store_users_files *files);
void store_files_free_users(struct store_users_files *files);

/* Writes the files users and aliases, and counts both. Returns false after messages. */
bool store_files_write_users(
        struct store_verb *verb, const char *directory, uint64_t *ret_users, uint64_t *ret_aliases);

/*
 * Report an error of a file that an import reads, or an export writes. If the user of the server
 * lacks rights, the message has the command that gives them. Return false.
 */
bool store_files_unread(const char *path, int error);
bool store_files_unwritten(const char *path, int error);

/* Replaces a file in one step. Returns false after a message. */
bool store_files_write(const char *directory, const char *name, struct weir_span text);

/* -- the directory of an export ---------------------------------------------------------------- */

struct store_export {
	char path[PATH_MAX];   /* of the part */
	char marker[PATH_MAX]; /* exists until the part is complete */
	int fd;                /* of the marker, which is locked */
};

/* Makes the directory, if it is not there. Returns false after a message. */
bool store_files_make_export(const char *directory);

/*
 * Makes the part's own directory if `own`. Returns false after messages, also if the part is there
 * and was not left unfinished, or if another process is exporting it.
 */
bool store_files_begin_export(const char *directory, const char *name, const char *file, bool own,
        struct store_export *ret);
/* Ends an export that has begun. */
bool store_files_end_export(struct store_export *export, bool complete);

#endif
