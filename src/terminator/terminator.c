/*
 * The terminators that ship: a delimiter, a line's end, a length, none. None of them looks at a
 * byte twice but for the few before a read's edge where a delimiter may straddle it.
 */
#include <stdbool.h>

#include <weir/limits.h>
#include <weir/terminator.h>

#include "helper.h"

/* The longest end of `data`, shorter than the delimiter, that the delimiter begins with. */
static size_t terminator_begun(struct weir_span data, const char *delimiter, size_t size)
{
	size_t most = data.size < size - 1 ? data.size : size - 1;
	const char *end = data.data + data.size;
	/* Nearly always no byte of the end is the delimiter's first. */
	for (const char *at = end - most; most; at++) {
		at = memchr(at, delimiter[0], (size_t)(end - at));
		if (!at)
			return 0;
		most = (size_t)(end - at);
		if (memcmp(at, delimiter, most) == 0)
			return most;
		most--;
	}
	return 0;
}

static enum weir_scan terminator_scan_delimiter(struct weir_terminator *terminator,
        struct weir_span data, size_t seen, uint64_t before, struct weir_cut *ret)
{
	size_t size = terminator->size;
	size_t from = seen < size ? 0 : seen - size + 1;
	(void)before;
	if (data.size == 0)
		return WEIR_SCAN_MORE;
	const char *at =
	        bytes_find(weir_span_skip(data, from), weir_span(terminator->delimiter, size));
	if (!at) {
		ret->hold = terminator_begun(data, terminator->delimiter, size);
		return WEIR_SCAN_MORE;
	}
	ret->end = (size_t)(at - data.data) + size;
	ret->strip = size;
	return WEIR_SCAN_FOUND;
}

/*
 * A CR at the end of the input is held back: the next byte decides whether it belongs to the
 * request.
 */
static enum weir_scan terminator_scan_line(struct weir_terminator *terminator,
        struct weir_span data, size_t seen, uint64_t before, struct weir_cut *ret)
{
	(void)terminator, (void)before;
	if (data.size == 0)
		return WEIR_SCAN_MORE;
	const char *at = memchr(data.data + seen, '\n', data.size - seen);
	if (!at) {
		ret->hold = data.data[data.size - 1] == '\r';
		return WEIR_SCAN_MORE;
	}
	ret->end = (size_t)(at - data.data) + 1;
	ret->strip = at > data.data && at[-1] == '\r' ? 2 : 1;
	return WEIR_SCAN_FOUND;
}

static enum weir_scan terminator_scan_length(struct weir_terminator *terminator,
        struct weir_span data, size_t seen, uint64_t before, struct weir_cut *ret)
{
	uint64_t left = terminator->length - before;
	(void)seen;
	if (data.size < left)
		return WEIR_SCAN_MORE;
	ret->end = (size_t)left;
	return WEIR_SCAN_FOUND;
}

static enum weir_scan terminator_scan_everything(struct weir_terminator *terminator,
        struct weir_span data, size_t seen, uint64_t before, struct weir_cut *ret)
{
	(void)terminator, (void)data, (void)seen, (void)before, (void)ret;
	return WEIR_SCAN_MORE;
}

/* The delimiter was none, or too long: no input can be a request. */
static enum weir_scan terminator_scan_nothing(struct weir_terminator *terminator,
        struct weir_span data, size_t seen, uint64_t before, struct weir_cut *ret)
{
	(void)terminator, (void)data, (void)seen, (void)before, (void)ret;
	return WEIR_SCAN_BAD;
}

static const struct weir_terminator_type delimiter_type = {"delimiter", terminator_scan_delimiter};
static const struct weir_terminator_type line_type = {"line", terminator_scan_line};
static const struct weir_terminator_type length_type = {"length", terminator_scan_length};
static const struct weir_terminator_type nothing_type = {"nothing", terminator_scan_nothing};
static const struct weir_terminator_type everything_type = {
        "everything", terminator_scan_everything};

struct weir_terminator weir_until(struct weir_span delimiter)
{
	bool fits = delimiter.size > 0 && delimiter.size <= WEIR_DELIMITER_MAX;
	return (struct weir_terminator){
	        .type = fits ? &delimiter_type : &nothing_type,
	        .delimiter = delimiter.data,
	        .size = (uint32_t)delimiter.size,
	};
}

struct weir_terminator weir_until_line_end(void)
{
	return weir_until(WEIR_SPAN("\r\n"));
}

struct weir_terminator weir_until_any_line_end(void)
{
	return (struct weir_terminator){.type = &line_type};
}

struct weir_terminator weir_length(uint64_t length)
{
	return (struct weir_terminator){.type = &length_type, .length = length};
}

struct weir_terminator weir_everything(void)
{
	return (struct weir_terminator){.type = &everything_type};
}
