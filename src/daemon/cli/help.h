/* What --help prints, made from the verbs and the rows of their options. */
#ifndef DAEMON_HELP_H
#define DAEMON_HELP_H

#include "cli_verbs.h"

/* Both return an exit code. */
int help_print(void);
int help_print_verb(const char *name);

/*
 * Writes text in lines of at most `width` columns; all but the first begin with `prefix`, and the
 * first one is in column `column` already. Quotes of code (`) are left out.
 */
void help_wrap(FILE *to, const char *text, const char *prefix, size_t column, size_t width);

#endif
