/*
 * A producer: a small object that yields a reply's bytes when it is asked, with one method that
 * matters, `more`. It is asked only when the peer has room.
 *
 *   reply queue ──more()──▶ glob ──more()──▶ chunked ──more()──▶ gzip ──more()──▶ your generator
 *               ◀─pieces──       ◀─pieces──          ◀─pieces──       ◀─pieces──
 *
 * Wrappers own what they wrap: closing the outermost closes all. A constructor of a wrapper takes
 * its child in any case: without memory it closes the child and returns NULL; given NULL for a
 * child it returns NULL. So constructors nest, and only the outermost result needs a check.
 *
 * Life cycle: a constructor (or weir_producer_init in your own), any number of more, one close.
 * Everything happens on one loop's thread; to wake from another, see weir_waker.
 */
#ifndef WEIR_PRODUCER_H
#define WEIR_PRODUCER_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/output.h>

struct weir_producer;

enum weir_more {
	WEIR_MORE,   /* put bytes into out; ask again once they have gone */
	WEIR_WAIT,   /* nothing further now (bytes put before it still go); weir_wake() follows */
	WEIR_DONE,   /* finished for good (bytes put before it still go); sticky */
	WEIR_FAILED, /* cannot be finished: the peer must be able to tell; sticky */
};

enum weir_close_reason {
	WEIR_CLOSE_DONE,    /* all it put was taken, and it was done */
	WEIR_CLOSE_FAILED,  /* it failed, or something beside it did (no memory) */
	WEIR_CLOSE_ABORTED, /* the peer went away, or nobody wants the rest */
};

struct weir_producer_type {
	const char *name;

	/*
	 * Puts up to the room of `out` and says how it goes on. The room is never 0. WEIR_MORE with
	 * nothing put is allowed (an empty piece is not the end), but not for ever.
	 */
	enum weir_more (*more)(struct weir_producer *producer, struct weir_output *out);

	/*
	 * Frees the producer. Called exactly once, whatever happens: after the last byte was taken
	 * by the kernel, on error, on disconnect. NULL when there is nothing to free.
	 */
	void (*close)(struct weir_producer *producer, enum weir_close_reason why);

	/*
	 * The bytes it will still put, all in all; -1 is unknown. NULL is unknown. Asked before the
	 * first more.
	 */
	int64_t (*size)(const struct weir_producer *producer);
};

/*
 * Who hears of the wake of an outermost producer: the reply queue, or a test. It asks later, not
 * from the wake.
 */
struct weir_waiter {
	void (*wake)(struct weir_waiter *waiter);
};

/* Embedded first in every producer. The fields are kept by weir_producer_more and its kin. */
struct weir_producer {
	const struct weir_producer_type *type;
	struct weir_producer *parent; /* the wrapper; NULL for the outermost */
	struct weir_waiter *waiter;   /* of the outermost; NULL before it is queued */
	uint64_t put;                 /* bytes put so far */
	uint64_t taken;       /* of these, bytes known to be taken by whom they were put for */
	enum weir_more state; /* what more answered last */
};

/* -- for whoever writes a producer ------------------------------------------------------------- */

WEIR_API void weir_producer_init(
        struct weir_producer *producer, const struct weir_producer_type *type);

/* Says that `child` is wrapped by `parent`, so that a wake of the child reaches the outermost. */
WEIR_API void weir_producer_adopt(struct weir_producer *parent, struct weir_producer *child);

/*
 * A producer that answered WEIR_WAIT, or is about to, can go on: a wake from inside `more` counts
 * too. From its own loop's thread; too many wakes do no harm.
 */
WEIR_API void weir_wake(struct weir_producer *producer);

/* -- for whoever asks one ---------------------------------------------------------------------- */

/*
 * Asks for more, and holds every contract so that a producer's own code stays naive: not asked
 * without room; WEIR_DONE and WEIR_FAILED are sticky; bytes are counted; an answer of WEIR_MORE
 * with nothing put is asked again, up to WEIR_EMPTY_ASKS_MAX times, then it is woken and waits, so
 * that others get their turn. So WEIR_MORE from here says that something was put (or that there was
 * no room). Asking, with room, says that everything put before was taken.
 */
WEIR_API enum weir_more weir_producer_more(struct weir_producer *producer, struct weir_output *out);

/*
 * Closes and frees. NULL is allowed. With WEIR_CLOSE_DONE all that was put counts as taken. Whoever
 * knows that part of it was taken says so before, in weir_producer_consumed.
 */
WEIR_API void weir_producer_close(struct weir_producer *producer, enum weir_close_reason why);

/* All but `unsent` bytes of what was put were taken. For who closes a producer early. */
WEIR_API void weir_producer_consumed(struct weir_producer *producer, uint64_t unsent);

/* The bytes it will still put, or -1. */
WEIR_API int64_t weir_producer_size(const struct weir_producer *producer);

/* -- waking from another thread ---------------------------------------------------------------- */

/*
 * A handle on a producer that other threads may hold: the producer can be closed while they do, the
 * wake is lost then, harmlessly. Counted: one reference is the producer's own, given back by
 * weir_waker_cancel (from its close); the others are taken and given back by whoever holds one.
 */
struct weir_waker;

/* On the producer's loop. NULL without memory. */
WEIR_API struct weir_waker *weir_waker_create(
        struct weir_loop *loop, struct weir_producer *producer);
/* Any thread. */
WEIR_API struct weir_waker *weir_waker_hold(struct weir_waker *waker);
/* Any thread. */
WEIR_API void weir_waker_release(struct weir_waker *waker);
/* Any thread that holds a reference: calls weir_wake on the producer's loop, soon. */
WEIR_API void weir_waker_wake(struct weir_waker *waker);
/* From the producer's close: no wake arrives any more; gives the producer's reference back. */
WEIR_API void weir_waker_cancel(struct weir_waker *waker);

#endif
