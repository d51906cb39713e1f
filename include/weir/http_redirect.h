/* Redirects: from paths below a prefix to another URL, and from HTTP to HTTPS. */
#ifndef WEIR_HTTP_REDIRECT_H
#define WEIR_HTTP_REDIRECT_H

#include <weir/api.h>
#include <weir/http.h>

WEIR_C_BEGIN

/*
 * Redirects the path `from` and all below it by `status` (301, 302, 303, 307 or 308). `from` has no
 * slashes at its ends; "" is all. The target is `to`, then the rest of the path, then the query:
 * from "old" to "https://example.org/new", /old/a?b becomes https://example.org/new/a?b. Text is
 * copied. Returns NULL without memory.
 */
WEIR_API struct weir_http_handler *weir_http_redirect_create(
        const char *from, const char *to, unsigned status);

/*
 * Redirects requests in clear by 308 to the same path by https, at `port`; 0 is 443, which the URL
 * does not name. Clients of trusted forwarders are redirected to 443. The host is that of the
 * request, or, without Host, the address of this server. Returns NULL without memory.
 */
WEIR_API struct weir_http_handler *weir_http_https_redirect_create(unsigned port);

WEIR_C_END

#endif
