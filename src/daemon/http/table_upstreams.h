/* Groups of upstreams, for the tables that name them. */
#ifndef DAEMON_TABLE_UPSTREAMS_H
#define DAEMON_TABLE_UPSTREAMS_H

#include "config.h"
#include "table.h"

/* Whether the text can be the path of a request. */
bool upstreams_path_is_good(const char *path);

/*
 * Finds the group that `to` in a mapping names; for a URL, makes one of this server. Returns NULL
 * if `text` is neither for this protocol, which was made a problem.
 */
const struct config_upstreams *upstreams_resolve(struct reader *reader, const struct node *node,
        const char *text, enum config_protocol protocol);

/* Makes two groups of one name a problem. */
void upstreams_check_names(struct reader *reader, const struct node *top);

#endif
