/* The section `dns`, as part of struct config (config.h). */
#ifndef DAEMON_CONFIG_DNS_VALUES_H
#define DAEMON_CONFIG_DNS_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/address.h>
#include <weir/dns_answer.h>
#include <weir/dns_tsig.h>
#include <weir/dns_zone.h>
#include <weir/network.h>

#include "key_fields.h"

struct config_dns_key {
	struct weir_dns_tsig_key key; /* its secret is erased with the configuration */
#include "tsig_keys.def"
};

/* Identifies a version of a file. */
struct config_stamp {
	uint64_t device, inode, size;
	int64_t modified_ns, changed_ns; /* 0: unknown */
};

struct config_transfer {
#include "transfer_keys.def"
};

struct config_zone {
#include "zone_keys.def"
	struct weir_dns_zone *zone; /* held by the configuration; NULL of a zone with primaries */
	struct config_stamp stamp;  /* of the file that it was read from */
};

struct config_rate_limit {
#include "rate_limit_keys.def"
};

struct config_dns_limits {
#include "dns_limit_keys.def"
};

struct config_cache {
#include "cache_keys.def"
};

struct config_dns {
#include "dns_keys.def"
	/* Loaded from these, see config_dns.h. */
	struct config_zone **by_name; /* the zones in the order of their names */
	struct weir_dns_keys *keyring;
	uint8_t secrets[2][WEIR_DNS_COOKIE_SECRET_SIZE];
	unsigned secret_count;
	struct weir_peers *peers; /* created when DNS is first served */
};

#include "key_fields_end.h"

#endif
