/*
 * Applications that speak FastCGI, such as php-fpm: requests to our server that scripts answer.
 *
 *   /shop/cart.php/3?x=1   SCRIPT_NAME=/shop/cart.php  PATH_INFO=/3  QUERY_STRING=x=1
 *
 * The upstreams are a group with `fastcgi` set (weir/http_proxy.h). Balancing, retries, time
 * limits, health checks and the log are those of the reverse proxy, and bodies pass with the same
 * back-pressure. A request with a body needs a Content-Length: 411.
 *
 * With a tree, the scripts are files beneath its root, whose names end in `extension`. The first
 * segment of the path that is such a file is the script; the rest is PATH_INFO. Nothing else
 * is ever run, so that no path can turn an uploaded picture into a script. A path that names no
 * script has three meanings:
 *
 *   a directory with `index`   That is run.
 *   a file                     The next handler of the chain replies.
 *   nothing                    `script` is run, or the next handler replies. A path that names a
 *                              script which is not there is 404 then.
 *
 * Without a tree the application gets every path below `prefix`: SCRIPT_NAME is the prefix, and
 * PATH_INFO all behind it.
 *
 * Besides those of weir_http_call_options, these variables are set: SCRIPT_NAME, PATH_INFO,
 * SCRIPT_FILENAME, DOCUMENT_ROOT, SERVER_NAME, SERVER_ADDR, SERVER_PORT, SERVER_PROTOCOL,
 * SERVER_SOFTWARE, REMOTE_ADDR, REMOTE_PORT, REMOTE_USER, AUTH_TYPE, HTTPS, REQUEST_SCHEME and
 * REDIRECT_STATUS.
 */
#ifndef WEIR_HTTP_FASTCGI_H
#define WEIR_HTTP_FASTCGI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/http.h>
#include <weir/network.h>

WEIR_C_BEGIN

struct weir_http_upstreams;
struct weir_tree;

/*
 * Begin with weir_http_fastcgi_options_init. Texts are copied, the upstreams are held, and the tree
 * becomes the handler's in any case.
 */
struct weir_http_fastcgi_options {
	struct weir_http_upstreams *upstreams;
	const char *prefix;     /* the path and all below it, without '/' at its ends; "": all */
	struct weir_tree *tree; /* where the scripts are; NULL: there are none */
	/* The tree's root as the application sees it, which may be on another machine. */
	const char *root;
	const char *extension; /* of scripts; ".php" */
	const char *index;     /* that a directory may have; "index.php"; NULL: none */
	const char *script;    /* for paths that name no file, relative to the root; NULL: none */
	/* Paths below which nothing is run, as where clients can upload files. */
	const char *const *never;
	size_t never_count;
	bool hidden; /* whether paths with a segment that begins with '.' are run; false */
	/* Clients whose fields about another client (X-Forwarded-For …) are passed on. */
	const struct weir_network *trusted;
	size_t trusted_count;
	bool request_id;   /* HTTP_X_REQUEST_ID, the id that the log has; true by default */
	uint64_t body_max; /* bytes of a request's body: 413; UINT64_MAX, the default: any */
	/* As of weir/http_proxy.h. */
	bool abort_on_close, compress, zstd;
	const char *const *compress_types;
	size_t compress_type_count;
	unsigned compress_level;
};

/* Sets every member to its default. The upstreams have none. */
WEIR_API void weir_http_fastcgi_options_init(struct weir_http_fastcgi_options *options);

/*
 * Returns NULL without memory, for upstreams that are NULL or without `fastcgi`, or for a tree
 * without a root or an extension.
 */
WEIR_API struct weir_http_handler *weir_http_fastcgi_create(
        const struct weir_http_fastcgi_options *options);

WEIR_C_END

#endif
