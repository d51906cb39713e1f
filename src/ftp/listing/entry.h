/* The lines of LIST, NLST, MLSD and MLST for one entry of a directory. Pure text. */
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

/* The format of all lines of a directory. */
struct ftp_entry_style {
	/*
	 * Writes a line with CRLF. Returns its size, or 0 if it does not fit or must not be
	 * shown.
	 */
	size_t (*write)(const struct ftp_entry_style *style,
	        const struct weir_directory_entry *entry, char *to, size_t room);
	unsigned facts;                  /* of MLST, MLSD */
	unsigned rights;                 /* enum weir_ftp_rights that the user has */
	time_t now;                      /* LIST shows the year for old files */
	enum weir_directory_links links; /* how symbolic links are described */
	const char *prefix;              /* NLST: the text before each name, such as "dir/" */
};

/* The room that `write` needs, without prefix and for a name of one component. */
#define FTP_ENTRY_MAX 1024

size_t ftp_entry_list(const struct ftp_entry_style *style, const struct weir_directory_entry *entry,
        char *to, size_t room);
size_t ftp_entry_name(const struct ftp_entry_style *style, const struct weir_directory_entry *entry,
        char *to, size_t room);
size_t ftp_entry_facts(const struct ftp_entry_style *style,
        const struct weir_directory_entry *entry, char *to, size_t room);

/* Parses "size;TYPE;…" and returns the bits of the known facts. */
unsigned ftp_facts_parse(struct weir_span text);

/*
 * Writes "type*;size;…" with `*` for the selected facts, for FEAT; or with `all` false only
 * those, for OPTS.
 */
#define FTP_FACTS_TEXT_MAX 64
void ftp_facts_format(unsigned facts, bool all, char text[FTP_FACTS_TEXT_MAX]);

/*
 * Writes a pathname for a line: CR becomes CR NUL, LF becomes `?`. 255 is doubled with `telnet`,
 * a quote with `quoted`. Returns the size, at most twice that of `name`, or 0 if it does not fit.
 */
size_t ftp_name_write(const char *name, bool telnet, bool quoted, char *to, size_t room);

#endif
