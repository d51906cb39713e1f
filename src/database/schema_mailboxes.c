/* Mailboxes, their messages, and the bodies of messages. */
#include "schema.h"

const struct schema_part schema_mailboxes = {.name = "mailboxes"};
