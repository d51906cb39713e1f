/* Between the tables of a site and of its rules. */
#ifndef DAEMON_TABLE_RULE_H
#define DAEMON_TABLE_RULE_H

#include "config.h"
#include "table.h"

/* table_rule.c: sections that a site shares with its rules, and the rules. */
extern const struct section table_change, table_rate, table_cors, table_rule;

/* Gives each rule of a site what it has from the site. The site was read. */
void table_complete_rules(struct reader *reader, const struct node *node, struct config_site *site);

/* table_http.c: checks the realm, and loads the users file that `users` of the mapping names. */
void table_load_users(struct reader *reader, const struct node *node, const char *realm,
        const char *path, struct weir_users **ret);

#endif
