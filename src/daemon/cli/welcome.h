/* The directory that is served when none is named. */
#ifndef DAEMON_WELCOME_H
#define DAEMON_WELCOME_H

#define WELCOME_ROOT "public"

/*
 * Makes ./public with a page that greets, unless it is there. 0 or a negative errno, which was
 * said.
 */
int welcome_create(void);

#endif
