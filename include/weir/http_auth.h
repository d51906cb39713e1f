/*
 * Basic authentication (RFC 7617) from a users file. It is put in the chain in front of the
 * handlers that it protects. A request with a right password goes to the next handler, with its
 * user set; any other request gets a 401. The guard against brute force delays answers
 * (weir/sasl_guard.h); without a guard, the answer to a wrong password waits for 600 ms. The reply
 * is 503 when too many passwords are being checked, when too many answers wait, or when a hash
 * cannot be computed.
 *
 * Clients send the password readable: use TLS, or the loopback interface.
 */
#ifndef WEIR_HTTP_AUTH_H
#define WEIR_HTTP_AUTH_H

#include <weir/api.h>
#include <weir/http.h>

WEIR_C_BEGIN

struct weir_guard;
struct weir_users;

/*
 * Protects the path `prefix` and those below it, in any case of letters; "" is all. Prefix and realm are copied, and the
 * handler holds the users. The guard must outlive the handler; NULL: there is none. Returns NULL
 * without memory.
 */
WEIR_API struct weir_http_handler *weir_http_basic_auth_create(
        struct weir_users *users, struct weir_guard *guard, const char *realm, const char *prefix);

WEIR_C_END

#endif
