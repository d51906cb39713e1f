/* /etc/hosts (hosts(5)): each line has an address and its names; lookups go both ways. */
#ifndef WEIR_HOSTS_H
#define WEIR_HOSTS_H

#include <weir/address.h>

struct hosts;

/* Lines that are not understood are skipped. Returns NULL without memory. */
struct hosts *hosts_parse(struct weir_span text);
void hosts_free(struct hosts *hosts);

/*
 * Finds the addresses of a name (without a last dot), in the file's order, at most `max`. Returns
 * their count.
 */
size_t hosts_addresses(
        const struct hosts *hosts, struct weir_span name, struct weir_address *ret, size_t max);

/*
 * Finds the names of an address, whatever its port, at most `max`; `hosts` owns them. Returns their
 * count.
 */
size_t hosts_names(const struct hosts *hosts, const struct weir_address *address, const char **ret,
        size_t max);

#endif
