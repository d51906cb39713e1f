/* Asks for a new password. */
#ifndef DAEMON_PASSWD_ASK_H
#define DAEMON_PASSWD_ASK_H

#include <stdbool.h>

#include <weir/limits.h>

/*
 * Reads a password: from a terminal twice, without showing it; otherwise the first line of the
 * standard input. Returns false if there is none that can be used, which was reported. The caller
 * erases the password.
 */
bool passwd_ask(const char *user, char ret_password[WEIR_PASSWORD_MAX + 1]);

#endif
