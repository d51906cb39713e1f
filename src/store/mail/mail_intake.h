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
#ifndef WEIR_MAIL_INTAKE_H
#define WEIR_MAIL_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/buffer.h>
#include <weir/loop.h>
#include <weir/mail.h>

struct mail_intake;

struct mail_intake_type {
	size_t waiting_most; /* bytes that may wait before write returns WEIR_MAIL_FULL */

	/* Sees the bytes that were taken. */
	void (*taken)(struct mail_intake *intake, struct weir_span bytes);

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

	void (*ready)(void *context, int error);
	void *context;
	void (*done)(void *context, const int *errors);
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
void mail_intake_commit(struct weir_mail_delivery *delivery,
        void (*done)(void *context, const int *errors), void *context);
void mail_intake_abort(struct weir_mail_delivery *delivery);

/* The commit has ended: reports `errors` and frees. */
void mail_intake_finish(struct mail_intake *intake);

/* Ends the commit with the same error for every recipient. */
void mail_intake_fail(struct mail_intake *intake, int error);

#endif
