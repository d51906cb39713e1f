/* Status codes (RFC 9110 15) as text. */
#ifndef WEIR_HTTP_STATUS_H
#define WEIR_HTTP_STATUS_H

#include <weir/span.h>

/* Returns the reason phrase, which is static; empty, as RFC 9112 4 allows, for an unknown code. */
struct weir_span http_status_reason(int status);

#endif
