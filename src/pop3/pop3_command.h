/* A line of POP3 (RFC 1939 3): a verb, a space, arguments. */
#ifndef WEIR_POP3_COMMAND_H
#define WEIR_POP3_COMMAND_H

#include <weir/span.h>

enum {
	POP3_ARGUMENTS_MAX = 2
};

struct pop3_command {
	struct weir_span verb;
	struct weir_span
	        rest; /* all behind the verb and its space; data is NULL if there is no space */
	struct weir_span arguments[POP3_ARGUMENTS_MAX];
	unsigned count; /* of arguments; may be larger than ARGUMENTS_MAX */
};

/*
 * Parses a line without its CRLF. Returns 0, or WEIR_E_SYNTAX if there is a control character or no
 * verb.
 */
int pop3_command_parse(struct weir_span line, struct pop3_command *ret);

/*
 * Parses a number of 1 to 20 digits. Returns 0, WEIR_E_SYNTAX, or WEIR_E_LIMIT if it needs more
 * than 64 bits.
 */
int pop3_number(struct weir_span argument, uint64_t *ret);

#endif
