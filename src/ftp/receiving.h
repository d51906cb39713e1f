/*
 * A file being received, for receive.c, which begins it, and receiving.c, which has the rest.
 */
#ifndef WEIR_FTP_RECEIVING_H
#define WEIR_FTP_RECEIVING_H

#include <weir/upload.h>

#include "ascii.h"
#include "entry.h"
#include "transfer.h"

struct ftp_receiving {
	struct ftp_transfer transfer;
	struct weir_upload *upload; /* NULL when it has ended */
	struct weir_timer timer;    /* the rate's */
	struct ftp_ascii ascii;
	bool text;   /* TYPE A */
	bool full;   /* the disk is behind */
	bool early;  /* the rate is */
	bool tapped; /* the upload takes the bytes from the socket itself … */
	bool taking; /* … now, and what is to be done waits for it */
	bool ended;  /* the end of the data came, or will not be waited for */
	bool keep;   /* it was broken off, and what came is of use */
	bool unique; /* STOU: the name may have to be another */
	uint8_t tries;
	bool disk;      /* it was the disk that … */
	int error;      /* … went wrong; 0: nothing did */
	uint64_t bytes; /* on the data connection */
	uint64_t rate;
	int64_t began_ms;
	struct weir_upload_options options;
	struct ftp_place *place; /* until the file is open */
	size_t path_size;        /* of its path, as asked for */
	size_t tree_size;
};

extern const struct ftp_transfer_type ftp_receiving_type;

/* The file cannot be written: whatever is still on its way is of no use. */
void ftp_receiving_fail(struct ftp_receiving *receiving, int error);

/* The disk is no longer behind. */
void ftp_receiving_go_on(struct ftp_receiving *receiving);

/* RFC 1123 4.1.2.9: `text` and the name that STOU's file has got, in `to`. */
struct weir_span ftp_receiving_named(
        const struct ftp_receiving *receiving, const char *text, char *to, size_t room);

#endif
