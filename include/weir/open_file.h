/*
 * How the library opens the files that a program names by path and that are only read: users files,
 * aliases, zones, certificates and keys, /etc/hosts. A program that has given up the right to open
 * them can have another process do so.
 */
#ifndef WEIR_OPEN_FILE_H
#define WEIR_OPEN_FILE_H

#include <weir/api.h>

WEIR_C_BEGIN

/*
 * Has `open_file` open these files from now on; NULL: open(2) does. It returns a descriptor at the
 * beginning of the file, which the library closes, or a negative errno. Any thread may call it.
 * Call weir_set_file_opener before other threads run.
 */
WEIR_API void weir_set_file_opener(int (*open_file)(const char *path));

/* Opens a file for reading in this way. Returns a descriptor or a negative errno. */
WEIR_API int weir_open_file(const char *path);

WEIR_C_END

#endif
