/*
 * From the network's text to the disk's. Lines are passed on in one stretch; all that is remembered
 * between pieces is a CR of which it is not known yet what follows. A CR that ends no line stays.
 */
#include "ascii.h"

/* What follows a CR decides what it was; the bytes of it that are used up. */
static int ftp_ascii_settle(struct ftp_ascii *ascii, struct weir_span *bytes,
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

int ftp_ascii_take(struct ftp_ascii *ascii, struct weir_span bytes,
        int (*write)(void *context, struct weir_span bytes), void *context)
{
	int error = 0;
	while (bytes.size && error == 0) {
		if (ascii->after_cr) {
			error = ftp_ascii_settle(ascii, &bytes, write, context);
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
