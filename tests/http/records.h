/* Records of FastCGI, for tests that are an application, or see what one gets. */
#ifndef WEIR_TEST_RECORDS_H
#define WEIR_TEST_RECORDS_H

#include <weir/buffer.h>

/* The types of an application's records, as in the specification. */
enum {
	END = 3,
	OUT = 6,
	ERR = 7,
};

/* Appends a record with this text and so many bytes of padding. */
void record_put(struct weir_buffer *to, int type, struct weir_span content, unsigned padding);

/* Appends END_REQUEST. */
void record_put_end(struct weir_buffer *to, unsigned app_status, unsigned protocol_status);

/*
 * Takes a request apart that has come whole: "begin keep", a line for each variable "NAME=value",
 * in alphabetical order, and "stdin: " with its bytes, if its end has come. Fails the test if a
 * record is malformed.
 */
void record_describe(struct weir_span request, struct weir_buffer *ret);

#endif
