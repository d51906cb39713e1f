/*
 * The table of transformers. Their callbacks report to variables, as tests run one after the other.
 */
#include <stdlib.h>

#include <weir/sources.h>
#include <weir/transformers.h>

#include "decode.h"
#include "subjects.h"

#define HEAD "HTTP/1.1 200 OK\r\n\r\n"
#define TAIL "the end"
#define TRAILERS "Checksum: 12\r\n"

int hooks_called;
uint64_t hook_bytes;
static struct weir_buffer seen;

static bool same(struct weir_span a, struct weir_span b)
{
	return weir_span_equal(a, b);
}

static struct weir_producer *wrap_composite(struct weir_producer *child)
{
	struct weir_producer *children[4] = {weir_produce_borrowed(HEAD, strlen(HEAD)), child,
	        weir_produce_copied("", 0), weir_produce_copied(TAIL, strlen(TAIL))};
	return weir_produce_composite(children, 4);
}

static bool check_composite(struct weir_span in, struct weir_span out, bool whole)
{
	size_t head = strlen(HEAD);
	size_t tail = whole ? strlen(TAIL) : 0;
	return out.size == head + in.size + tail && memcmp(out.data, HEAD, head) == 0 &&
	       same(weir_span(out.data + head, in.size), in) &&
	       (!tail || memcmp(out.data + head + in.size, TAIL, tail) == 0);
}

static bool check_same(struct weir_span in, struct weir_span out, bool whole)
{
	(void)whole;
	return same(in, out);
}

static struct weir_producer *wrap_glob(struct weir_producer *child)
{
	return weir_produce_glob(child, 100);
}

static struct weir_producer *wrap_large_glob(struct weir_producer *child)
{
	return weir_produce_glob(child, 64 * 1024);
}

static struct weir_producer *wrap_chunked(struct weir_producer *child)
{
	return weir_produce_chunked(child, NULL, NULL);
}

static size_t put_trailers(void *context, char *text, size_t room)
{
	(void)context;
	if (room != WEIR_TRAILERS_MAX)
		abort();
	memcpy(text, TRAILERS, strlen(TRAILERS));
	return strlen(TRAILERS);
}

static struct weir_producer *wrap_trailers(struct weir_producer *child)
{
	return weir_produce_chunked(child, put_trailers, NULL);
}

static bool check_decoded(struct weir_span in, struct weir_buffer *decoded, bool good)
{
	good = good && same(in, weir_buffer_span(decoded));
	weir_buffer_finish(decoded);
	return good;
}

static bool check_chunked(struct weir_span in, struct weir_span out, bool whole)
{
	struct weir_buffer decoded = {0};
	bool ended;
	bool good = decode_chunked(out, &decoded, &ended) && ended == whole;
	return check_decoded(in, &decoded, good);
}

static bool check_trailers(struct weir_span in, struct weir_span out, bool whole)
{
	static const char end[] = "\r\n0\r\n" TRAILERS "\r\n";
	size_t size = strlen(end);
	if (whole && in.size && memcmp(out.data + out.size - size, end, size) != 0)
		return false;
	return check_chunked(in, out, whole);
}

static bool check_gzip(struct weir_span in, struct weir_span out, bool whole)
{
	struct weir_buffer decoded = {0};
	bool ended = false;
	bool good = decode_gzip(out, false, &decoded, &ended) && ended == whole;
	return check_decoded(in, &decoded, good);
}

static bool check_deflate(struct weir_span in, struct weir_span out, bool whole)
{
	struct weir_buffer decoded = {0};
	bool ended = false;
	bool good = decode_gzip(out, true, &decoded, &ended) && ended == whole;
	return check_decoded(in, &decoded, good);
}

static bool check_zstd(struct weir_span in, struct weir_span out, bool whole)
{
	struct weir_buffer decoded = {0};
	bool ended = false;
	bool good = decode_zstd(out, &decoded, &ended) && ended == whole;
	return check_decoded(in, &decoded, good);
}

static bool check_replaced(struct weir_span in, struct weir_span out, const char *from,
        const char *to, const char *before)
{
	struct weir_buffer model = {0};
	replace_all(in, weir_span_of(from), weir_span_of(to), weir_span_of(before), &model);
	return check_decoded(out, &model, true);
}

#define REPLACER(name, from, to, before)                                                           \
	static struct weir_producer *wrap_##name(struct weir_producer *child)                      \
	{                                                                                          \
		return weir_produce_escape(                                                        \
		        child, weir_span_of(from), weir_span_of(to), weir_span_of(before));        \
	}                                                                                          \
	static bool check_##name(struct weir_span in, struct weir_span out, bool whole)            \
	{                                                                                          \
		(void)whole;                                                                       \
		return check_replaced(in, out, from, to, before);                                  \
	}

REPLACER(dots, "\r\n.", "\r\n..", "\r\n")
REPLACER(overlaps, "aab", "b", "")
REPLACER(blowup, "a", "0123456789012345678901234567890123456789012345678901234567890123", "")
REPLACER(removal, "the ", "", "the r")

static bool check_crlf(struct weir_span in, struct weir_span out, bool whole)
{
	struct weir_buffer model = {0};
	(void)whole;
	to_crlf(in, &model);
	return check_decoded(out, &model, true);
}

#define LIMITER(name, skip, most)                                                                  \
	static struct weir_producer *wrap_##name(struct weir_producer *child)                      \
	{                                                                                          \
		return weir_produce_limit(child, skip, most);                                      \
	}                                                                                          \
	static bool check_##name(struct weir_span in, struct weir_span out, bool whole)            \
	{                                                                                          \
		size_t from = in.size < skip ? in.size : skip;                                     \
		size_t left = in.size - from;                                                      \
		(void)whole;                                                                       \
		return same(weir_span(in.data + from, left < most ? left : most), out);            \
	}

LIMITER(skip, 700u, UINT64_MAX)
LIMITER(range, 50u, 333u)

static struct weir_producer *wrap_throttle(struct weir_producer *child)
{
	return weir_produce_throttle(child, 1000 * 1000 * 1000, 1 << 30);
}

static void on_end(void *context, enum weir_close_reason why, uint64_t bytes)
{
	(void)context;
	(void)why;
	hooks_called++;
	hook_bytes = bytes;
}

static struct weir_producer *wrap_hook(struct weir_producer *child)
{
	hooks_called = 0;
	return weir_produce_hook(child, on_end, NULL);
}

static bool check_hook(struct weir_span in, struct weir_span out, bool whole)
{
	return hooks_called == 1 && (!whole || hook_bytes == out.size) && same(in, out);
}

static void see(void *context, struct weir_span bytes)
{
	(void)context;
	while (weir_buffer_append(&seen, bytes.data, bytes.size, SIZE_MAX / 2) < 0)
		; /* the allocation that was made to fail is not meant for us */
}

static struct weir_producer *wrap_tee(struct weir_producer *child)
{
	weir_buffer_finish(&seen);
	return weir_produce_tee(child, see, NULL);
}

static bool check_tee(struct weir_span in, struct weir_span out, bool whole)
{
	(void)whole;
	bool good = same(weir_buffer_span(&seen), out) && same(in, out);
	weir_buffer_finish(&seen);
	return good;
}

const struct subject subjects[] = {
        {"composite", wrap_composite, check_composite, false, false},
        {"glob", wrap_glob, check_same, false, false},
        {"large glob", wrap_large_glob, check_same, false, false},
        {"chunked", wrap_chunked, check_chunked, false, false},
        {"chunked with trailers", wrap_trailers, check_trailers, false, false},
        {"gzip", weir_produce_gzip, check_gzip, false, true},
        {"deflate", weir_produce_deflate, check_deflate, false, true},
        {"zstd", weir_produce_zstd, check_zstd, false, false},
        {"dot-stuffing", wrap_dots, check_dots, false, false},
        {"escape of overlaps", wrap_overlaps, check_overlaps, false, false},
        {"escape that blows up", wrap_blowup, check_blowup, false, false},
        {"escape that removes", wrap_removal, check_removal, false, false},
        {"crlf", weir_produce_crlf, check_crlf, false, false},
        {"limit that skips", wrap_skip, check_skip, false, false},
        {"limit to a range", wrap_range, check_range, true, false},
        {"throttle", wrap_throttle, check_same, false, false},
        {"hook", wrap_hook, check_hook, false, false},
        {"tee", wrap_tee, check_tee, false, false},
};
const unsigned subjects_count = sizeof subjects / sizeof *subjects;
