/*
 * Basic authentication (RFC 7617) from a users file. Stands in the chain before what it protects:
 * who shows a right password is passed on, everybody else gets a 401.
 */
#ifndef WEIR_HTTP_AUTH_H
#define WEIR_HTTP_AUTH_H

#include <weir/api.h>
#include <weir/http.h>

struct weir_users;

/* For paths below `prefix` ("" is all; copied, as is the realm). Takes a hold of the users; NULL without memory. */
WEIR_API struct weir_http_handler *weir_http_basic_auth(
        struct weir_users *users, const char *realm, const char *prefix);

#endif
