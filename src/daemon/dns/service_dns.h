/* The service of DNS. */
#ifndef DAEMON_SERVICE_DNS_H
#define DAEMON_SERVICE_DNS_H

#include "service.h"

extern const struct service_type service_dns;

#endif
