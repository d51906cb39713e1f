/*
 * UIDLs sort as UIDs do, as far as that is possible: an export makes names of files from them, and
 * a Maildir is read in the order of its names. The UIDL of a message that is delivered later begins
 * with `validity` of its mailbox. So an import raises that above the seconds of all names.
 */
#ifndef DATABASE_IMPORT_ORDER_H
#define DATABASE_IMPORT_ORDER_H

#include "maildir_state.h"

/* What `validity` must be at least; 0 if no name begins with a second. */
int64_t import_order_validity(const struct maildir_list *list);

/*
 * $1: the mailbox, $2: its new `validity`. The three in this order are one transaction, after
 * which messages that are there have the UIDLs that they had: the first one locks the mailbox, so
 * that the second one sees all of them.
 */
extern const char import_order_lock[];
extern const char import_order_keep[];
extern const char import_order_raise[];

#endif
