/* A line of the control connection: telnet's part taken out, then a verb and its argument. */
#ifndef WEIR_FTP_CONTROL_LINE_H
#define WEIR_FTP_CONTROL_LINE_H

#include <sys/types.h>

#include <weir/limits.h>
#include <weir/span.h>

struct ftp_command {
	char verb[8];         /* capitals; "" if it is none that could be known */
	const char *argument; /* in the line, ended by NUL; "" if there is none */
};

/* Refusals of telnet options, to be sent as they are. */
struct ftp_telnet_answer {
	size_t size;
	unsigned char bytes[3 * WEIR_FTP_TELNET_ANSWERS_MAX];
};

/*
 * Writes what is left of `line` (its LF left out) without telnet's commands and without a CR at the
 * end to `to`, which has room for line.size + 1 bytes; a NUL is added. The size, or WEIR_E_SYNTAX:
 * there is a NUL in it that does not follow a CR.
 */
ssize_t ftp_telnet_strip(struct weir_span line, char *to, struct ftp_telnet_answer *answer);

/* Splits a line as ftp_telnet_strip leaves it. */
struct ftp_command ftp_command_parse(const char *line);

#endif
