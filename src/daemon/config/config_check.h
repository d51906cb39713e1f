/*
 * What the tables of config_file.c cannot say about a configuration: defaults, and what must agree.
 */
#ifndef DAEMON_CONFIG_CHECK_H
#define DAEMON_CONFIG_CHECK_H

#include "schema.h"

void config_check_init_site(void *target);
void config_check_init_uploads(void *target);
void config_check_init_auth(void *target);
void config_check_init_redirect(void *target);
void config_check_init_relay(void *target);

void config_check_tls(struct reader *reader, yaml_node_t *node, void *target);
void config_check_listener(struct reader *reader, yaml_node_t *node, void *target);
void config_check_site(struct reader *reader, yaml_node_t *node, void *target);
void config_check_auth(struct reader *reader, yaml_node_t *node, void *target);
void config_check_redirect(struct reader *reader, yaml_node_t *node, void *target);
void config_check_relay(struct reader *reader, yaml_node_t *node, void *target);
void config_check_mail(struct reader *reader, yaml_node_t *node, void *target);
void config_check_init_ftp(void *target);
void config_check_ftp(struct reader *reader, yaml_node_t *node, void *target);
void config_check_init_dns(void *target);
void config_check_dns(struct reader *reader, yaml_node_t *node, void *target);
void config_check_dns_key(struct reader *reader, yaml_node_t *node, void *target);
void config_check_zone(struct reader *reader, yaml_node_t *node, void *target);
void config_check_transfer(struct reader *reader, yaml_node_t *node, void *target);
void config_check_all(struct reader *reader, yaml_node_t *node, void *target);

/* config_file_dns.c: the keys of `dns`. */
extern const struct schema config_dns_schema;

#endif
