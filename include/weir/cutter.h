/*
 * A cutter cuts input into requests by the terminator that is set. Every channel has one; another
 * serves whoever has a stream inside a stream, as the parts of a form within a request's body.
 *
 *   input ──▶ region: in place ──▶ scan ──▶ request(), piece(), overflow()
 *              └─ what is left when nothing more can be cut is kept, and the next input appended
 *
 * So a request always lies in one stretch, a terminator never sees a byte as fresh twice, and a
 * cutter between requests owns no memory.
 *
 * Life cycle: weir_cutter_init, any number of weir_cutter_feed, weir_cutter_finish. Not to be freed
 * within its callbacks.
 */
#ifndef WEIR_CUTTER_H
#define WEIR_CUTTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/span.h>
#include <weir/terminator.h>

struct weir_cutter;
struct weir_kept;

/* Whom it calls. In a callback, terminator, mode and request_max may be changed. */
struct weir_cutter_type {
	/*
	 * A request is complete. Whole input: all of it, valid until this returns. Streamed input:
	 * all of it was given to piece(), `request` is empty.
	 */
	void (*request)(struct weir_cutter *cutter, struct weir_span request);

	/* Streamed input: the next bytes, never none, valid until this returns. */
	void (*piece)(struct weir_cutter *cutter, struct weir_span bytes);

	/*
	 * WEIR_E_LIMIT: a whole request is larger than request_max; it is dropped up to its end.
	 * WEIR_E_SYNTAX: the terminator refuses the input; nothing is cut any more.
	 */
	void (*overflow)(struct weir_cutter *cutter, int error);

	/* Nothing may be called now; the input waits. NULL: never. */
	bool (*held)(const struct weir_cutter *cutter);
};

struct weir_cutter {
	struct weir_terminator terminator;
	struct weir_kept *kept; /* NULL when nothing is */
	uint64_t before; /* bytes of a streamed request given, or of an overlong one dropped */
	uint32_t request_max;
	bool streamed : 1; /* input goes to piece() */
	bool changed : 1;  /* a terminator was set and has not been asked yet */
	bool skipping : 1; /* an overlong request, up to its end */
	bool refused : 1;  /* the terminator said BAD */
};

WEIR_API void weir_cutter_init(
        struct weir_cutter *cutter, struct weir_terminator terminator, uint32_t request_max);

/*
 * Sets the terminator for the very next byte: input is collected (await) or given as it comes
 * (stream).
 */
WEIR_API void weir_cutter_await(struct weir_cutter *cutter, struct weir_terminator terminator);
WEIR_API void weir_cutter_stream(struct weir_cutter *cutter, struct weir_terminator terminator);

/*
 * Cuts what was kept and then `input` (which may be empty, to go on after a hold), keeps what is
 * left. 0 or -ENOMEM.
 */
WEIR_API int weir_cutter_feed(
        struct weir_cutter *cutter, const struct weir_cutter_type *type, struct weir_span input);

/* Part of a request has come. */
WEIR_API bool weir_cutter_partial(const struct weir_cutter *cutter);

WEIR_API void weir_cutter_finish(struct weir_cutter *cutter);

/* -- feed in its steps, for who has something to do in between --------------------------------- */

/* A stretch of input; the current request begins at data[0]. */
struct weir_region {
	const char *data;
	size_t size;
	size_t seen; /* bytes that the terminator has scanned without finding the end */
};

/* Where cutting starts, with `input` behind what was kept. 0 or -ENOMEM. */
WEIR_API int weir_cutter_begin(
        struct weir_cutter *cutter, struct weir_span input, struct weir_region *ret);

/* Cuts as long as it is not held. */
WEIR_API void weir_cutter_cut(struct weir_cutter *cutter, const struct weir_cutter_type *type,
        struct weir_region *region);

/* Whether weir_cutter_cut would have something to do. */
WEIR_API bool weir_cutter_pending(const struct weir_cutter *cutter,
        const struct weir_cutter_type *type, const struct weir_region *region);

/* Keeps what is left. 0 or -ENOMEM. */
WEIR_API int weir_cutter_save(struct weir_cutter *cutter, const struct weir_region *region);

#endif
