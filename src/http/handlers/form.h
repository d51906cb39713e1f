/* The two header values that uploads need: the boundary of multipart (RFC 2046 5.1.1) and the names
 * in a part's Content-Disposition (RFC 7578 4.2). */
#ifndef WEIR_HTTP_FORM_H
#define WEIR_HTTP_FORM_H

#include <stdbool.h>

#include <weir/span.h>

#define WEIR_HTTP_BOUNDARY_MAX 70

/*
 * Finds the boundary of a multipart/… Content-Type: 1 to 70 of RFC 2046's characters, the last no
 * space. *ret_boundary is in `buffer`. Returns 0, or WEIR_E_SYNTAX if the type is not multipart, or
 * has no such boundary, or two.
 */
int http_boundary_parse(struct weir_span content_type, char buffer[WEIR_HTTP_BOUNDARY_MAX],
        struct weir_span *ret_boundary);

struct http_disposition {
	struct weir_span name;
	struct weir_span filename; /* as sent, maybe with a path; data is NULL if not given */
};

/*
 * Parses Content-Disposition: form-data; name="…"; filename="…". Both spans are in `buffer`. A
 * backslash escapes only '"' and itself, since browsers do not escape others. filename* is ignored
 * (RFC 7578 4.2). Returns 0; WEIR_E_SYNTAX if the field is malformed, has no name, or repeats one;
 * or WEIR_E_LIMIT if it does not fit.
 */
int http_disposition_parse(struct weir_span value, char *buffer, size_t capacity,
        struct http_disposition *ret_disposition);

/* Returns the part behind the last '/' or '\'; nothing for the names "", "." and "..". */
struct weir_span http_filename_base(struct weir_span filename);

#endif
