/*
 * Ranges. Overlapping ones are merged, so a reply is never larger than the whole representation and
 * at most WEIR_HTTP_RANGES_MAX heads of parts.
 */
#include <weir/error.h>

#include "fields.h"
#include "helper.h"
#include "syntax.h"

enum spec {
	SPEC_RANGE,
	SPEC_NOTHING,
	SPEC_MALFORMED
};

/* A number too large for 64 bits is beyond any representation, but well-formed. */
static bool http_range_get_position(struct weir_span text, uint64_t *ret)
{
	int error = weir_span_number(text, 10, ret);
	if (error == WEIR_E_LIMIT)
		*ret = UINT64_MAX;
	return error != WEIR_E_SYNTAX;
}

/* first-[last], or -count from the end. */
static enum spec http_range_parse_spec(struct weir_span spec, uint64_t size, struct http_range *ret)
{
	struct weir_span head;
	uint64_t first, last = UINT64_MAX;
	if (!weir_span_cut(&spec, '-', &head))
		return SPEC_MALFORMED;
	if (head.size == 0) {
		if (!http_range_get_position(spec, &last))
			return SPEC_MALFORMED;
		last = min_of(last, size);
		*ret = (struct http_range){size - last, last};
		return last ? SPEC_RANGE : SPEC_NOTHING;
	}
	if (!http_range_get_position(head, &first) ||
	        (spec.size && !http_range_get_position(spec, &last)) || last < first)
		return SPEC_MALFORMED;
	if (first >= size)
		return SPEC_NOTHING;
	last = min_of(last, size - 1);
	*ret = (struct http_range){first, last - first + 1};
	return SPEC_RANGE;
}

/* Merges `b` into `a` if they overlap or touch. */
static bool http_range_merge(struct http_range *a, const struct http_range *b, unsigned *overlaps)
{
	uint64_t a_end = a->offset + a->size, b_end = b->offset + b->size;
	if (a->offset > b_end || b->offset > a_end)
		return false;
	if (a->offset < b_end && b->offset < a_end)
		++*overlaps;
	a->offset = min_of(a->offset, b->offset);
	a->size = max_of(a_end, b_end) - a->offset;
	return true;
}

/* One pass is enough: a range that touches none of the merged ones does not touch their union. */
static void http_range_add(struct http_ranges *ranges, struct http_range range, unsigned *overlaps)
{
	unsigned count = 0, slot = 0;
	bool merged = false;
	for (unsigned i = 0; i < ranges->count; i++) {
		if (!http_range_merge(&range, &ranges->ranges[i], overlaps)) {
			ranges->ranges[count++] = ranges->ranges[i];
		} else if (!merged) {
			merged = true;
			slot = count++;
		}
	}
	if (!merged)
		slot = count++;
	ranges->ranges[slot] = range;
	ranges->count = count;
}

enum http_range_result http_range_parse(
        struct weir_span value, uint64_t size, struct http_ranges *ret_ranges)
{
	struct http_ranges ranges;
	struct http_range range;
	struct weir_span unit, spec;
	unsigned specs = 0, overlaps = 0;
	ranges.count = 0;
	if (!weir_span_cut(&value, '=', &unit) || !weir_span_equal_nocase(unit, WEIR_SPAN("bytes")))
		return WEIR_HTTP_RANGE_IGNORED;
	for (bool more = true; more;) {
		more = weir_span_cut(&value, ',', &spec);
		spec = weir_span_trim(spec);
		if (spec.size == 0) /* empty elements are ignored, RFC 9110 5.6.1.2 */
			continue;
		if (++specs > WEIR_HTTP_RANGES_MAX)
			return WEIR_HTTP_RANGE_IGNORED;
		switch (http_range_parse_spec(spec, size, &range)) {
		case SPEC_RANGE:
			http_range_add(&ranges, range, &overlaps);
			break;
		case SPEC_NOTHING:
			break;
		case SPEC_MALFORMED:
			return WEIR_HTTP_RANGE_IGNORED;
		}
	}
	/*
	 * Some clients send such a range with every request: an empty file is not an error.
	 */
	if (size == 0)
		return WEIR_HTTP_RANGE_IGNORED;
	if (specs == 0 || overlaps > WEIR_HTTP_RANGE_OVERLAPS_MAX)
		return WEIR_HTTP_RANGE_IGNORED;
	if (ranges.count == 0)
		return WEIR_HTTP_RANGE_UNSATISFIABLE;
	*ret_ranges = ranges;
	return WEIR_HTTP_RANGE_SATISFIABLE;
}
