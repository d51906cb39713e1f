/*
 * Warns of what is unwise in a configuration without mistakes. A warning is a line on stderr, at
 * the start, after a reload, and from `weir check`.
 */
#ifndef DAEMON_CONFIG_WARN_H
#define DAEMON_CONFIG_WARN_H

#include "config.h"

void config_warn(const struct config *config);

#endif
