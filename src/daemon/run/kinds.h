/* The types of listeners, by the names that `listen` and URLs have for them. */
#ifndef DAEMON_KINDS_H
#define DAEMON_KINDS_H

#include "config.h"

struct kind {
	const char *name; /* NULL ends the table */
	enum service service;
	bool secure;        /* TLS from the first byte */
	bool upgrades;      /* a client may start TLS (STARTTLS) */
	bool datagrams;     /* it listens on UDP, too */
	int variant;        /* defined by the service */
	const char *scheme; /* of its URLs */
};

extern const struct kind kinds[];

/* The facts on a service that reading a configuration needs. */
struct service_info {
	const char *section; /* the section that its listeners need */
	enum config_log log;
	/* Its names in ALPN, up to NULL; NULL: clients are not asked for one. */
	const char *const *alpn;
};

extern const struct service_info service_infos[SERVICE_COUNT];

/* Returns the type of this name, or NULL. */
const struct kind *kind_find(const char *name);

/* Whether the configuration has a listener of the service; without any listener, HTTP has one. */
bool kinds_include(const struct config *config, enum service service);
bool kinds_include_https(const struct config *config);

/* Whether a listener has TLS from the first byte; and whether one has, or can start it. */
bool kinds_include_secure(const struct config *config);
bool kinds_include_tls(const struct config *config);

#endif
