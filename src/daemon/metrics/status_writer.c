/*
 * The three formats. Everything is appended to one buffer as it comes; only HTML needs a row of its
 * own, since the names of the columns must be known before the first item is written.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "helper.h"
#include "status_writer.h"

/* -- text -------------------------------------------------------------------------------------- */

static void status_append(
        struct status_writer *writer, struct weir_buffer *to, const char *text, size_t size)
{
	if (writer->error == 0)
		writer->error = weir_buffer_append(to, text, size, STATUS_SIZE_MAX);
}

static void status_append_text(
        struct status_writer *writer, struct weir_buffer *to, const char *text)
{
	status_append(writer, to, text, strlen(text));
}

/* Values of an item in HTML are put aside; see status_item_end. */
static struct weir_buffer *status_target(struct status_writer *writer)
{
	return writer->format == STATUS_HTML && writer->listing ? &writer->row : writer->to;
}

__attribute__((format(printf, 2, 3))) static void status_put(
        struct status_writer *writer, const char *format, ...)
{
	char text[256];
	va_list arguments;
	va_start(arguments, format);
	int size = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (size > 0)
		status_append(writer, status_target(writer), text,
		        (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}

/* Returns the size of the character that the text begins with; 0 for none, and for C1 controls. */
static size_t status_utf8_size(struct weir_span text)
{
	size_t size = text_utf8_size(text);
	bool control = size == 2 && (unsigned char)text.data[0] == 0xc2 &&
	               (unsigned char)text.data[1] < 0xa0;
	return control ? 0 : size;
}

/* Returns what stands for an ASCII character, or NULL for the character itself. */
static const char *status_escape(enum status_format format, char c)
{
	if (text_is_control(c))
		return "?";
	if (format == STATUS_JSON)
		return c == '"' ? "\\\"" : c == '\\' ? "\\\\" : NULL;
	if (format != STATUS_HTML)
		return NULL;
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

static void status_put_escaped(struct status_writer *writer, const char *text)
{
	size_t size = strnlen(text, STATUS_TEXT_MAX), done = 0, at = 0;
	while (at < size) {
		bool ascii = (unsigned char)text[at] < 0x80;
		size_t length = ascii ? 1 : status_utf8_size(weir_span(text + at, size - at));
		const char *escape = ascii         ? status_escape(writer->format, text[at])
		                     : length == 0 ? "?"
		                                   : NULL;
		if (escape) {
			status_append(writer, status_target(writer), text + done, at - done);
			status_append_text(writer, status_target(writer), escape);
			done = at + 1;
		}
		at += length ? length : 1;
	}
	status_append(writer, status_target(writer), text + done, size - done);
}

/* A constant name, whose underscores become spaces. */
static void status_append_name(
        struct status_writer *writer, struct weir_buffer *to, const char *name, unsigned width)
{
	char shown[64];
	snprintf(shown, sizeof shown, "%-*s", (int)width, name);
	for (char *c = shown; *c; c++)
		*c = *c == '_' ? ' ' : *c;
	status_append_text(writer, to, shown);
}

/* -- groups and lists -------------------------------------------------------------------------- */

void status_begin(struct status_writer *writer, enum status_format format, struct weir_buffer *to)
{
	*writer = (struct status_writer){.to = to, .format = format};
}

int status_end(struct status_writer *writer)
{
	if (writer->format == STATUS_JSON)
		status_put(writer, "%s}\n", writer->groups ? "" : "{");
	weir_buffer_finish(&writer->names);
	weir_buffer_finish(&writer->row);
	return writer->error;
}

/* The title of a group or a list, and what opens it. */
static void status_open(struct status_writer *writer, const char *name, char bracket)
{
	if (writer->format == STATUS_JSON) {
		status_put(writer, "%s\"%s\":%c", writer->groups ? ",\n" : "{", name, bracket);
	} else if (writer->format == STATUS_HTML) {
		status_put(writer, "<section id=\"%s\"><h2>", name);
		status_append_name(writer, writer->to, name, 0);
		status_put(writer, "</h2><div>");
	} else {
		status_put(writer, "%s", writer->groups ? "\n" : "");
		status_append_name(writer, writer->to, name, 0);
		status_put(writer, "\n");
	}
	writer->groups++;
}

void status_group(struct status_writer *writer, const char *name)
{
	writer->values = 0;
	status_open(writer, name, '{');
	status_put(writer, writer->format == STATUS_HTML ? "<table><tbody>" : "");
}

void status_group_end(struct status_writer *writer)
{
	status_put(writer, writer->format == STATUS_JSON   ? "}"
	                   : writer->format == STATUS_HTML ? "</tbody></table></div></section>\n"
	                                                   : "");
}

void status_list(struct status_writer *writer, const char *name)
{
	status_open(writer, name, '[');
	writer->listing = true;
	writer->items = 0;
	writer->names.size = 0;
}

void status_item(struct status_writer *writer)
{
	writer->values = 0;
	writer->row.size = 0;
	if (writer->format == STATUS_JSON)
		status_put(writer, "%s{", writer->items ? ",\n" : "\n");
	else if (writer->format == STATUS_TEXT)
		status_put(writer, "  ");
	writer->items++;
}

void status_item_end(struct status_writer *writer)
{
	if (writer->format != STATUS_HTML) {
		status_put(writer, writer->format == STATUS_JSON ? "}" : "\n");
		return;
	}
	if (writer->items == 1) {
		status_append_text(writer, writer->to, "<table><thead><tr>");
		status_append(writer, writer->to, writer->names.data, writer->names.size);
		status_append_text(writer, writer->to, "</tr></thead><tbody>");
	}
	status_append_text(writer, writer->to, "<tr>");
	status_append(writer, writer->to, writer->row.data, writer->row.size);
	status_append_text(writer, writer->to, "</tr>");
}

void status_list_end(struct status_writer *writer, const char *name, uint64_t more)
{
	writer->listing = false;
	if (writer->format == STATUS_JSON) {
		status_put(writer, "]");
		if (more)
			status_put(writer, ",\n\"%s_more\":%" PRIu64, name, more);
	} else if (writer->format == STATUS_HTML) {
		status_put(writer, writer->items ? "</tbody></table>" : "<p>none</p>");
		if (more)
			status_put(writer, "<p>and %" PRIu64 " more</p>", more);
		status_put(writer, "</div></section>\n");
	} else {
		status_put(writer, writer->items ? "" : "  none\n");
		if (more)
			status_put(writer, "  and %" PRIu64 " more\n", more);
	}
}

/* -- values ------------------------------------------------------------------------------------ */

static void status_name(struct status_writer *writer, const char *name, bool is_number)
{
	const char *cell = is_number ? "<td class=\"n\">" : "<td>";
	if (writer->format == STATUS_JSON) {
		status_put(writer, "%s\"%s\":", writer->values++ ? "," : "", name);
	} else if (writer->format == STATUS_HTML && writer->listing) {
		if (writer->items == 1) {
			status_append_text(
			        writer, &writer->names, is_number ? "<th class=\"n\">" : "<th>");
			status_append_name(writer, &writer->names, name, 0);
			status_append_text(writer, &writer->names, "</th>");
		}
		status_put(writer, "%s", cell);
	} else if (writer->format == STATUS_HTML) {
		status_put(writer, "<tr><th>");
		status_append_name(writer, writer->to, name, 0);
		status_put(writer, "</th>%s", cell);
	} else if (writer->listing) {
		status_put(writer, "%s", writer->values++ ? ", " : "");
		status_append_name(writer, writer->to, name, 0);
		status_put(writer, " ");
	} else {
		status_put(writer, "  ");
		status_append_name(writer, writer->to, name, 28);
		status_put(writer, " ");
	}
}

static void status_value_end(struct status_writer *writer)
{
	if (writer->format == STATUS_HTML)
		status_put(writer, writer->listing ? "</td>" : "</td></tr>");
	else if (writer->format == STATUS_TEXT && !writer->listing)
		status_put(writer, "\n");
}

/* HTML has a comma after each three digits. */
static void status_put_grouped(struct status_writer *writer, uint64_t value)
{
	char digits[24], shown[32], *to = shown;
	int size = snprintf(digits, sizeof digits, "%" PRIu64, value);
	for (int i = 0; i < size; i++) {
		if (i && (size - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	status_append(writer, status_target(writer), shown, (size_t)(to - shown));
}

void status_number(struct status_writer *writer, const char *name, uint64_t value)
{
	status_name(writer, name, true);
	if (writer->format == STATUS_HTML)
		status_put_grouped(writer, value);
	else
		status_put(writer, "%" PRIu64, value);
	status_value_end(writer);
}

void status_signed(struct status_writer *writer, const char *name, int64_t value)
{
	status_name(writer, name, true);
	status_put(writer, "%s", value < 0 ? "-" : "");
	uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;
	if (writer->format == STATUS_HTML)
		status_put_grouped(writer, size);
	else
		status_put(writer, "%" PRIu64, size);
	status_value_end(writer);
}

void status_decimal(struct status_writer *writer, const char *name, double value)
{
	status_name(writer, name, true);
	status_put(writer, "%.1f", value);
	status_value_end(writer);
}

void status_text(struct status_writer *writer, const char *name, const char *text)
{
	status_name(writer, name, false);
	status_put(writer, writer->format == STATUS_JSON ? "\"" : "");
	status_put_escaped(writer, text);
	status_put(writer, writer->format == STATUS_JSON ? "\"" : "");
	status_value_end(writer);
}

void status_array(
        struct status_writer *writer, const char *name, const uint64_t *values, unsigned count)
{
	if (writer->format != STATUS_JSON)
		return;
	status_name(writer, name, true);
	for (unsigned i = 0; i < count; i++)
		status_put(writer, "%c%" PRIu64, i ? ',' : '[', values[i]);
	status_put(writer, "%s", count ? "]" : "[]");
}
