/*
 * A producer: a small object that yields a reply's bytes when it is asked. Only one method must be
 * there, `more`, and it is called only when the peer has room.
 *
 *   reply queue ──more()──▶ glob ──more()──▶ chunked ──more()──▶ gzip ──more()──▶ your generator
 *               ◀─pieces──       ◀─pieces──          ◀─pieces──       ◀─pieces──
 *
 * A wrapper owns the producer that it wraps: closing the outermost closes all. A wrapper's
 * constructor takes its child in any case. Without memory it closes the child and returns NULL; for
 * a child of NULL it returns NULL. So constructors nest, and only the outermost result needs a
 * check.
 *
 * Life cycle: a constructor (or weir_producer_init in your own), any number of calls of `more`, one
 * of `close`. All calls are made on one loop's thread; weir_waker wakes a producer from another.
 */
#ifndef WEIR_PRODUCER_H
#define WEIR_PRODUCER_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/output.h>

WEIR_C_BEGIN

struct weir_producer;

enum weir_more {
	WEIR_MORE,   /* bytes were put: ask again once the peer has taken them */
	WEIR_WAIT,   /* nothing further now; weir_wake will be called. Bytes put now are sent */
	WEIR_DONE,   /* the end. Bytes put now are sent; sticky */
	WEIR_FAILED, /* the rest cannot be made, and the peer must be able to notice; sticky */
};

enum weir_close_reason {
	WEIR_CLOSE_DONE,    /* the producer was done, and the peer has taken all it put */
	WEIR_CLOSE_FAILED,  /* the producer, or something beside it, has failed */
	WEIR_CLOSE_ABORTED, /* the peer went away, or the rest is not wanted */
};

struct weir_producer_type {
	const char *name;

	/*
	 * Puts bytes into `out`, at most its room, which is never 0. WEIR_MORE with nothing put is
	 * allowed up to WEIR_EMPTY_ASKS_MAX times in a row.
	 */
	enum weir_more (*more)(struct weir_producer *producer, struct weir_output *out);

	/*
	 * Frees the producer. It is called exactly once: after the kernel has taken the last byte,
	 * after an error, or after a disconnect. NULL: there is nothing to free.
	 */
	void (*close)(struct weir_producer *producer, enum weir_close_reason why);

	/*
	 * Returns how many bytes the producer will put in all, or -1 if that is unknown. It is
	 * called before the first `more`. NULL: unknown.
	 */
	int64_t (*size)(const struct weir_producer *producer);
};

/*
 * The owner of an outermost producer: the reply queue, or a test. `wake` only takes notice; it does
 * not call `more` itself.
 */
struct weir_waiter {
	void (*wake)(struct weir_waiter *waiter);
};

/* Embedded first in every producer. Only the functions below change the fields. */
struct weir_producer {
	const struct weir_producer_type *type;
	union {
		struct weir_waiter *waiter;   /* of the outermost; NULL before it is queued */
		struct weir_producer *parent; /* if `wrapped`: the wrapper */
	};
	uint64_t put;         /* bytes put so far */
	uint64_t taken;       /* of these, bytes that the peer is known to have taken */
	enum weir_more state; /* the last answer of more */
	bool wrapped;         /* by another producer, which owns it */
};

/* -- for producers ----------------------------------------------------------------------------- */

WEIR_API void weir_producer_init(
        struct weir_producer *producer, const struct weir_producer_type *type);

/* Makes `parent` the wrapper of `child`, so that a wake of the child reaches the outermost. */
WEIR_API void weir_producer_adopt(struct weir_producer *parent, struct weir_producer *child);

/*
 * Has the producer asked again after it has answered WEIR_WAIT. A wake from within `more`, before
 * that answer, counts too; one too many does no harm. On the loop's thread.
 */
WEIR_API void weir_wake(struct weir_producer *producer);

/* -- for owners of producers ------------------------------------------------------------------- */

/*
 * Calls `more`, and holds its contract, so that the code of a producer may be naive:
 *
 *   - Without room, `more` is not called, and the result is WEIR_MORE.
 *   - After WEIR_DONE or WEIR_FAILED, `more` is not called any more.
 *   - WEIR_MORE with nothing put is asked again, up to WEIR_EMPTY_ASKS_MAX times. Then the result
 *     is WEIR_WAIT, with a wake, so that others get their turn.
 *
 * So WEIR_MORE, where there was room, means that bytes were put. A call with room means that the
 * peer has taken all bytes put before.
 */
WEIR_API enum weir_more weir_producer_more(struct weir_producer *producer, struct weir_output *out);

/*
 * Closes and frees the producer. NULL is allowed. With WEIR_CLOSE_DONE all bytes put count as
 * taken; in other cases weir_producer_consumed, called before, records how many were.
 */
WEIR_API void weir_producer_close(struct weir_producer *producer, enum weir_close_reason why);

/* Records that the peer has taken all but the last `unsent` bytes put. Before an early close. */
WEIR_API void weir_producer_consumed(struct weir_producer *producer, uint64_t unsent);

/* Returns how many bytes the producer will put in all, or -1 if that is unknown. */
WEIR_API int64_t weir_producer_size(const struct weir_producer *producer);

/* -- waking from another thread ---------------------------------------------------------------- */

/*
 * A handle by which other threads wake a producer. A wake of a producer that was closed meanwhile
 * has no effect. The handle is counted: one reference is the producer's own, which its close gives
 * back by weir_waker_cancel; each thread that uses the handle has one more.
 */
struct weir_waker;

/* On the producer's loop. Returns NULL without memory. */
WEIR_API struct weir_waker *weir_waker_create(
        struct weir_loop *loop, struct weir_producer *producer);
/* Adds a reference. On any thread. */
WEIR_API struct weir_waker *weir_waker_hold(struct weir_waker *waker);
/* Gives a reference back; the last frees the handle. On any thread. */
WEIR_API void weir_waker_release(struct weir_waker *waker);
/* Has weir_wake called on the producer's loop, soon. On any thread that has a reference. */
WEIR_API void weir_waker_wake(struct weir_waker *waker);
/* From the producer's close: stops all wakes and gives the producer's reference back. */
WEIR_API void weir_waker_cancel(struct weir_waker *waker);

WEIR_C_END

#endif
