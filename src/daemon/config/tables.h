/* The sections that the protocols register; table_top.c makes one configuration of them. */
#ifndef DAEMON_TABLES_H
#define DAEMON_TABLES_H

#include "table.h"

extern const struct section table_site;     /* table_http.c */
extern const struct section table_tls;      /* table_tls.c */
extern const struct section table_mail;     /* table_mail.c */
extern const struct section table_ftp;      /* table_ftp.c */
extern const struct section table_dns;      /* table_dns.c */
extern const struct section table_listener; /* table_listen.c */
extern const struct section table_top;      /* table_top.c: the configuration, struct config */

/* Rules between sections, called when all of the configuration was read. */
void table_listen_check(struct reader *reader, const struct node *top);
void table_http_check(struct reader *reader, const struct node *top);
void table_tls_check(struct reader *reader, const struct node *top);
void table_ftp_check(struct reader *reader, const struct node *top);
void table_admin_check(struct reader *reader, const struct node *top);
void table_dns_check(struct reader *reader, const struct node *top);

#endif
