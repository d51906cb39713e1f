/* The services of the daemon; see service.h. */
#ifndef DAEMON_SERVICES_H
#define DAEMON_SERVICES_H

#include "service.h"

extern const struct service_type *const services[SERVICE_COUNT];

/* The contents of all services on one worker; NULL for a service without a listener. */
struct contents {
	void *of[SERVICE_COUNT];
	struct weir_tls *tls[SERVICE_COUNT]; /* references; NULL without certificates, too */
};

/* Calls `load` of every service that has a listener. Returns 0 or a negative errno. */
int contents_load(struct config *config, struct shares shares, struct contents *ret);

/* Calls `unload`. The struct may be all zero, and is so afterwards. */
void contents_unload(struct contents *contents);

#endif
