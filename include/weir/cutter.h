/*
 * A cutter cuts input into requests by the terminator that is set. Every channel has one. Another
 * one can cut a stream inside a stream, such as the parts of a form within a request's body.
 *
 *   input ──▶ region: in place ──▶ scan ──▶ request(), piece(), overflow()
 *              └─ the partial request at its end is saved; the next input is appended to it
 *
 * So a request always lies in one stretch, each byte is new to a terminator only once, and a cutter
 * between requests owns no memory.
 *
 * Life cycle: weir_cutter_init, any number of weir_cutter_feed, weir_cutter_finish. A callback must
 * not free its cutter.
 */
#ifndef WEIR_CUTTER_H
#define WEIR_CUTTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/span.h>
#include <weir/terminator.h>

WEIR_C_BEGIN

struct weir_cutter;
struct weir_saved;

/* The callbacks. They may change the terminator, the mode and request_max. */
struct weir_cutter_type {
	/*
	 * A request is complete. Whole input: `request` is all of it, valid until this returns.
	 * Streamed input: piece() has got all of it, `request` is empty.
	 */
	void (*request)(struct weir_cutter *cutter, struct weir_span request);

	/* Streamed input: the next bytes, at least one, valid until this returns. */
	void (*piece)(struct weir_cutter *cutter, struct weir_span bytes);

	/*
	 * WEIR_E_LIMIT: a whole request is larger than request_max, and is dropped up to its end.
	 * WEIR_E_SYNTAX: the terminator refuses the input; nothing further is cut.
	 */
	void (*overflow)(struct weir_cutter *cutter, int error);

	/* Returns true if no callback may be called now: the input waits. NULL: it never waits. */
	bool (*held)(const struct weir_cutter *cutter);
};

struct weir_cutter {
	struct weir_terminator terminator;
	struct weir_saved *saved; /* the saved partial request; NULL if there is none */
	/* Bytes that piece() has got, or that were dropped of an overlong request. */
	uint64_t before;
	uint32_t request_max;
	bool streamed : 1; /* input goes to piece() */
	bool changed : 1;  /* the terminator is new and has not scanned yet */
	bool skipping : 1; /* drops an overlong request, up to its end */
	bool refused : 1;  /* a scan returned BAD */
};

WEIR_API void weir_cutter_init(
        struct weir_cutter *cutter, struct weir_terminator terminator, uint32_t request_max);

/*
 * Sets the terminator, from the very next byte on. `await` collects requests whole; `stream` passes
 * their bytes to piece() as they come.
 */
WEIR_API void weir_cutter_await(struct weir_cutter *cutter, struct weir_terminator terminator);
WEIR_API void weir_cutter_stream(struct weir_cutter *cutter, struct weir_terminator terminator);

/*
 * Cuts the saved input and then `input`, and saves the rest. `input` may be empty, to continue when
 * held() has become false. Returns 0 or -ENOMEM.
 */
WEIR_API int weir_cutter_feed(
        struct weir_cutter *cutter, const struct weir_cutter_type *type, struct weir_span input);

/* Returns true if a part of a request has come. */
WEIR_API bool weir_cutter_partial(const struct weir_cutter *cutter);

WEIR_API void weir_cutter_finish(struct weir_cutter *cutter);

/* -- the steps of weir_cutter_feed, for callers with work in between --------------------------- */

/* A stretch of input; the current request begins at data[0]. */
struct weir_region {
	const char *data;
	size_t size;
	size_t seen; /* bytes that were scanned, and in which the request does not end */
};

/* Puts `input` behind the saved input, and returns where to begin. Returns 0 or -ENOMEM. */
WEIR_API int weir_cutter_begin(
        struct weir_cutter *cutter, struct weir_span input, struct weir_region *ret);

/* Cuts until held() is true or no request is complete. */
WEIR_API void weir_cutter_cut(struct weir_cutter *cutter, const struct weir_cutter_type *type,
        struct weir_region *region);

/* Returns true if weir_cutter_cut would call a callback or scan. */
WEIR_API bool weir_cutter_pending(const struct weir_cutter *cutter,
        const struct weir_cutter_type *type, const struct weir_region *region);

/* Saves the rest of the region. Returns 0 or -ENOMEM. */
WEIR_API int weir_cutter_save(struct weir_cutter *cutter, const struct weir_region *region);

WEIR_C_END

#endif
