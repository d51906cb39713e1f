/*
 * A line of the control connection: telnet commands are removed, then it is split into verb and
 * argument.
 */
#ifndef WEIR_FTP_CONTROL_LINE_H
#define WEIR_FTP_CONTROL_LINE_H

#include <sys/types.h>

#include <weir/limits.h>
#include <weir/span.h>

struct ftp_command {
	char verb[8];         /* in upper case; "" if it is too long to be known */
	const char *argument; /* in the line, ended by NUL; "" if there is none */
};

/* Refusals of telnet options, ready to be sent. */
struct ftp_telnet_answer {
	size_t size;
	unsigned char bytes[3 * WEIR_FTP_TELNET_ANSWERS_MAX];
};

/*
 * Copies `line`, which has no LF, without telnet commands and without a CR at the end. Adds a
 * NUL. `to` has room for line.size + 1 bytes. Returns the size, or WEIR_E_SYNTAX for a NUL that
 * does not follow a CR.
 */
ssize_t ftp_telnet_strip(struct weir_span line, char *to, struct ftp_telnet_answer *answer);

/* Splits a line that ftp_telnet_strip has returned. */
struct ftp_command ftp_command_parse(const char *line);

#endif
