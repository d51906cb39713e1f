/*
 * The header of a message (RFC 5322 2.2) as it streams by: which of a few fields there are, which of
 * them are left out, and where it ends, at the first empty line. Nothing is kept but the beginning
 * of a field's name.
 */
#ifndef WEIR_SMTP_HEADER_H
#define WEIR_SMTP_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/span.h>

struct smtp_header {
	bool drop_bcc;         /* set before the first byte, as the next */
	bool drop_return_path; /* fields of this name are left out */
	char name[12];         /* of the field the line begins with, in lower case */
	char raw[12];          /* … as it was written */
	uint8_t size;          /* bytes of it so far */
	bool inside;           /* in a line, behind the name */
	bool drop;             /* the field, with its folded lines, is left out */
	bool cr;               /* the last byte seen, and not used, is a CR where a line begins */
	bool ended;
	bool broken_off; /* bytes of a line without its end were passed on */
	bool date;
	bool message_id;
	uint16_t received;
};

/*
 * Looks at what comes next: the bytes used, which belong to the header. Fewer than there are: the
 * rest begins with the empty line (`ended`), or is one CR (`cr`) that may begin it: then it has to
 * come again with what follows it.
 *
 * What of these bytes is to be passed on is given to `pass`, but for a name that is not known yet:
 * that comes with what follows it, or at the end by smtp_header_flush.
 */
size_t smtp_header_scan(struct smtp_header *header, struct weir_span bytes,
        void (*pass)(void *context, struct weir_span bytes), void *context);

/* The message has ended within its header: passes on what was not. */
void smtp_header_flush(struct smtp_header *header,
        void (*pass)(void *context, struct weir_span bytes), void *context);

#endif
