/* Accept, and the escaping of log fields: a second copy changes nothing, no line can be forged. */
#include <stdlib.h>
#include <string.h>

#include <weir/buffer.h>
#include <weir/exposition.h>
#include <weir/log.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The line ends once, and its quotes are those of its fields. */
static void check_line(enum weir_log_format format, struct weir_span text, unsigned quotes)
{
	struct weir_buffer line = {0};
	unsigned ends = 0, found = 0;
	weir_log_open_line(&line, format, 1 << 20);
	weir_log_add_text(&line, format, "a", text, 1 << 20);
	weir_log_close_line(&line, format, 1 << 20);
	for (size_t i = 0; i < line.size; i++) {
		unsigned char c = (unsigned char)line.data[i];
		ends += c == '\n';
		found += c == '"';
		if (c > 0x7e || (c < ' ' && c != '\n'))
			abort();
	}
	if (ends != 1 || found != quotes || line.data[line.size - 1] != '\n')
		abort();
	weir_buffer_finish(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_span text = weir_span(data, size);
	struct weir_buffer twice = {0};
	enum weir_exposition_format format = weir_exposition_choose(text);
	if (size > 4096)
		return 0;
	weir_buffer_append(&twice, data, size, 1 << 20);
	weir_buffer_append(&twice, ",", 1, 1 << 20);
	weir_buffer_append(&twice, data, size, 1 << 20);
	if (weir_exposition_choose(weir_buffer_span(&twice)) != format)
		abort();
	weir_buffer_finish(&twice);
	check_line(WEIR_LOG_LOGFMT, text, 2);
	check_line(WEIR_LOG_JSON, text, 4);
	return 0;
}
