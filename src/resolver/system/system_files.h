/*
 * The files of the system that the resolver reads, /etc/hosts and /etc/resolv.conf: the words of
 * their lines, the addresses in them, and the contents of the two.
 */
#ifndef WEIR_SYSTEM_FILES_H
#define WEIR_SYSTEM_FILES_H

#include <stdbool.h>

#include <weir/address.h>
#include <weir/dns_name.h>
#include <weir/limits.h>
#include <weir/span.h>

/* -- words ------------------------------------------------------------------------------------- */

static inline bool token_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Takes the next word off *rest. Returns false if there is none. */
static inline bool token_next(struct weir_span *rest, struct weir_span *ret)
{
	size_t start = 0;
	while (start < rest->size && token_space(rest->data[start]))
		start++;
	size_t end = start;
	while (end < rest->size && !token_space(rest->data[end]))
		end++;
	*ret = weir_span(rest->data ? rest->data + start : NULL, end - start);
	*rest = weir_span_skip(*rest, end);
	return ret->size > 0;
}

/* -- addresses that are written instead of a name ---------------------------------------------- */

/*
 * Reads an IPv4 or IPv6 address without brackets. A link-local one may have an interface after a %.
 */
bool address_literal_parse(struct weir_span text, uint16_t port, struct weir_address *ret);

/* -- hosts.c: /etc/hosts (hosts(5)) ------------------------------------------------------------ */

/* Each line has an address and its names; lookups go both ways. */

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

/* -- resolv_conf.c: /etc/resolv.conf (resolv.conf(5)) ------------------------------------------ */

/* As far as weir/resolver.h supports it. */

struct resolv_conf {
	struct weir_address servers[WEIR_DNS_UPSTREAMS_MAX];
	unsigned server_count; /* never 0 */
	struct weir_dns_name search[WEIR_RESOLV_SEARCH_MAX];
	unsigned search_count;
	unsigned ndots;
	unsigned timeout_s;
	unsigned attempts;
	bool rotate;
};

/* Never fails: lines that are not understood are skipped. */
void resolv_conf_parse(struct weir_span text, struct resolv_conf *ret);

#endif
