/*
 * Every transformer, each with a check of what it makes of its input: for tests that run over all
 * of them.
 */
#ifndef WEIR_TEST_SUBJECTS_H
#define WEIR_TEST_SUBJECTS_H

#include <weir/producer.h>
#include <weir/span.h>

struct subject {
	const char *name;
	struct weir_producer *(*wrap)(struct weir_producer *child);

	/*
	 * Whether `out` is what becomes of `in`: all of it, or (not whole) the child failed after
	 * `in`.
	 */
	bool (*check)(struct weir_span in, struct weir_span out, bool whole);
	bool ends_early; /* may be done though the child is not */
	bool compresses; /* by the loop's compressor */
};

extern const struct subject subjects[];
extern const unsigned subjects_count;

/* How often the hook of a subject was called, and with what it was last. */
extern int hooks_called;
extern uint64_t hook_bytes;

#endif
