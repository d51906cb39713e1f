/*
 * Where `weir fetch` puts a reply: on the standard output, or in a file that appears whole or not
 * at all. On a terminal the progress is shown meanwhile.
 */
#ifndef DAEMON_FETCH_OUTPUT_H
#define DAEMON_FETCH_OUTPUT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include <weir/span.h>

struct fetch_output {
	const char *path; /* NULL: the standard output */
	int fd;           /* -1: not open yet */
	bool progress;    /* is shown on stderr */
	bool drawn;       /* a line of it is there */
	int64_t begun_ms;
	int64_t drawn_ms;
	int64_t total; /* bytes of the body; -1: unknown */
	uint64_t bytes;
	char temporary[PATH_MAX]; /* renamed to `path` at the end; "": `path` is written itself */
};

/* `path` is NULL for the standard output. Nothing is opened yet. */
void fetch_output_init(struct fetch_output *output, const char *path);

/* A body of `total` bytes, or -1, begins. Returns 0, or a negative errno, which was reported. */
int fetch_output_begin(struct fetch_output *output, int64_t total, int64_t now_ms);

/* Writes all of it, which may block. Returns 0, or a negative errno, which was reported. */
int fetch_output_write(struct fetch_output *output, struct weir_span bytes);

/* The next bytes of the body: writes them, and shows the progress. Returns the same. */
int fetch_output_add(struct fetch_output *output, struct weir_span bytes, int64_t now_ms);

/*
 * The end: `complete` lets the file appear, otherwise nothing is left of it. A second call has no
 * effect. Returns 0, or a negative errno, which was reported.
 */
int fetch_output_end(struct fetch_output *output, bool complete);

#endif
