/*
 * Basic authentication (RFC 7617) from a users file. Stands in the chain before what it protects:
 * a request with a right password is passed on, as the exchange's user; every other one gets a 401. An
 * answer waits as long as the guard says (weir/sasl_guard.h); without a guard a wrong password waits
 * for 600 ms. 503 when too many passwords are being checked, when too many answers wait, and when a
 * hash cannot be computed.
 *
 * Passwords go over the wire as they are: for TLS, or for the machine itself.
 */
#ifndef WEIR_HTTP_AUTH_H
#define WEIR_HTTP_AUTH_H

#include <weir/api.h>
#include <weir/http.h>

struct weir_guard;
struct weir_users;

/*
 * For the path `prefix` and those below it ("" is all; copied, as is the realm). Takes a hold of
 * the users. The guard must outlive the handler; NULL: none. Returns NULL without memory.
 */
WEIR_API struct weir_http_handler *weir_http_basic_auth_create(
        struct weir_users *users, struct weir_guard *guard, const char *realm, const char *prefix);

#endif
