/* Text that comes: CRLF becomes LF (RFC 959 3.1.1.1), CR NUL becomes CR. */
#ifndef WEIR_FTP_ASCII_H
#define WEIR_FTP_ASCII_H

#include <stdbool.h>

#include <weir/span.h>

/* All zero at first. */
struct ftp_ascii {
	bool after_cr; /* a CR was seen and not passed on yet */
};

/* Gives what it makes of `bytes` to `write`: 0, or the error of `write`, which ends it. */
int ftp_ascii_take(struct ftp_ascii *ascii, struct weir_span bytes,
        int (*write)(void *context, struct weir_span bytes), void *context);

/* No more comes. */
int ftp_ascii_end(struct ftp_ascii *ascii, int (*write)(void *context, struct weir_span bytes),
        void *context);

#endif
