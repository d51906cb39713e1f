/* Paths of the file tree as references: for Location, and for lists of what was stored. */
#ifndef WEIR_HTTP_LOCATION_H
#define WEIR_HTTP_LOCATION_H

#include <weir/buffer.h>
#include <weir/http.h>

/*
 * Appends "/" and the segment, escaped, for each segment of a cleaned path; nothing for an empty
 * one. 0, -ENOMEM or WEIR_E_LIMIT: more than `limit` bytes in all; what was appended is of no use
 * then.
 */
int http_location_put(struct weir_buffer *buffer, struct weir_span path, size_t limit);

/*
 * The same for what follows the first `skip` bytes of the request's path; with the '/' of a
 * directory, and the query as it came.
 */
int http_location_put_rest(struct weir_buffer *buffer, const struct weir_http_exchange *exchange,
        size_t skip, size_t limit);

#endif
