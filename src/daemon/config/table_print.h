/* Prints values that are stored along the tables. */
#ifndef DAEMON_TABLE_PRINT_H
#define DAEMON_TABLE_PRINT_H

#include "table.h"

/*
 * Prints a whole section as YAML that can be read again. A comment marks a value that is the default;
 * a key without a value is a comment. Returns false without memory.
 */
bool table_print(FILE *to, const struct section *section, const void *target);

/*
 * The default of a key as YAML, to be freed; "" if it has none that is a value. Returns NULL without
 * memory.
 */
char *table_default_text(const struct key *key);

#endif
