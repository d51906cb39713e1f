/* The file an upload is written to until it is whole. For the work pool. */
#ifndef WEIR_TEMPORARY_H
#define WEIR_TEMPORARY_H

#include <sys/uio.h>

#include <weir/upload.h>

#include "directory_entry.h"

struct temporary {
	struct directory_entry place; /* of the final name */
	int fd;
	uint64_t size;     /* written so far */
	uint64_t expected; /* in all; 0: not known */
	uint64_t reserved; /* of these, bytes that have their room on the disk */
	mode_t mode;       /* of a new file */
	uint64_t kicked;   /* of these, bytes whose writing to the disk was begun */
	char hidden[24];   /* the name it has meanwhile; empty: none */
	/* Which directory it is in. */
	dev_t device;
	ino_t inode;
	/* In place: what there was before. */
	uint64_t before; /* bytes, less what was cut off */
	bool created;    /* nothing */
	bool published;
};

/* The path must stay as it is. 0 or an error of weir_upload_begin. */
int temporary_open(struct temporary *temporary, const struct open_rules *rules, const char *path,
        const struct weir_upload_options *options);

/* Appends the pieces, which are changed meanwhile. 0 or an errno. */
int temporary_write(struct temporary *temporary, struct iovec *pieces, unsigned count);

/* What was taken from a socket, and how that ended: 0, 1 at its end, or a negative errno of it. */
struct taken {
	uint64_t size;
	int end;
};

/* Appends what a socket has, up to `most` bytes: see take.c. 0 or an errno of the file. */
int temporary_take(struct temporary *temporary, int socket, uint64_t most, struct taken *ret);

/* Begins to write to the disk what was appended, once it is much. */
void temporary_kick(struct temporary *temporary);

/* Syncs it, and gives it its final name. See weir_upload_commit. */
int temporary_publish(struct temporary *temporary, const struct open_rules *rules, const char *path,
        const struct weir_upload_options *options, bool *ret_created);

/* The same for a file that is written to where it is: see in_place.c. */
int file_in_place_open(struct temporary *temporary, const struct open_rules *rules,
        const char *path, const struct weir_upload_options *options);
int file_in_place_publish(struct temporary *temporary, bool *ret_created);
void file_in_place_close(struct temporary *temporary);

/* Closes; what was not published is gone. */
void temporary_close(struct temporary *temporary);

/* Removes what killed processes have left in the directory. */
void temporary_sweep(const struct temporary *temporary);

#endif
