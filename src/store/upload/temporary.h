/* The file that an upload is written to until it is complete. For the work pool. */
#ifndef WEIR_TEMPORARY_H
#define WEIR_TEMPORARY_H

#include <sys/uio.h>

#include <weir/upload.h>

#include "directory_entry.h"

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
 * Appends what a socket has, up to `most` bytes: see upload_splice.c. Returns 0 or an errno of
 * the file.
 */
int temporary_splice(struct temporary *temporary, int socket, uint64_t most, struct spliced *ret);

/* Starts writeback of what was appended, if it is enough. */
void temporary_start_writeback(struct temporary *temporary);

/* Syncs the file, and gives it its final name. See weir_upload_commit. */
int temporary_publish(struct temporary *temporary, const struct open_rules *rules, const char *path,
        const struct weir_upload_options *options, bool *ret_created);

/* Open, publish and close a file that is written in place: see in_place.c. */
int file_in_place_open(struct temporary *temporary, const struct open_rules *rules,
        const char *path, const struct weir_upload_options *options);
int file_in_place_publish(struct temporary *temporary, bool *ret_created);
void file_in_place_close(struct temporary *temporary);

/* Closes the file, and removes it if it was not published. */
void temporary_close(struct temporary *temporary);

/* Removes leftovers of killed processes from the directory. */
void temporary_sweep(const struct temporary *temporary);

#endif
