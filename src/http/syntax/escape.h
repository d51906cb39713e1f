/* Text made safe for HTML and for URLs, as in listings of directories. */
#ifndef WEIR_HTTP_ESCAPE_H
#define WEIR_HTTP_ESCAPE_H

#include <weir/span.h>

/* The most that one byte can become. */
#define WEIR_HTTP_ESCAPE_HTML_MAX 6
#define WEIR_HTTP_ESCAPE_URL_MAX 3

/*
 * For element content and for values of attributes in either kind of quotes: & < > " ' become
 * references. 0 or WEIR_E_LIMIT (does not fit); no NUL is added. What stands in the buffer after a
 * failure is of no use.
 */
int http_escape_html(struct weir_span text, char *buffer, size_t capacity, size_t *ret_size);

/*
 * For one segment of a path (RFC 3986 3.3): all but the unreserved is escaped, '/' too. As above.
 */
int http_escape_url(struct weir_span text, char *buffer, size_t capacity, size_t *ret_size);

#endif
