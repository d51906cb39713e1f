/* The service of HTTP: the sites of a configuration. */
#ifndef DAEMON_SERVICE_HTTP_H
#define DAEMON_SERVICE_HTTP_H

#include "service.h"

extern const struct service_type service_http;

#endif
