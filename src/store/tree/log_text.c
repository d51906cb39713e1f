/*
 * The text of log lines: escaping, and the fields of logfmt and JSON.
 *
 * Invariant: text of a peer never ends a line, a quoted string or an object. What has no room is
 * left out.
 */
#include <weir/buffer.h>
#include <weir/log.h>

void weir_log_escape(struct weir_buffer *line, struct weir_span text, size_t max)
{
	for (size_t i = 0, plain = 0; i <= text.size; i++) {
		unsigned char c = i < text.size ? (unsigned char)text.data[i] : 0;
		if (i < text.size && c >= ' ' && c < 0x7f && c != '"' && c != '\\')
			continue;
		weir_buffer_append(line, text.data + plain, i - plain, max);
		if (i < text.size)
			weir_buffer_format(line, max, "\\x%02X", c);
		plain = i + 1;
	}
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

/* Writes the key, and before it what separates it from the field before. */
static void log_text_add_key(
        struct weir_buffer *line, enum weir_log_format format, const char *key, size_t max)
{
	char before = line->size ? line->data[line->size - 1] : '\n';
	if (format == WEIR_LOG_JSON)
		weir_buffer_format(line, max, "%s\"%s\":", before == '{' ? "" : ",", key);
	else
		weir_buffer_format(line, max, "%s%s=", before == '\n' ? "" : " ", key);
}

static void log_text_escape_json(struct weir_buffer *line, struct weir_span text, size_t max)
{
	for (size_t i = 0, plain = 0; i <= text.size; i++) {
		unsigned char c = i < text.size ? (unsigned char)text.data[i] : 0;
		if (i < text.size && c >= ' ' && c < 0x7f && c != '"' && c != '\\')
			continue;
		weir_buffer_append(line, text.data + plain, i - plain, max);
		if (i < text.size)
			weir_buffer_format(line, max, "\\u%04X", c);
		plain = i + 1;
	}
}

void weir_log_add_text(struct weir_buffer *line, enum weir_log_format format, const char *key,
        struct weir_span text, size_t max)
{
	log_text_add_key(line, format, key, max);
	weir_buffer_append(line, "\"", 1, max);
	if (format == WEIR_LOG_JSON)
		log_text_escape_json(line, text, max);
	else
		weir_log_escape(line, text, max);
	weir_buffer_append(line, "\"", 1, max);
}

void weir_log_add_number(struct weir_buffer *line, enum weir_log_format format, const char *key,
        uint64_t number, size_t max)
{
	log_text_add_key(line, format, key, max);
	weir_buffer_format(line, max, "%llu", (unsigned long long)number);
}
