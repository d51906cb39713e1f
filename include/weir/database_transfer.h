/*
 * Moving mail, the queue, users and aliases from files into a database (weir/database.h), and back.
 *
 *   Maildirs, queue, users, aliases ── import ──▶ database ── export ──▶ the same in a directory
 *
 * A transfer may end at any moment, also by a kill, and goes on with another call. An import notes
 * each message in the transaction that inserts it (weir_imported). So it brings a message once,
 * even if that was read and removed since. It inserts users and aliases whose names are not there
 * yet. Front ends may use the database meanwhile, and Maildirs may be in use. An export leaves the
 * files that it finds, and adds those that are missing. A file is on the disk before it has its
 * name.
 *
 * In memory are some messages, up to 64 KiB of each; the names of the mailboxes under way; and the
 * ids of the queue.
 *
 * A transfer blocks its loop while it reads and writes files, so it needs a loop of its own. It
 * ends before the loop leaves the database.
 */
#ifndef WEIR_DATABASE_TRANSFER_H
#define WEIR_DATABASE_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/database.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_loop;

struct weir_database_transfer_counts {
	uint64_t total; /* messages or rows, as far as known */
	uint64_t done;  /* of these */
	uint64_t moved; /* messages or rows */
	uint64_t there; /* messages or rows that were there before */
	uint64_t failed;
	uint64_t octets; /* of the messages that were moved */
};

/* Begin with all zero. */
struct weir_database_transfer {
	struct weir_database *database;
	struct weir_loop *loop;
	/* From time to time; NULL: not called. */
	void (*progress)(void *context, const struct weir_database_transfer_counts *counts);
	/* Something is left out, and the transfer goes on. */
	void (*problem)(void *context, const char *what, const char *why);
	/* The end, with an error if the transfer has stopped. It follows a last `progress`. */
	weir_database_done_fn *done;
	void *context;
};

/*
 * Each function starts a transfer, and copies what it needs. It returns 0; -ENOMEM; -ENOENT or
 * another errno if `directory` cannot be opened; or an error of weir_database_pool. After an
 * error no callback comes.
 */

/*
 * Brings the mailboxes of a store of Maildirs: messages in their order, with their UIDLs and
 * dates. The date of a message is that of its name, if that is SECONDS.M<microseconds>P…; otherwise
 * the time of the file. A quota is not enforced. Flags are left behind.
 */
WEIR_API int weir_database_import_mail(
        const struct weir_database_transfer *transfer, const char *directory);

/*
 * Brings the messages of a queue of files (weir/mail_queue.h). Returns -EBUSY if a process serves
 * it; none can during the import. The files stay.
 */
WEIR_API int weir_database_import_queue(
        const struct weir_database_transfer *transfer, const char *directory);

/*
 * Brings the lines of a users file and of an aliases file, which were checked
 * (weir_users_parse, weir_mail_routes_parse). Either may be empty. The snapshots of front ends
 * follow.
 */
WEIR_API int weir_database_import_users(const struct weir_database_transfer *transfer,
        struct weir_span users, struct weir_span aliases);

/*
 * Writes Maildirs into the directory, which must exist. A store of Maildirs gives the messages the
 * same UIDLs. Dates are the times of the files.
 */
WEIR_API int weir_database_export_mail(
        const struct weir_database_transfer *transfer, const char *directory);

/*
 * Writes the messages of the queue into the directory, as a queue of files. It ends with -EBUSY
 * while a front end has claimed a message, which would be sent twice.
 */
WEIR_API int weir_database_export_queue(
        const struct weir_database_transfer *transfer, const char *directory);

WEIR_C_END

#endif
