/*
 * Checks of `weir store check`: statements that only read. A part lists its own in its file of the
 * schema or beside it; checks.c has the list of all, and those of the server as a whole.
 */
#ifndef DATABASE_CHECKS_H
#define DATABASE_CHECKS_H

#include <stdbool.h>

/*
 * A row is: its subject, its value, and whether it is a problem (a boolean). The texts complete a
 * line "subject: value".
 */
struct database_check {
	const char *part; /* of the schema; not asked if that is not there. NULL: none is needed */
	const char *statement; /* without values; NULL ends a list */
	bool optional;         /* an error means that the server does not have it */
	bool sealed;           /* rows are: subject, purpose, name, a text of weir_database_seal */
};

extern const struct database_check database_checks_users[], database_checks_mailboxes[];

#endif
