/* A line is hopped over once its name is known; folded lines have names that are nobody's. */
#include "header.h"

static void note(struct weir_smtp_header *header)
{
	struct weir_span name = weir_span(header->name, header->size);
	if (weir_span_equal(name, WEIR_SPAN("received")))
		header->received += header->received < UINT16_MAX;
	else if (weir_span_equal(name, WEIR_SPAN("date")))
		header->date = true;
	else if (weir_span_equal(name, WEIR_SPAN("message-id")))
		header->message_id = true;
}

/* The next byte of the name, or what follows it. */
static void take(struct weir_smtp_header *header, char c)
{
	bool full = header->size == sizeof header->name;
	if (c == ':')
		note(header);
	if (c == ':' || c == '\n' || full)
		header->inside = true;
	else
		header->name[header->size++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

size_t weir_smtp_header_scan(struct weir_smtp_header *header, struct weir_span bytes)
{
	size_t at = 0;
	header->cr = false;
	while (at < bytes.size) {
		const char *from = bytes.data + at;
		if (!header->inside && header->size == 0 && *from == '\r') {
			header->cr = at + 1 == bytes.size;
			header->ended = !header->cr && from[1] == '\n';
			if (header->cr || header->ended)
				break;
		}
		header->broken_off = true;
		if (!header->inside)
			take(header, *from);
		if (!header->inside) {
			at++;
			continue;
		}
		const char *end = memchr(from, '\n', bytes.size - at);
		if (!end)
			return bytes.size;
		at = (size_t)(end - bytes.data) + 1;
		header->inside = false;
		header->broken_off = false;
		header->size = 0;
	}
	return at;
}
