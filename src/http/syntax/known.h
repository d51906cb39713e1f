/* Names of well-known fields and methods, found by length and first letter. */
#ifndef WEIR_HTTP_KNOWN_H
#define WEIR_HTTP_KNOWN_H

#include <weir/http_request.h>

/* `name` must consist of tchars, in any case. Returns WEIR_HTTP_UNKNOWN for other names. */
enum weir_http_known http_known_find(const char *name, size_t size);

/* Methods are case-sensitive (RFC 9110 9.1). */
enum weir_http_method http_method_find(const char *name, size_t size);

#endif
