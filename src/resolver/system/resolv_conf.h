/* /etc/resolv.conf (resolv.conf(5)), as far as weir/resolver.h supports it. */
#ifndef WEIR_RESOLV_CONF_H
#define WEIR_RESOLV_CONF_H

#include <stdbool.h>

#include <weir/address.h>
#include <weir/dns_name.h>
#include <weir/limits.h>

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
