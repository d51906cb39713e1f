/* Loads the certificates that a configuration names. */
#ifndef DAEMON_CONFIG_TLS_H
#define DAEMON_CONFIG_TLS_H

#include <weir/tls.h>

#include "config.h"

/*
 * Loads the files of config->tls for each service that has a listener; blocks. Sessions that began
 * with `previous` can be resumed; it may be NULL. Calls `report` for every mistake, as in
 * weir/tls.h, with an empty path if it belongs to no file. Returns 0, or a negative errno:
 * certificates that were loaded before stay.
 */
int config_tls_load(struct config *config, const struct config *previous,
        void (*report)(void *context, const char *path, const char *text), void *context);

/* Sets the rules of a service: everything but the certificates, tickets and functions. */
void config_tls_options(
        const struct config *config, enum service service, struct weir_tls_options *ret);

/* The context of some service that has one: all of them have the same certificates. Or NULL. */
const struct weir_tls *config_tls_any(const struct config *config);

/* Warns of a certificate that has expired, or will soon. */
void config_tls_warn(const struct config *config);

#endif
