/* From the names of certificates in a configuration to what servers are given. */
#ifndef DAEMON_CONFIG_TLS_H
#define DAEMON_CONFIG_TLS_H

#include "config.h"

/*
 * Reads the files of config->tls, for the services that are listened for; blocks. Connections can be resumed that began with `previous`
 * (NULL: none). Every mistake is told to `report`, as in weir/tls.h; an error that belongs to no
 * file, too, with an empty path. 0, or a negative errno: what was read before is left as it was.
 */
int config_tls_load(struct config *config, const struct config *previous,
        void (*report)(void *context, const char *path, const char *text), void *context);

/* Says it when a certificate has expired, or will soon. */
void config_tls_warn(const struct config *config);

#endif
