/*
 * The access log: the combined format, the time taken, and how the connection fared.
 *
 *   192.0.2.7 - alice [22/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 512 "-" "curl/7.88" 0.004 +
 *
 * The size is that of the body's bytes that really were sent; the last character is X where the
 * client went before the end, + where the connection was kept, - where it was closed. Of a request
 * over TLS the version stands before the time: … "curl/7.88" TLSv1.3 0.004 +
 *
 * Lines are gathered in memory and written by the work pool: a slow disk never stops the loop. When
 * WEIR_HTTP_LOG_QUEUE_MAX bytes are waiting, lines are dropped; how many is told in the log itself.
 */
#ifndef WEIR_HTTP_LOG_H
#define WEIR_HTTP_LOG_H

#include <weir/api.h>

struct weir_http_log;
struct weir_loop;

/*
 * Opens for appending. The log is for servers of this loop; several loops may open one path. 0 or a
 * negative errno.
 */
WEIR_API int weir_http_log_create(
        struct weir_loop *loop, const char *path, struct weir_http_log **ret);

/* Opens the path anew, after it was rotated. 0, or a negative errno: the old file goes on. */
WEIR_API int weir_http_log_reopen(struct weir_http_log *log);

/* Writes what is waiting, and frees. After its servers. NULL is allowed. */
WEIR_API void weir_http_log_destroy(struct weir_http_log *log);

#endif
