/* Byte ranges (RFC 9110 14): which parts of a representation a Range field asks for. */
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
	struct http_range ranges[WEIR_HTTP_RANGES_MAX]; /* in the order asked for */
};

enum http_range_result {
	WEIR_HTTP_RANGE_IGNORED,       /* malformed, abusive or size is 0: send everything, 200 */
	WEIR_HTTP_RANGE_SATISFIABLE,   /* 206 */
	WEIR_HTTP_RANGE_UNSATISFIABLE, /* 416 */
};

/*
 * The ranges of the field's value, clipped to a representation of `size` bytes; those that overlap
 * or touch become one, in the place of the first of them. *ret_ranges is set for SATISFIABLE only.
 */
enum http_range_result http_range_parse(
        struct weir_span value, uint64_t size, struct http_ranges *ret_ranges);

#endif
