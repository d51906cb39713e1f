/*
 * The mail queue in a database (weir/mail_queue.h): any number of front ends put messages into it,
 * and each of them claims those that are due.
 *
 *   front end 1 ── sink ──▶ weir_queue, …_message, …_recipient, weir_body_chunk ◀── claim ── relay
 *   front end 2 ── sink ──▶          (weir/database.h)                          ◀── claim ── relay
 *
 * A claim is a lease of `lease_s`, which is renewed while the message is being sent. A front end
 * that dies loses its claims by time, and the others send its messages. A lease that could not be
 * renewed is lost when two thirds of it have passed: no transaction begins then, and one that is
 * under way is aborted, unless only the last reply is missing. So two front ends never send one
 * message at a time, if the last third is as long as a server may take for that reply. Times are
 * those of the database's clock; a front end measures the length of a lease by its own.
 *
 * A message is committed by one transaction, with its recipients and the last chunk of its body.
 * While the database is away, nothing can be put or claimed. The states of messages that were sent
 * meanwhile stay in memory until they can be stored.
 *
 * A front end knows of its own messages at once, and looks for those of others every `poll_s`.
 */
#ifndef WEIR_DATABASE_QUEUE_H
#define WEIR_DATABASE_QUEUE_H

#include <stdint.h>

#include <weir/api.h>
#include <weir/database.h>
#include <weir/mail_queue.h>

WEIR_C_BEGIN

/* Begin with weir_database_queue_options_init. */
struct weir_database_queue_options {
	uint64_t message_max;  /* bytes; WEIR_MAIL_MESSAGE_MAX */
	unsigned messages_max; /* of all front ends, approximately; WEIR_QUEUE_MESSAGES_MAX */
	uint32_t lease_s;      /* at least 2; WEIR_QUEUE_LEASE_S */
	uint32_t poll_s;       /* WEIR_QUEUE_POLL_S */
	/*
	 * For unnamed files of the messages that are being sent; copied. NULL: they are in memory.
	 */
	const char *directory;
};

/* Sets every member to its default. */
WEIR_API void weir_database_queue_options_init(struct weir_database_queue_options *options);

/*
 * Opens the queue of a database, of which it takes a reference. Nothing is connected yet. Returns
 * 0; -EINVAL if an option has a value that cannot work; or -ENOMEM.
 *
 * Every loop that uses it leaves the database (weir_database_leave) after its deliveries have
 * ended; the loop that listens, after the queue is closed.
 */
WEIR_API int weir_database_queue_open(struct weir_database *database,
        const struct weir_database_queue_options *options, struct weir_mail_queue **ret);

WEIR_C_END

#endif
