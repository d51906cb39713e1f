/* A sink in memory that does as it is told: fails, is full, takes its time; and remembers. */
#ifndef WEIR_TEST_FAKE_SINK_H
#define WEIR_TEST_FAKE_SINK_H

#include <weir/buffer.h>
#include <weir/loop.h>
#include <weir/mail.h>

struct fake_sink {
	struct weir_mail_sink base;

	/* What it is to do. */
	int begin_error;
	int write_error;
	size_t write_error_after; /* bytes */
	int ready_error;          /* told instead of room, after a write that was full */
	bool always_full;
	bool slow;            /* commits wait for fake_sink_release */
	int results[8];       /* by recipient */
	int check_results[4]; /* of the first characters of users a, b, c, d */
	bool slow_checks;     /* these are told from the loop */

	/* What it has seen; of the message that began last. */
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

/* Lets slow commits go on. */
void fake_sink_release(struct fake_sink *sink);

/* Ended by NUL. */
const char *fake_sink_bytes(struct fake_sink *sink);
const char *fake_sink_envelope(struct fake_sink *sink);

#endif
