/* The two header values that uploads need: the boundary of multipart (RFC 2046 5.1.1) and the names
 * in a part's Content-Disposition (RFC 7578 4.2). */
#ifndef WEIR_HTTP_FORM_H
#define WEIR_HTTP_FORM_H

#include <stdbool.h>

#include <weir/span.h>

#define WEIR_HTTP_BOUNDARY_MAX 70

/*
 * The boundary of a multipart/… Content-Type: 1 to 70 of RFC 2046's characters, the last no space.
 * 0 or WEIR_E_SYNTAX (not multipart, or no such boundary, or two). *ret_boundary is in `buffer`.
 */
int http_boundary_parse(struct weir_span content_type, char buffer[WEIR_HTTP_BOUNDARY_MAX],
        struct weir_span *ret_boundary);

struct http_disposition {
	struct weir_span name;
	struct weir_span filename; /* as sent, maybe with a path; data is NULL if not given */
};

/*
 * Content-Disposition: form-data; name="…"; filename="…". Both spans are in `buffer`. A backslash
 * escapes only '"' and itself, since browsers send others as they are. filename* is ignored (RFC
 * 7578 4.2). 0; WEIR_E_SYNTAX (malformed, no name, one of them twice); WEIR_E_LIMIT (does not fit).
 */
int http_disposition_parse(struct weir_span value, char *buffer, size_t capacity,
        struct http_disposition *ret_disposition);

/* What follows the last '/' or '\'. Empty for names that are none: "", "." and "..". */
struct weir_span http_filename_base(struct weir_span filename);

#endif
