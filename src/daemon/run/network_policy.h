/* The network policy of a listener, made of its own keys and those of the section `policy`. */
#ifndef DAEMON_NETWORK_POLICY_H
#define DAEMON_NETWORK_POLICY_H

#include <weir/policy.h>

#include "config.h"

/* The policy uses the rates and bans of the configuration. Returns 0 or -ENOMEM. */
int network_policy_create(const struct config *config, const struct config_listener *listener,
        struct weir_policy **ret);

#endif
