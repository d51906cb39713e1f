/*
 * Drains a producer as a channel would, and checks its contract: no more bytes than the room, lent
 * memory unchanged until the next ask, sticky ends, the announced size, a wake after each wait.
 *
 * The probe is a source that behaves as badly as the contract allows. The fuzz targets use both, so
 * neither uses cmocka.
 */
#ifndef WEIR_TEST_DRAIN_H
#define WEIR_TEST_DRAIN_H

#include <weir/buffer.h>
#include <weir/loop.h>
#include <weir/producer.h>

/* -- random numbers, the same for the same seed -- */

struct dice {
	uint64_t state;
	const uint8_t *bytes; /* of a fuzzer: used up first, then all is 0 */
	size_t size;
};

/* 0 to below - 1. */
unsigned dice_throw(struct dice *dice, unsigned below);

/* -- draining -- */

struct drain {
	struct weir_loop *loop;
	size_t room;      /* of each ask; 0: random */
	unsigned pieces;  /* free_pieces of each ask, up to 128; 0: random */
	size_t stop_at;   /* closes early once this many bytes are there; 0: never */
	size_t unsent;    /* then so many bytes of the last answer were not taken */
	struct dice dice; /* for what is random */

	struct weir_buffer bytes; /* the result; freed by drain_free */
	enum weir_more end;       /* how it ended; WEIR_MORE when closed early */
	unsigned asks;
	unsigned waits;
	size_t largest; /* bytes of the largest answer */
	bool woken;
	struct weir_waiter waiter;
};

/* Drains and closes. NULL, or what was wrong. */
const char *drain(struct drain *drain, struct weir_producer *producer);
void drain_free(struct drain *drain);

/* -- the probe -- */

enum probe_kind {
	PROBE_LEND,  /* memory that is freed at the next ask */
	PROBE_COPY,  /* scratch */
	PROBE_FILE,  /* extents of a file that is closed with the probe */
	PROBE_MIXED, /* any of these, and empty answers in between */
};

struct probe {
	struct weir_loop *loop;
	struct weir_span bytes; /* must outlive the producer */
	size_t step;            /* bytes an answer; 0: the whole room */
	bool waits;             /* waits after each answer */
	bool fails;             /* in the end, instead of being done */
	enum probe_kind kind;
	uint64_t seed;
};

struct weir_producer *probe_create(const struct probe *probe);

/* Probes that were made and are not yet closed: 0 at the end of every test. */
extern int probes_open;

/* A file without a name that has these bytes. */
int file_of(struct weir_span bytes);

#endif
