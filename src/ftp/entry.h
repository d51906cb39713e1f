/* One entry of a directory as a line: of LIST, NLST, MLSD and MLST. Pure text. */
#ifndef WEIR_FTP_ENTRY_H
#define WEIR_FTP_ENTRY_H

#include <stdbool.h>

#include <weir/directory.h>
#include <weir/span.h>

/* Facts of MLST and MLSD (RFC 3659 7.5), as bits. */
enum ftp_fact {
	FTP_FACT_TYPE = 1,
	FTP_FACT_SIZE = 2,
	FTP_FACT_MODIFY = 4,
	FTP_FACT_PERM = 8,
	FTP_FACT_UNIQUE = 16,
	FTP_FACT_MODE = 32,
	FTP_FACTS_ALL = 63
};

/* How lines are made; one for all of a directory. */
struct ftp_entry_style {
	/* Writes a line, its CRLF included: its size, 0 if it does not fit or must not be shown. */
	size_t (*write)(const struct ftp_entry_style *style,
	        const struct weir_directory_entry *entry, char *to, size_t room);
	unsigned facts;     /* of MLST, MLSD */
	unsigned rights;    /* enum weir_ftp_rights that the user has */
	time_t now;         /* LIST shows other dates for what is old */
	const char *prefix; /* NLST: what stands before each name, as "dir/" */
};

/* The most that `write` needs, but for a prefix. */
#define FTP_ENTRY_MAX 1024

size_t ftp_entry_list(const struct ftp_entry_style *style, const struct weir_directory_entry *entry,
        char *to, size_t room);
size_t ftp_entry_name(const struct ftp_entry_style *style, const struct weir_directory_entry *entry,
        char *to, size_t room);
size_t ftp_entry_facts(const struct ftp_entry_style *style,
        const struct weir_directory_entry *entry, char *to, size_t room);

/* "size;TYPE;…": the bits of those known. */
unsigned ftp_facts_parse(struct weir_span text);

/* "type*;size;…" for FEAT, with `*` for the selected ones; without, only those, for OPTS. */
#define FTP_FACTS_TEXT_MAX 64
void ftp_facts_format(unsigned facts, bool all, char text[FTP_FACTS_TEXT_MAX]);

/*
 * A pathname for a line: CR becomes CR NUL, 255 is doubled where `telnet` says so, a quote where
 * `quoted`; an LF becomes `?`. The size, at most twice that of `name`; or 0 if it does not fit.
 */
size_t ftp_name_write(const char *name, bool telnet, bool quoted, char *to, size_t room);

#endif
