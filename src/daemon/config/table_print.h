/* Prints values that are stored along the tables. */
#ifndef DAEMON_TABLE_PRINT_H
#define DAEMON_TABLE_PRINT_H

#include "table.h"

/*
 * Prints a whole section as YAML that can be read again. A comment marks a value that is the
 * default; a key without a value is a comment. Returns false without memory.
 */
bool table_print(FILE *to, const struct section *section, const void *target);

/*
 * The default of a key as YAML, to be freed; "" if it has none that is a value. Returns NULL
 * without memory.
 */
char *table_default_text(const struct key *key);

/*
 * A paragraph on a key that begins with `doc`: bounds and default, and with `all` everything that
 * the manual has. To be freed; NULL without memory.
 */
char *table_key_text(const struct key *key, const char *doc, bool all);

#endif
