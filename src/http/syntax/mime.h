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
 * The entry for a name or path: what follows its last '.' counts, in any case. Never NULL; static;
 * application/octet-stream where nothing is known.
 */
const struct http_mime *http_mime_find(struct weir_span name);

#endif
