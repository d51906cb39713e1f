/* An upload, for upload.c, which takes its steps, and upload_queue.c, which keeps its bytes. */
#ifndef WEIR_UPLOAD_STATE_H
#define WEIR_UPLOAD_STATE_H

#include "temporary.h"
#include "tree_state.h"

enum {
	UPLOAD_CHUNK = 64 * 1024
};

enum upload_state {
	UPLOAD_OPENING,
	UPLOAD_IDLE,
	UPLOAD_WRITING,
	UPLOAD_TAKING,
	UPLOAD_COMMITTING,
	UPLOAD_ENDING,
};

struct upload_chunk {
	struct upload_chunk *next;
	size_t size;
	size_t capacity;
	char data[];
};

struct weir_upload {
	struct weir_work work;
	struct weir_task task; /* runs commit's first step, from the loop */
	struct weir_tree *tree;
	enum upload_state state;
	int error;        /* the first, and final */
	bool told;        /* the caller knows of it */
	bool full;        /* write answered so; ready is owed */
	bool opened_owed; /* … and the first ready */
	bool finishing;   /* commit was called */
	bool aborted;
	bool sweep;

	void (*ready)(void *context, int error);
	void *context;
	void (*done)(void *context, int error, bool created);
	void *done_context;

	struct weir_upload_options options;
	uint64_t size;              /* bytes taken */
	size_t queued;              /* of these, bytes in chunks */
	struct upload_chunk *first; /* waiting, oldest first */
	struct upload_chunk *last;
	struct upload_chunk *writing; /* the work pool's */
	struct upload_chunk *spare;   /* full ones that were written: memory for the next */
	struct weir_timer timer;      /* what has come is not gathered any longer */

	int source;         /* a socket that is taken from, or -1 */
	uint64_t most;      /* to be taken now; 0: nothing is */
	struct taken taken; /* by the work */
	void (*told_taken)(void *context, uint64_t size, int end);

	struct temporary temporary;
	int result; /* of the work */
	bool created;
	char path[];
};

/* -- upload_queue.c -- */

/* Copies the bytes into chunks. 0, WEIR_E_LIMIT or -ENOMEM. */
int upload_queue_put(struct weir_upload *upload, struct weir_span bytes);
/* What was written has left the queue. */
void upload_queue_pop(struct weir_upload *upload);
void upload_queue_free(struct weir_upload *upload);
/* How many bytes may come at all. */
uint64_t upload_max(const struct weir_upload *upload);

#endif
