/* TYPE A of received files (RFC 959 3.1.1.1): CRLF becomes LF, and CR NUL becomes CR. */
#ifndef WEIR_FTP_ASCII_H
#define WEIR_FTP_ASCII_H

#include <stdbool.h>

#include <weir/span.h>

/* All zero at first. */
struct ftp_ascii {
	bool after_cr; /* A CR has come and has not been written yet. */
};

/* Converts `bytes` and passes the result to `write`. Returns 0, or the first error of `write`. */
int ftp_ascii_convert(struct ftp_ascii *ascii, struct weir_span bytes,
        int (*write)(void *context, struct weir_span bytes), void *context);

/* The end of the text. */
int ftp_ascii_end(struct ftp_ascii *ascii, int (*write)(void *context, struct weir_span bytes),
        void *context);

#endif
