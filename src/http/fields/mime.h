/* Media types by the extension of a file's name. */
#ifndef WEIR_HTTP_MIME_H
#define WEIR_HTTP_MIME_H

#include <stdbool.h>

#include <weir/span.h>

struct http_mime {
	const char *extension; /* lower case, without its dot */
	const char *type;      /* for Content-Type; text has charset=utf-8 */
	bool compressible;     /* worth gzip: not compressed by its own format */
};

/*
 * Returns the entry for the extension of a name or path, in any case. It is static and never NULL:
 * application/octet-stream for an unknown extension.
 */
const struct http_mime *http_mime_find(struct weir_span name);

#endif
