/*
 * The header of a message (RFC 5322 2.2) as it streams by: finds a few fields, drops some of them,
 * and finds the end, at the first empty line. Only the beginning of a field name is stored.
 */
#ifndef WEIR_SMTP_HEADER_H
#define WEIR_SMTP_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/span.h>

struct smtp_header {
	bool drop_bcc;         /* drop fields of this name; set before the first byte */
	bool drop_return_path; /* drop fields of this name; set before the first byte */
	char name[12];         /* of the line's field, in lower case */
	char raw[12];          /* the same bytes as written */
	uint8_t size;          /* of the name so far */
	bool inside;           /* behind the name */
	bool drop;             /* the field, with its folded lines, is being dropped */
	bool cr; /* the last byte was a CR at the start of a line; it is not used yet */
	bool ended;
	bool broken_off; /* an incomplete line has been passed on */
	bool date;
	bool message_id;
	uint16_t received;
};

/*
 * Scans `bytes` and returns how many of them belong to the header. If that is not all, either the
 * rest begins with the empty line (`ended`), or it is one CR (`cr`), which may begin that line:
 * pass it again with the bytes that follow.
 *
 * `pass` gets the bytes to pass on. An incomplete name is passed on with the bytes that follow, or
 * by smtp_header_flush.
 */
size_t smtp_header_scan(struct smtp_header *header, struct weir_span bytes,
        void (*pass)(void *context, struct weir_span bytes), void *context);

/* The message has ended in its header: passes on an incomplete name. */
void smtp_header_flush(struct smtp_header *header,
        void (*pass)(void *context, struct weir_span bytes), void *context);

#endif
