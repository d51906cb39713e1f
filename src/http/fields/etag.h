/* The entity-tag of a file, for replies with the file and for conditions of its replacement. */
#ifndef WEIR_HTTP_ETAG_H
#define WEIR_HTTP_ETAG_H

#include <stddef.h>

struct weir_file;

#define WEIR_HTTP_ETAG_MAX 64

/*
 * Writes a strong tag with its quotes: "size-mtime", in hexadecimal, the time in nanoseconds.
 * Returns its size without the NUL behind it.
 */
size_t http_etag_format(const struct weir_file *file, char text[WEIR_HTTP_ETAG_MAX]);

#endif
