/* The entity-tag of a file: the same for whoever serves it and whoever replaces it. */
#ifndef WEIR_HTTP_ETAG_H
#define WEIR_HTTP_ETAG_H

#include <stddef.h>

struct weir_file;

#define WEIR_HTTP_ETAG_MAX 64

/* A strong tag with its quotes: "size-mtime", in hexadecimal, the time in nanoseconds. A NUL is
 * behind it, not counted. */
size_t http_etag_format(const struct weir_file *file, char text[WEIR_HTTP_ETAG_MAX]);

#endif
