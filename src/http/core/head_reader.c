/*
 * How a connection of HTTP/1.1 reads a head: the terminator that finds its end. Input that cannot
 * be a head, or is too large, is refused as soon as that is certain, with the status in the loop's
 * state. The reply does not depend on how many bytes have come at once.
 */
#include "exchange.h"
#include "head.h"
#include "syntax.h"

static enum weir_scan http_head_reader_refuse(
        struct http_loop *loop_state, int status, const char *fault, struct weir_span data)
{
	http_log_note_fault(loop_state, fault, data);
	loop_state->refusal = status;
	return WEIR_SCAN_BAD;
}

/* A request line: the target, and more than method and version need. */
enum {
	REQUEST_LINE_MAX = WEIR_HTTP_TARGET_MAX + 32
};

/* Looks at a fixed number of bytes, so that the reply does not depend on how many have come. */
static bool http_head_reader_has_long_line(struct weir_span head)
{
	return head.size > REQUEST_LINE_MAX && !memchr(head.data, '\n', REQUEST_LINE_MAX);
}

_Static_assert(sizeof(struct http_head_scan) <= sizeof(uint32_t), "must fit terminator.state");

/*
 * Refuses a request line that is too long: with 501 if its method is unknown, however long that is,
 * and with 414 otherwise.
 */
static enum weir_scan http_head_reader_refuse_long_line(
        struct http_loop *loop_state, struct weir_span data)
{
	struct weir_span head = data;
	while (head.size && (*head.data == '\r' || *head.data == '\n'))
		head = weir_span_skip(head, 1);
	size_t size = http_run(head, WEIR_HTTP_TCHAR);
	if (http_method_find(head.data, size) == WEIR_HTTP_OTHER)
		return http_head_reader_refuse(
		        loop_state, 501, "unknown method, line too long", data);
	return http_head_reader_refuse(loop_state, 414, "line too long", data);
}

/* Finds the empty line. Input that cannot be a head, or is too large, is refused early. */
static enum weir_scan http_head_reader_scan_head(struct weir_terminator *terminator,
        struct weir_span data, size_t seen, uint64_t before, struct weir_cut *ret)
{
	struct http_loop *loop_state = (struct http_loop *)terminator->context;
	struct http_head_scan scan;
	size_t used;
	(void)before;
	if (data.size == seen)
		return WEIR_SCAN_MORE;
	memcpy(&scan, &terminator->state, sizeof scan);
	enum http_scan result = http_head_scan(&scan, weir_span_skip(data, seen), &used);
	memcpy(&terminator->state, &scan, sizeof scan);
	if (result == WEIR_HTTP_SCAN_MALFORMED)
		return http_head_reader_refuse(
		        loop_state, 400, "not a request line, or a stray CR, LF or NUL", data);
	if (seen + used > WEIR_HTTP_HEAD_MAX)
		return http_head_reader_has_long_line(data)
		               ? http_head_reader_refuse_long_line(loop_state, data)
		               : http_head_reader_refuse(loop_state, 431, "head too large", data);
	if (result == WEIR_HTTP_SCAN_COMPLETE) {
		ret->end = seen + used;
		return WEIR_SCAN_FOUND;
	}
	if (!scan.request_line_done && data.size > REQUEST_LINE_MAX)
		return http_head_reader_refuse_long_line(loop_state, data);
	return WEIR_SCAN_MORE;
}

void http_head_reader_await(struct weir_channel *channel, struct http_loop *loop_state)
{
	static const struct weir_terminator_type type = {"http-head", http_head_reader_scan_head};
	weir_channel_await(channel, (struct weir_terminator){.type = &type, .context = loop_state});
}
