/*
 * A message on its way into a sink, for all sinks that store files: its bytes wait in memory, and
 * the work pool writes them. The sink defines the commit.
 *
 *   IDLE ◀─▶ WRITING      IDLE ─ commit ─▶ COMMITTING ─▶ (done) ─▶ ENDING ─▶ freed
 *     └─ abort ─▶ ENDING    └─ error ─▶ FAILING ─▶ (done) ─▶ ENDING
 *
 * Invariant: in the states WRITING, COMMITTING and ENDING the file belongs to the work pool; in
 * COMMITTING `waiting` does, too.
 */
#ifndef WEIR_MAIL_MESSAGE_H
#define WEIR_MAIL_MESSAGE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/buffer.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/mail.h>
#include <weir/mail_store.h>
#include <weir/span.h>

#include "refcount.h"

/* -- mail_intake.c ----------------------------------------------------------------------------- */

struct mail_intake;

struct mail_intake_type {
	size_t waiting_most; /* bytes that may wait before write returns WEIR_MAIL_FULL */

	/* Sees the bytes that were taken. */
	void (*consumed)(struct mail_intake *intake, struct weir_span bytes);

	/*
	 * On the work pool: writes the bytes to the file, and opens it first if needed. Returns 0
	 * or an errno.
	 */
	int (*write)(struct mail_intake *intake, struct weir_span bytes);

	/*
	 * Begins the commit; `waiting` has still to be written. Returns 0 if mail_intake_finish
	 * follows, not during the call, or a negative errno.
	 */
	int (*commit)(struct mail_intake *intake);

	bool (*is_open)(const struct mail_intake *intake);
	/* On the work pool: closes the file; what was not committed is removed. */
	void (*close)(struct mail_intake *intake);
	/* Frees what the sink has added, with the intake's memory. */
	void (*free)(struct mail_intake *intake);
};

enum mail_intake_state {
	INTAKE_IDLE,
	INTAKE_WRITING,
	INTAKE_COMMITTING,
	INTAKE_HELD,    /* committed and reported; waits for release or abort */
	INTAKE_FAILING, /* committed, and an error has to be reported */
	INTAKE_ENDING,
};

struct mail_intake {
	struct weir_mail_delivery base;
	const struct mail_intake_type *type;
	struct weir_work work; /* the sink's while COMMITTING */
	struct weir_task task; /* reports an error from the loop */
	struct weir_loop *loop;
	enum mail_intake_state state;
	bool aborted;
	bool full;      /* write has returned WEIR_MAIL_FULL: ready must follow */
	bool reported;  /* the error has been reported */
	bool finishing; /* commit has been called */
	int error;      /* the first, which is final */
	int result;     /* of the work */

	weir_mail_ready_fn *ready;
	void *context;
	weir_mail_done_fn *done;
	void *done_context;

	uint64_t size; /* bytes that were taken */
	uint64_t most; /* bytes that may be taken */
	struct weir_buffer waiting;
	struct weir_buffer writing;

	size_t count;
	int *errors; /* one for each recipient */
};

/* These are functions of struct weir_mail_sink_type. */
int mail_intake_write(struct weir_mail_delivery *delivery, struct weir_span bytes);
void mail_intake_commit(
        struct weir_mail_delivery *delivery, weir_mail_done_fn *done, void *context);
void mail_intake_abort(struct weir_mail_delivery *delivery);

/* The commit has ended: reports `errors` and frees. */
void mail_intake_finish(struct mail_intake *intake);

/* Ends the commit with the same error for every recipient. */
void mail_intake_fail(struct mail_intake *intake, int error);

/* -- mail_name.c ------------------------------------------------------------------------------- */

/* The file names of a Maildir, and the scan of a message for its name. */

enum {
	MAIL_NAME_SIZE = 256 /* of a buffer for a name, with its NUL */
};

/* The parts of a name. */
struct mail_name {
	struct weir_span unique; /* before the fields and the flags */
	uint64_t stored;         /* S=: bytes of the file */
	uint64_t octets;         /* W=: bytes with CRLF line ends */
	bool measured;           /* both are present */
	bool dotless; /* D=0: see struct weir_mail_body; the last line is complete, too */
};

void mail_name_parse(struct weir_span name, struct mail_name *ret);

/* Whether a text can be a UIDL (RFC 1939 7). */
bool mail_uid_is_good(struct weir_span text);

/* Makes the UIDL from a unique part: that itself, or a hash of it if it does not qualify. */
void mail_name_uid(struct weir_span unique, char ret[static WEIR_MAIL_UID_MAX + 1]);

/* A message, scanned piece by piece from its first byte; all zero at first. */
struct mail_scan {
	uint64_t stored; /* bytes so far */
	uint64_t bare;   /* LFs without a CR before them */
	bool dotted;     /* a line begins with a dot */
	bool unix_lines; /* set by the caller: LF alone ends a line, too */
	char last[2];    /* the last two bytes; zero counts as a line end */
};

void mail_scan(struct mail_scan *scan, struct weir_span bytes);

/* Whether the last line is complete. */
bool mail_scan_ended(const struct mail_scan *scan);

/*
 * Makes a new name for a message that was scanned to its end. Returns 0, or -EIO without random
 * numbers.
 */
int mail_name_make(const struct mail_scan *scan, char ret[static MAIL_NAME_SIZE]);

/* -- mailboxes in memory, for mail_memory*.c --------------------------------------------------- */

enum {
	MEMORY_POINTER = sizeof(void *) /* a list of messages consists of these */
};

struct memory_message {
	struct refcount references;
	struct mail_scan scan;
	struct weir_buffer bytes;
	uint64_t number;
};

struct memory_box {
	struct weir_list link;       /* in the store's boxes */
	struct weir_buffer messages; /* of struct memory_message *, oldest first */
	uint64_t octets;
	bool open;
	size_t user_size;
	char user[];
};

struct mail_memory {
	struct weir_mail_store base;
	struct refcount references;
	struct weir_mail_store_options options;
	pthread_mutex_t lock; /* covers the fields below */
	struct weir_list boxes;
	uint64_t last_number;
};

void mail_memory_message_release(struct memory_message *message);

size_t mail_memory_message_count(const struct weir_buffer *messages);

struct memory_message **mail_memory_messages_of(const struct weir_buffer *messages);

void mail_memory_messages_free(struct weir_buffer *messages);

/* Finds or creates a mailbox; NULL without memory. With the lock held. */
struct memory_box *mail_memory_find(struct mail_memory *memory, struct weir_span user);

void mail_memory_release(struct mail_memory *memory);

void mail_memory_open(struct weir_mail_store *store, struct weir_loop *loop, struct weir_span user,
        struct weir_mail_call *call, weir_mail_opened_fn *done);

void mail_memory_info(const struct weir_maildrop *base, size_t index, struct weir_mail_info *ret);

void mail_memory_fetch(struct weir_maildrop *base, size_t index, struct weir_mail_call *call,
        weir_mail_fetched_fn *done);

void mail_memory_remove(struct weir_maildrop *base, const uint8_t *marks,
        struct weir_mail_call *call, weir_mail_removed_fn *done);

void mail_memory_cancel(struct weir_mail_call *call);

void mail_memory_close(struct weir_maildrop *base);

#endif
