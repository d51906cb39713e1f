/*
 * How the library opens the files that a program names by path and that are only read: users files,
 * aliases, zones, certificates and keys, /etc/hosts. A program that has given up the right to open
 * them can have another process do so. The same holds for the sockets of its servers.
 */
#ifndef WEIR_OPEN_FILE_H
#define WEIR_OPEN_FILE_H

#include <weir/api.h>

WEIR_C_BEGIN

/*
 * Returns a descriptor at the beginning of the file, which the library closes, or a negative errno.
 * Any thread may call it.
 */
typedef int weir_open_file_fn(const char *path);

/*
 * Has `open_file` open these files from now on; NULL: open(2) does. Call it before other threads
 * run.
 */
WEIR_API void weir_set_file_opener(weir_open_file_fn *open_file);

/*
 * Opens a file for reading in this way, without a wait for the writer of a FIFO. Returns a
 * descriptor or a negative errno.
 */
WEIR_API int weir_open_file(const char *path);

/*
 * Returns a socket for a server that does not make its own, for example because it has given up the
 * right to. The socket is non-blocking, bound to the server's address, and listens if `type` is
 * SOCK_STREAM. It belongs to the server. Or returns a negative errno.
 */
typedef int weir_open_socket_fn(void *context, int type);

WEIR_C_END

#endif
