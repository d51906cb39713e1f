/* The file names of a Maildir, and the scan of a message for its name. */
#ifndef WEIR_MAIL_NAME_H
#define WEIR_MAIL_NAME_H

#include <weir/mail_store.h>
#include <weir/span.h>

enum {
	MAIL_NAME_SIZE = 256 /* of a buffer for a name, with its NUL */
};

/* The parts of a name. */
struct mail_name {
	struct weir_span unique; /* before the fields and the flags */
	uint64_t stored;         /* S=: bytes of the file */
	uint64_t octets;         /* W=: bytes with CRLF line ends */
	bool measured;           /* both are present */
	bool dotless; /* D=0: see struct weir_mail_body; the last line is complete, too */
};

void mail_name_parse(struct weir_span name, struct mail_name *ret);

/* Makes the UIDL from a unique part: that itself, or a hash of it if it does not qualify. */
void mail_name_uid(struct weir_span unique, char ret[static WEIR_MAIL_UID_MAX + 1]);

/* A message, scanned piece by piece from its first byte; all zero at first. */
struct mail_scan {
	uint64_t stored; /* bytes so far */
	uint64_t bare;   /* LFs without a CR before them */
	bool dotted;     /* a line begins with a dot */
	bool unix_lines; /* set by the caller: LF alone ends a line, too */
	char last[2];    /* the last two bytes; zero counts as a line end */
};

void mail_scan(struct mail_scan *scan, struct weir_span bytes);

/* Whether the last line is complete. */
bool mail_scan_ended(const struct mail_scan *scan);

/*
 * Makes a new name for a message that was scanned to its end. Returns 0, or -EIO without random
 * numbers.
 */
int mail_name_make(const struct mail_scan *scan, char ret[static MAIL_NAME_SIZE]);

#endif
