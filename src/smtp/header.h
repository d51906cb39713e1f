/*
 * The header of a message (RFC 5322 2.2) as it streams by: which of a few fields there are, and
 * where it ends, at the first empty line. Nothing is kept but the beginning of a field's name.
 */
#ifndef WEIR_SMTP_HEADER_H
#define WEIR_SMTP_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/span.h>

struct weir_smtp_header {
	char name[12]; /* of the field the line begins with, in lower case */
	uint8_t size;  /* bytes of it so far */
	bool inside;   /* in a line, behind the name */
	bool cr;       /* the last byte seen, and not used, is a CR where a line begins */
	bool ended;
	bool broken_off; /* bytes of a line without its end so far */
	bool date;
	bool message_id;
	uint16_t received;
};

/*
 * Looks at what comes next: the bytes used, which belong to the header. Fewer than there are: the
 * rest begins with the empty line (`ended`), or is one CR (`cr`) that may begin it: then it has to
 * come again with what follows it.
 */
size_t weir_smtp_header_scan(struct weir_smtp_header *header, struct weir_span bytes);

#endif
