/* `weir passwd` for a user in the database. */
#ifndef DAEMON_STORE_PASSWD_H
#define DAEMON_STORE_PASSWD_H

#include "cli.h"
#include "config.h"

/*
 * Changes a row of weir_user; a change by another program at the same time is not overwritten. All
 * front ends follow within seconds.
 */
enum passwd_done store_passwd_change(struct config *config, const struct passwd_change *change);

#endif
