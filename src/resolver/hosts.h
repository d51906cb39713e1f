/* /etc/hosts (hosts(5)): an address and its names a line; found by either. */
#ifndef WEIR_HOSTS_H
#define WEIR_HOSTS_H

#include <weir/address.h>

struct hosts;

/* Lines that are not understood are left out. NULL without memory. */
struct hosts *hosts_parse(struct weir_span text);
void hosts_free(struct hosts *hosts);

/* The addresses of a name (without a last dot), in the file's order: `max` at most. Their count. */
size_t hosts_addresses(
        const struct hosts *hosts, struct weir_span name, struct weir_address *ret, size_t max);

/* The names of an address, likewise; they belong to `hosts`. The port does not matter. */
size_t hosts_names(const struct hosts *hosts, const struct weir_address *address, const char **ret,
        size_t max);

#endif
