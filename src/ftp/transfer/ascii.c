/*
 * Converts the lines of received text. Lines without a CR inside are passed on as one piece.
 * Between pieces only a CR is remembered, until the next byte comes. A CR that does not end a
 * line is kept in the file.
 */
#include "ascii.h"

/* Handles the byte after a CR. Returns how many bytes were consumed. */
static int ftp_ascii_after_cr(struct ftp_ascii *ascii, struct weir_span *bytes,
        int (*write)(void *context, struct weir_span bytes), void *context)
{
	char next = bytes->data[0];
	ascii->after_cr = false;
	if (next == '\n')
		return 0;
	if (next == 0)
		*bytes = weir_span_skip(*bytes, 1);
	return write(context, WEIR_SPAN("\r"));
}

int ftp_ascii_convert(struct ftp_ascii *ascii, struct weir_span bytes,
        int (*write)(void *context, struct weir_span bytes), void *context)
{
	int error = 0;
	while (bytes.size && error == 0) {
		if (ascii->after_cr) {
			error = ftp_ascii_after_cr(ascii, &bytes, write, context);
			continue;
		}
		const char *cr = memchr(bytes.data, '\r', bytes.size);
		size_t size = cr ? (size_t)(cr - bytes.data) : bytes.size;
		if (size)
			error = write(context, weir_span(bytes.data, size));
		bytes = weir_span_skip(bytes, cr ? size + 1 : size);
		ascii->after_cr = cr;
	}
	return error;
}

int ftp_ascii_end(
        struct ftp_ascii *ascii, int (*write)(void *context, struct weir_span bytes), void *context)
{
	if (!ascii->after_cr)
		return 0;
	ascii->after_cr = false;
	return write(context, WEIR_SPAN("\r"));
}
