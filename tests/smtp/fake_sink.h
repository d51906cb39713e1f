/* A sink in memory that fails, is full or is slow as the test wants, and records its input. */
#ifndef WEIR_TEST_FAKE_SINK_H
#define WEIR_TEST_FAKE_SINK_H

#include <weir/buffer.h>
#include <weir/loop.h>
#include <weir/mail.h>

struct fake_sink {
	struct weir_mail_sink base;

	/* Set by the test. */
	int begin_error;
	int write_error;
	size_t write_error_after; /* bytes */
	int ready_error;          /* reported instead of room, after a write that was full */
	bool always_full;
	bool slow;            /* commits wait for fake_sink_release */
	int results[8];       /* by recipient */
	int check_results[4]; /* for users whose names begin with a, b, c, d */
	bool slow_checks;     /* checks are answered from the loop */

	/* Recorded, of the message that began last. */
	unsigned begun, committed, aborted;
	unsigned held, released;
	uint64_t checked_size;
	unsigned open;               /* deliveries that are neither */
	struct weir_buffer envelope; /* as text: see fake_sink.c */
	struct weir_buffer bytes;
	struct weir_buffer waiting; /* of struct fake_delivery *, to be released */
};

struct fake_sink fake_sink_make(void);
void fake_sink_free(struct fake_sink *sink);

/* Continues slow commits. */
void fake_sink_release(struct fake_sink *sink);

/* With a NUL. */
const char *fake_sink_bytes(struct fake_sink *sink);
const char *fake_sink_envelope(struct fake_sink *sink);

#endif
