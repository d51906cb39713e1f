/* Byte ranges (RFC 9110 14): the parts of a representation that a Range field requests. */
#ifndef WEIR_HTTP_RANGE_H
#define WEIR_HTTP_RANGE_H

#include <weir/limits.h>
#include <weir/span.h>

struct http_range {
	uint64_t offset;
	uint64_t size; /* not 0; offset + size is within the representation */
};

struct http_ranges {
	unsigned count; /* at least 1; the ranges neither overlap nor touch each other */
	struct http_range ranges[WEIR_HTTP_RANGES_MAX]; /* in the order of the request */
};

enum http_range_result {
	WEIR_HTTP_RANGE_IGNORED,     /* malformed, abusive, or the size is 0: reply with all, 200 */
	WEIR_HTTP_RANGE_SATISFIABLE, /* 206 */
	WEIR_HTTP_RANGE_UNSATISFIABLE, /* 416 */
};

/*
 * Parses the field's value, and clips the ranges to a representation of `size` bytes. Ranges that
 * overlap or touch become one, at the position of the first. *ret_ranges is set for SATISFIABLE
 * only.
 */
enum http_range_result http_range_parse(
        struct weir_span value, uint64_t size, struct http_ranges *ret_ranges);

#endif
