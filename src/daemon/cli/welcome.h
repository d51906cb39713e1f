/* Creates the directory that is served when none is named. */
#ifndef DAEMON_WELCOME_H
#define DAEMON_WELCOME_H

#define WELCOME_ROOT "public"

/*
 * Creates ./public with a first page, unless the directory exists. Returns 0 or a negative errno,
 * which was reported.
 */
int welcome_create(void);

#endif
