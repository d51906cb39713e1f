/* The layouts as a table: the types it has are all small numbers. */
#include <weir/dns.h>

#include "rdata.h"

struct weir_dns_layout weir_dns_layout(uint16_t type)
{
	static const struct weir_dns_layout layouts[] = {
	        [WEIR_DNS_NS] = {0, 1, true},
	        [WEIR_DNS_MD] = {0, 1, true},
	        [WEIR_DNS_MF] = {0, 1, true},
	        [WEIR_DNS_CNAME] = {0, 1, true},
	        [WEIR_DNS_SOA] = {0, 2, true},
	        [WEIR_DNS_MB] = {0, 1, true},
	        [WEIR_DNS_MG] = {0, 1, true},
	        [WEIR_DNS_MR] = {0, 1, true},
	        [WEIR_DNS_PTR] = {0, 1, true},
	        [WEIR_DNS_MINFO] = {0, 2, true},
	        [WEIR_DNS_MX] = {2, 1, true},
	        [WEIR_DNS_RP] = {0, 2, false},
	        [WEIR_DNS_AFSDB] = {2, 1, false},
	        [WEIR_DNS_RT] = {2, 1, false},
	        [WEIR_DNS_PX] = {2, 2, false},
	        [WEIR_DNS_SRV] = {6, 1, false},
	        [WEIR_DNS_KX] = {2, 1, false},
	        [WEIR_DNS_DNAME] = {0, 1, false},
	};
	if (type < sizeof layouts / sizeof *layouts)
		return layouts[type];
	return (struct weir_dns_layout){0};
}
