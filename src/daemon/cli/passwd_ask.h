/* Asking for a new password. */
#ifndef DAEMON_PASSWD_ASK_H
#define DAEMON_PASSWD_ASK_H

#include <stdbool.h>

#include <weir/limits.h>

/*
 * From a terminal twice, without showing it; from anything else the first line of the standard
 * input. False: there is none that can be used, and it was said why. The caller erases.
 */
bool passwd_ask(const char *user, char ret_password[WEIR_PASSWORD_MAX + 1]);

#endif
