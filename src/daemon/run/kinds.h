/* The types of listeners, by the names that `listen` and URLs have for them. */
#ifndef DAEMON_KINDS_H
#define DAEMON_KINDS_H

#include "config.h"

struct kind {
	const char *name; /* NULL ends the table */
	enum service service;
	bool secure;        /* TLS from the first byte */
	bool upgrades;      /* a client may ask for TLS (STARTTLS) */
	bool datagrams;     /* UDP, too, at the same address */
	int variant;        /* the service's own */
	const char *scheme; /* of its URLs */
};

extern const struct kind kinds[];

/* What the configuration must know of a service. */
struct service_info {
	const char *section; /* the section that its listeners need */
	enum config_log log;
	/* Its names in ALPN, up to NULL; NULL: clients are not asked for one. */
	const char *const *alpn;
};

extern const struct service_info service_infos[SERVICE_COUNT];

/* The kind of this name, or NULL. */
const struct kind *kind_find(const char *name);

/* Whether a listener of the configuration is of the service; without any, one will be of HTTP. */
bool kinds_include(const struct config *config, enum service service);
bool kinds_include_https(const struct config *config);

/* Whether one of them is secure, or may become so if there are certificates. */
bool kinds_include_secure(const struct config *config);
bool kinds_include_tls(const struct config *config);

#endif
