/*
 * Basic authentication (RFC 7617) from a users file. Stands in the chain before what it protects:
 * who shows a right password is passed on, as the exchange's user; everybody else gets a 401, after
 * a short while if the password was wrong. 503 when too many passwords are being checked.
 *
 * Passwords go over the wire as they are: for TLS, or for the machine itself.
 */
#ifndef WEIR_HTTP_AUTH_H
#define WEIR_HTTP_AUTH_H

#include <weir/api.h>
#include <weir/http.h>

struct weir_users;

/*
 * For the path `prefix` and those below it ("" is all; copied, as is the realm). Takes a hold of
 * the users; NULL without memory.
 */
WEIR_API struct weir_http_handler *weir_http_basic_auth(
        struct weir_users *users, const char *realm, const char *prefix);

#endif
