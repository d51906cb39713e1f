/* The names of a Maildir's files, and what is found out of a message while it passes. Pure. */
#ifndef WEIR_MAIL_NAME_H
#define WEIR_MAIL_NAME_H

#include <weir/mail_store.h>
#include <weir/span.h>

enum {
	MAIL_NAME_SIZE = 256 /* of a buffer for a name, NUL included */
};

/* What a name tells. */
struct mail_name {
	struct weir_span unique; /* what stands before the fields and the flags */
	uint64_t stored;         /* S=: bytes of the file */
	uint64_t octets;         /* W=: bytes with CRLF line ends */
	bool measured;           /* both are there */
	bool dotless;            /* D=0: see struct weir_mail_body; and it is ended */
};

void mail_name_parse(struct weir_span name, struct mail_name *ret);

/* The UIDL of a unique name: itself, or where that cannot be, a hash of it. */
void mail_name_uid(struct weir_span unique, char ret[static WEIR_MAIL_UID_MAX + 1]);

/* A message seen piece by piece, from its first byte; all zero at first. */
struct mail_scan {
	uint64_t stored; /* bytes so far */
	uint64_t bare;   /* LFs without CR before them */
	bool dotted;     /* a line begins with a dot, in the sense of `unix_lines` */
	bool unix_lines; /* set by the caller: LF alone ends a line too */
	char last[2];    /* bytes before, the later in [1]; none: as behind a line's end */
};

void mail_scan(struct mail_scan *scan, struct weir_span bytes);

/* The last line is ended. */
bool mail_scan_ended(const struct mail_scan *scan);

/* A new name for a message that was seen to its end. 0 or -EIO: no random numbers. */
int mail_name_make(const struct mail_scan *scan, char ret[static MAIL_NAME_SIZE]);

#endif
