/*
 * Mail in the daemon: SMTP with its personalities, and POP3, out of one store. The content of both
 * services is the configuration itself, with the host that it has (mail_host.h).
 */
#ifndef DAEMON_SERVICE_MAIL_H
#define DAEMON_SERVICE_MAIL_H

#include "service.h"

extern const struct service_type service_smtp, service_pop3;

#endif
