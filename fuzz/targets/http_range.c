/* Range: the first line is the size in decimal digits, the rest the value. */
#include <stdlib.h>

#include "fields.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_span rest = weir_span(data, size), line;
	struct http_ranges ranges;
	uint64_t length = 1000, sum = 0;
	if (weir_span_cut(&rest, '\n', &line))
		weir_span_number(line, 10, &length);
	else
		rest = line;
	if (http_range_parse(rest, length, &ranges) != WEIR_HTTP_RANGE_SATISFIABLE)
		return 0;
	if (ranges.count == 0 || ranges.count > WEIR_HTTP_RANGES_MAX)
		abort();
	for (unsigned i = 0; i < ranges.count; i++) {
		const struct http_range *range = &ranges.ranges[i];
		if (range->size == 0 || range->offset >= length ||
		        range->size > length - range->offset)
			abort();
		/* Since they do not overlap, all of them together are not larger than the whole. */
		if (__builtin_add_overflow(sum, range->size, &sum) || sum > length)
			abort();
	}
	return 0;
}
