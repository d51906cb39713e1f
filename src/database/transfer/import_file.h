/* The files of messages in a Maildir that is imported. */
#ifndef DATABASE_IMPORT_FILE_H
#define DATABASE_IMPORT_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "maildir_state.h"

/* Stores the time of a name such as 1700000000.M012345P77Q1.host; false if it is no such name. */
bool import_file_parse_time(struct weir_span unique, int64_t *ret_us);

/*
 * Opens the file, also if it was moved to cur/ meanwhile. Returns the descriptor, -ENOENT if it is
 * gone, or an errno. Blocks.
 */
int import_file_open(int directory, const struct maildir_message *message);

/* Counts the messages in USER/part; 0 if that cannot be read. Blocks. */
uint64_t import_file_count(int root, const char *user, const char *part);

/*
 * Opens and lists a mailbox. Returns NULL, or why that is impossible; the caller frees what there
 * is in both cases. Blocks.
 */
const char *import_file_list(
        int root, const char *user, int *ret_directory, struct maildir_list *list);

#endif
