/*
 * The rest of a line is skipped once the name of its field is known. A folded line belongs to the
 * field before it.
 *
 * Invariant: bytes are passed on in pieces as large as possible; a header without a field to drop
 * is passed on as it came.
 */
#include "header.h"

/* The part of a scan that has not been passed on yet. */
struct header_run {
	const char *from; /* starts here */
	void (*pass)(void *context, struct weir_span bytes);
	void *context;
};

static void smtp_header_run_flush(struct header_run *run, const char *to)
{
	if (to > run->from)
		run->pass(run->context, weir_span(run->from, (size_t)(to - run->from)));
	run->from = to;
}

static void smtp_header_note(struct smtp_header *header)
{
	struct weir_span name = weir_span_trim(weir_span(header->name, header->size));
	if (weir_span_equal(name, WEIR_SPAN("received")))
		header->received += header->received < UINT16_MAX;
	else if (weir_span_equal(name, WEIR_SPAN("date")))
		header->date = true;
	else if (weir_span_equal(name, WEIR_SPAN("message-id")))
		header->message_id = true;
	else if (weir_span_equal(name, WEIR_SPAN("bcc")))
		header->drop = header->drop_bcc;
	else if (weir_span_equal(name, WEIR_SPAN("return-path")))
		header->drop = header->drop_return_path;
}

/* Takes the next byte of the name, or the byte behind it. */
static void smtp_header_take(struct smtp_header *header, char c)
{
	bool full = header->size == sizeof header->name;
	bool folded = header->size == 0 && (c == ' ' || c == '\t');
	if (header->size == 0 && !folded)
		header->drop = false;
	if (c == ':')
		smtp_header_note(header);
	if (c == ':' || c == '\n' || full || folded) {
		header->inside = true;
		return;
	}
	header->raw[header->size] = c;
	header->name[header->size++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The name is complete. `before` bytes of it are from an earlier scan; the rest is in the run. */
static void smtp_header_decide(
        const struct smtp_header *header, struct header_run *run, size_t before, const char *line)
{
	if (header->drop) {
		smtp_header_run_flush(run, line);
		return;
	}
	if (before)
		run->pass(run->context, weir_span(header->raw, before));
}

size_t smtp_header_scan(struct smtp_header *header, struct weir_span bytes,
        void (*pass)(void *context, struct weir_span bytes), void *context)
{
	struct header_run run = {bytes.data, pass, context};
	const char *at = bytes.data, *end = bytes.data + bytes.size, *line = at;
	size_t before = header->inside ? 0 : header->size;
	header->cr = false;
	while (at < end) {
		if (!header->inside && header->size == 0 && *at == '\r') {
			header->cr = at + 1 == end;
			header->ended = !header->cr && at[1] == '\n';
			if (header->cr || header->ended)
				break;
		}
		if (!header->inside) {
			smtp_header_take(header, *at);
			if (header->inside)
				smtp_header_decide(header, &run, before, line);
			else
				at++;
			continue;
		}
		const char *found = memchr(at, '\n', (size_t)(end - at));
		at = found ? found + 1 : end;
		header->broken_off = !found && !header->drop;
		if (header->drop)
			run.from = at;
		if (!found)
			break;
		line = at;
		header->inside = false;
		header->size = 0;
		before = 0;
	}
	/* An incomplete name is not passed on yet. */
	smtp_header_run_flush(&run, !header->inside && header->size ? line : at);
	return (size_t)(at - bytes.data);
}

void smtp_header_flush(struct smtp_header *header,
        void (*pass)(void *context, struct weir_span bytes), void *context)
{
	if (header->inside || !header->size)
		return;
	header->broken_off = true;
	header->inside = true;
	pass(context, weir_span(header->raw, header->size));
}
