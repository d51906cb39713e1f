/*
 * A message on its way into a sink, the same for every sink that keeps files: its bytes wait in
 * memory, and the work pool writes them. What a commit is, the sink says.
 *
 *   IDLE ◀─▶ WRITING      IDLE ─ commit ─▶ COMMITTING ─▶ (done) ─▶ ENDING ─▶ freed
 *     └─ abort ─▶ ENDING    └─ error ─▶ FAILING ─▶ (done) ─▶ ENDING
 *
 * Invariant: while the state is WRITING, COMMITTING or ENDING, the file is the work pool's; and
 * `waiting` too once it is COMMITTING.
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
	size_t waiting_most; /* bytes that may wait: the writer is told to stop there */

	/* A look at bytes that were taken. */
	void (*taken)(struct mail_intake *intake, struct weir_span bytes);

	/* On the work pool: puts them into the file, which it opens if need be. 0 or an errno. */
	int (*write)(struct mail_intake *intake, struct weir_span bytes);

	/*
	 * Begins to put the message, of which `waiting` is to be written yet, where it belongs. 0:
	 * mail_intake_finish follows, not from within; else a negative errno.
	 */
	int (*commit)(struct mail_intake *intake);

	bool (*is_open)(const struct mail_intake *intake);
	/* On the work pool: closes the file; what was not committed is gone. */
	void (*close)(struct mail_intake *intake);
	/* What the sink has added, the block of the intake with it. */
	void (*free)(struct mail_intake *intake);
};

enum mail_intake_state {
	INTAKE_IDLE,
	INTAKE_WRITING,
	INTAKE_COMMITTING,
	INTAKE_HELD,    /* committed and told; the sink waits to be told whether it counts */
	INTAKE_FAILING, /* committed, and an error is to be told */
	INTAKE_ENDING,
};

struct mail_intake {
	struct weir_mail_delivery base;
	const struct mail_intake_type *type;
	struct weir_work work; /* the sink's while it is COMMITTING */
	struct weir_task task; /* tells an error from the loop */
	struct weir_loop *loop;
	enum mail_intake_state state;
	bool aborted;
	bool full;      /* write answered so: ready is owed */
	bool told;      /* the caller knows of the error */
	bool finishing; /* commit was called */
	int error;      /* the first, and final */
	int result;     /* of the work */

	void (*ready)(void *context, int error);
	void *context;
	void (*done)(void *context, const int *errors);
	void *done_context;

	uint64_t size; /* bytes taken */
	uint64_t most; /* … that may be */
	struct weir_buffer waiting;
	struct weir_buffer writing;

	size_t count;
	int *errors; /* one a recipient */
};

/* Of struct weir_mail_sink_type. */
int mail_intake_write(struct weir_mail_delivery *delivery, struct weir_span bytes);
void mail_intake_commit(struct weir_mail_delivery *delivery,
        void (*done)(void *context, const int *errors), void *context);
void mail_intake_abort(struct weir_mail_delivery *delivery);

/* The commit has come to its end, well or not: tells `errors`, and frees. */
void mail_intake_finish(struct mail_intake *intake);

/* The same error for every recipient. */
void mail_intake_fail(struct mail_intake *intake, int error);

#endif
