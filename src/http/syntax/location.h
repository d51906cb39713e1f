/* Paths of the file tree as references, for Location and for lists of stored files. */
#ifndef WEIR_HTTP_LOCATION_H
#define WEIR_HTTP_LOCATION_H

#include <weir/buffer.h>
#include <weir/http.h>

/*
 * Appends "/" and the escaped segment for each segment of a normalized path; nothing for an empty
 * one. Returns 0, -ENOMEM, or WEIR_E_LIMIT if there would be more than `limit` bytes in all; the
 * buffer is undefined after an error.
 */
int http_location_put(struct weir_buffer *buffer, struct weir_span path, size_t limit);

/*
 * Appends, in that form, the request's path without its first `skip` bytes. The '/' of a directory
 * and the query follow, unchanged.
 */
int http_location_put_rest(struct weir_buffer *buffer, const struct weir_http_exchange *exchange,
        size_t skip, size_t limit);

#endif
