/* Redirects: paths below one place are sent to another. */
#ifndef WEIR_HTTP_REDIRECT_H
#define WEIR_HTTP_REDIRECT_H

#include <weir/api.h>
#include <weir/http.h>

/*
 * Paths that are `from` ("old", without slashes at its ends; "" is all) or below it get `status`
 * (301, 302, 303, 307, 308) and `to` with what follows `from`, and the query, behind it: from "old"
 * to "https://example.org/new", /old/a?b becomes https://example.org/new/a?b. Text is copied. NULL
 * without memory.
 */
WEIR_API struct weir_http_handler *weir_http_redirect_create(
        const char *from, const char *to, unsigned status);

/*
 * Requests that did not come over TLS get 308 to the same place by https, at `port` (0 is 443, which
 * is not named) of the host they asked; without Host, of the address they came to. NULL without
 * memory.
 */
WEIR_API struct weir_http_handler *weir_http_https_redirect_create(unsigned port);

#endif
