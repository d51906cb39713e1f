/*
 * The text of log lines: escaping, and the fields of logfmt and JSON.
 *
 * Invariant: text of a peer never ends a line, a quoted string or an object, and each quote that is
 * opened is closed. Text without room is cut off, and a field without room for its key is left out.
 */
#include <stdbool.h>

#include <weir/buffer.h>
#include <weir/log.h>

#include "helper.h"

/* Stops at the first piece that has no room. */
static void log_text_escape(
        struct weir_buffer *line, struct weir_span text, enum weir_log_format format, size_t max)
{
	for (size_t i = 0, plain = 0; i <= text.size; i++) {
		unsigned char c = i < text.size ? (unsigned char)text.data[i] : 0;
		if (i < text.size && c >= ' ' && c < 0x7f && c != '"' && c != '\\')
			continue;
		if (weir_buffer_append(line, text.data + plain, i - plain, max) < 0)
			return;
		if (i < text.size &&
		        weir_buffer_format(
		                line, max, format == WEIR_LOG_JSON ? "\\u%04X" : "\\x%02X", c) < 0)
			return;
		plain = i + 1;
	}
}

void weir_log_escape(struct weir_buffer *line, struct weir_span text, size_t max)
{
	log_text_escape(line, text, WEIR_LOG_TEXT, max);
}

void weir_log_open_line(struct weir_buffer *line, enum weir_log_format format, size_t max)
{
	if (format == WEIR_LOG_JSON)
		weir_buffer_append(line, "{", 1, max);
}

void weir_log_close_line(struct weir_buffer *line, enum weir_log_format format, size_t max)
{
	if (format == WEIR_LOG_JSON)
		weir_buffer_append(line, "}\n", 2, max);
	else
		weir_buffer_append(line, "\n", 1, max);
}

/*
 * Writes the key, and before it what separates it from the field before: none if that is the end of
 * the line before, which is a level where lines are sent. Returns 0 or a negative errno.
 */
static int log_text_add_key(
        struct weir_buffer *line, enum weir_log_format format, const char *key, size_t max)
{
	unsigned char before = line->size ? (unsigned char)line->data[line->size - 1] : '\n';
	const struct weir_span none = {NULL, 0};
	const struct weir_span json[] = {before == '{' ? WEIR_SPAN("\"") : WEIR_SPAN(",\""),
	        weir_span_of(key), WEIR_SPAN("\":")};
	const struct weir_span logfmt[] = {
	        before < ' ' ? none : WEIR_SPAN(" "), weir_span_of(key), WEIR_SPAN("=")};
	return buffer_append_spans(line, format == WEIR_LOG_JSON ? json : logfmt, 3, max);
}

void weir_log_add_text(struct weir_buffer *line, enum weir_log_format format, const char *key,
        struct weir_span text, size_t max)
{
	size_t before = line->size;
	bool good = log_text_add_key(line, format, key, max) == 0 &&
	            weir_buffer_append(line, "\"", 1, max) == 0 && line->size < max;
	/* The last byte is that of the closing quote. */
	if (good)
		log_text_escape(line, text, format, max - 1);
	if (!good || weir_buffer_append(line, "\"", 1, max) < 0)
		line->size = before;
}

void weir_log_add_number(struct weir_buffer *line, enum weir_log_format format, const char *key,
        uint64_t number, size_t max)
{
	char digits[TEXT_DECIMAL_SIZE];
	size_t before = line->size, size = (size_t)(text_put_decimal(digits, number) - digits);
	if (log_text_add_key(line, format, key, max) < 0 ||
	        weir_buffer_append(line, digits, size, max) < 0)
		line->size = before;
}
