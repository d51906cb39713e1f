/* Between the tables of a site and of its rules. */
#ifndef DAEMON_TABLE_RULE_H
#define DAEMON_TABLE_RULE_H

#include "config.h"
#include "table.h"

/* The sections that a site shares with its rules, and the rules. */
extern const struct section table_change, table_rate, table_cors, table_rule;

/* Sections of rules alone. */
extern const struct section table_rule_auth, table_bearer;

/*
 * Gives each rule of a site the settings of the site that it does not have itself. The site was
 * read by the section `of`.
 */
void table_complete_rules(struct reader *reader, const struct node *node, const struct section *of,
        struct config_site *site);

/* Checks the realm, and loads the users file that `users` of the mapping names. */
void table_load_users(struct reader *reader, const struct node *node, const char *realm,
        const char *path, struct weir_users **ret);

#endif
