/*
 * An upload: upload.c takes its steps, and upload_queue.c holds the bytes that wait for the disk.
 * On the work pool, temporary.c, in_place.c and upload_splice.c open, write and publish the file.
 *
 * The state names the work that is on the pool. Each time that an upload is idle, the caller's last
 * request decides the next state.
 *
 *   OPENING ─▶ IDLE ◀─▶ WRITING, SPLICING
 *               │
 *               ├─ commit ─▶ COMMITTING ─▶ done() ─▶ ENDING ─▶ freed
 *               ├─ commit, after an error ─▶ done() ──▶ ENDING
 *               └─ abort ────────────────────────────▶ ENDING
 */
#ifndef WEIR_UPLOAD_STATE_H
#define WEIR_UPLOAD_STATE_H

#include <sys/uio.h>

#include <weir/upload.h>

#include "directory_entry.h"
#include "tree_state.h"

/* -- the file, for the work pool --------------------------------------------------------------- */

/* The file that an upload is written to until it is complete. */
struct temporary {
	struct directory_entry entry; /* the final name */
	int fd;
	uint64_t size;            /* written so far */
	uint64_t expected;        /* in all; 0: not known */
	uint64_t reserved;        /* of these, bytes that have reserved disk space */
	mode_t mode;              /* of a new file */
	uint64_t writeback_begun; /* of these, bytes that are being written to the disk */
	char hidden[24];          /* the temporary name; empty: none */
	/* Of the directory. */
	dev_t device;
	ino_t inode;
	/* Of a file that is written in place: its state before. */
	uint64_t before; /* bytes, without those that were cut off */
	bool created;    /* the file did not exist */
	bool published;
};

/*
 * Opens a file for an upload. The path must stay valid. Returns 0 or an error of
 * weir_upload_begin.
 */
int temporary_open(struct temporary *temporary, const struct open_rules *rules, const char *path,
        const struct weir_upload_options *options);

/* Appends the pieces; `pieces` is changed. Returns 0 or an errno. */
int temporary_write(struct temporary *temporary, struct iovec *pieces, unsigned count);

/*
 * The result of a splice. `end` is 0, 1 at the end of the data, or a negative errno of the
 * socket.
 */
struct spliced {
	uint64_t size;
	int end;
};

/*
 * In upload_splice.c: appends what a socket has, up to `most` bytes. Returns 0 or an errno of the
 * file.
 */
int temporary_splice(struct temporary *temporary, int socket, uint64_t most, struct spliced *ret);

/* Starts writeback of what was appended, if it is enough. */
void temporary_start_writeback(struct temporary *temporary);

/* Syncs the file, and gives it its final name. See weir_upload_commit. */
int temporary_publish(struct temporary *temporary, const struct open_rules *rules, const char *path,
        const struct weir_upload_options *options, bool *ret_created);

/* In in_place.c: open, publish and close a file that is written in place. */
int in_place_open(struct temporary *temporary, const struct open_rules *rules, const char *path,
        const struct weir_upload_options *options);
int in_place_publish(struct temporary *temporary, bool *ret_created);
void in_place_close(struct temporary *temporary);

/* Closes the file, and removes it if it was not published. */
void temporary_close(struct temporary *temporary);

/* Removes leftovers of killed processes from the directory. */
void temporary_sweep(const struct temporary *temporary);

/* -- the upload -------------------------------------------------------------------------------- */

enum {
	UPLOAD_CHUNK = 64 * 1024
};

enum upload_state {
	UPLOAD_OPENING,    /* The work pool opens the file. */
	UPLOAD_IDLE,       /* The work pool has nothing of the upload. */
	UPLOAD_WRITING,    /* It writes the chunks in `writing`. */
	UPLOAD_SPLICING,   /* It moves bytes from the source into the file. */
	UPLOAD_COMMITTING, /* It gives the file its name. */
	UPLOAD_ENDING,     /* It closes what is open. No callback comes any more. */
};

/* The caller's last request. Each value replaces those before it. */
enum upload_request {
	UPLOAD_OPEN,   /* more bytes may come */
	UPLOAD_COMMIT, /* weir_upload_commit was called */
	UPLOAD_ABORT,  /* weir_upload_abort was called, or done() */
};

struct upload_chunk {
	struct upload_chunk *next;
	size_t size;
	size_t capacity;
	char data[];
};

struct weir_upload {
	struct weir_work work;
	struct weir_task task; /* takes the first step of a commit, from the loop */
	struct weir_tree *tree;
	enum upload_state state;
	enum upload_request request;
	int error;           /* the first, and final */
	bool error_reported; /* to the caller */
	bool full;           /* WEIR_UPLOAD_FULL was returned; ready() follows when there is room */
	bool ready_pending;  /* the file is open, and ready() has not been called */
	bool sweep;          /* the last work also removes leftovers of other uploads */
	bool created;        /* by the commit: nothing had the name before */

	weir_upload_ready_fn *ready;
	void *context;
	weir_upload_done_fn *done;
	void *done_context;

	struct weir_upload_options options;
	uint64_t size;              /* bytes accepted */
	size_t queued;              /* of these, bytes in chunks */
	struct upload_chunk *first; /* waiting, oldest first */
	struct upload_chunk *last;
	struct upload_chunk *writing; /* the work pool's */
	struct upload_chunk *spare;   /* full ones that were written: memory for the next */
	struct weir_timer timer;      /* ends the gathering of small writes */

	int source;             /* the socket to splice from, or -1 */
	uint64_t splice_max;    /* bytes to be spliced now; 0: none */
	struct spliced spliced; /* by the work pool */
	weir_upload_spliced_fn *on_spliced;

	struct temporary temporary;
	int result; /* of the work */
	char path[];
};

/* -- upload_queue.c ---------------------------------------------------------------------------- */

/* Copies the bytes into chunks. Returns 0, WEIR_E_LIMIT or -ENOMEM. */
int upload_queue_put(struct weir_upload *upload, struct weir_span bytes);

/* Removes what was written from the queue. */
void upload_queue_pop(struct weir_upload *upload);

void upload_queue_free(struct weir_upload *upload);

/* The most bytes that the upload accepts. */
uint64_t upload_max(const struct weir_upload *upload);

#endif
