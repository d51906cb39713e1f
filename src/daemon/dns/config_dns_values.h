/* What the section `dns` says, as part of struct config (config.h), whose memory it is in. */
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

struct config_dns_key {
	struct weir_dns_tsig_key key; /* its secret is erased with the configuration */
	unsigned algorithm;           /* enum weir_dns_tsig_algorithm */
	const char *secret;           /* base64 */
	const char *secret_path;
};

/* By which a file is known to be the same. */
struct config_stamp {
	uint64_t device, inode, size;
	int64_t modified_ns, changed_ns; /* 0: it is not known */
};

/* Who may have a copy of a zone. */
struct config_transfer {
	struct {
		struct weir_network *items;
		size_t count;
	} networks;
	struct {
		struct weir_dns_name *items;
		size_t count;
	} keys;
	bool both;
};

/* A zone of ours, or one that comes from other servers. */
struct config_zone {
	struct weir_dns_name name; /* in lower case */
	const char *path;          /* absolute; of one from elsewhere where it is kept, or NULL */
	struct {
		struct weir_address *items;
		size_t count;
	} primaries;              /* none: it is ours */
	struct weir_dns_name key; /* for these; of size 0: none */
	struct config_transfer transfer;
	struct {
		struct weir_address *items;
		size_t count;
	} notify;
	struct weir_dns_zone *zone; /* held by the configuration; NULL of one from elsewhere */
	struct config_stamp stamp;  /* of the file it was read from */
};

struct config_rate_limit {
	uint64_t replies; /* a second, of a kind, to a network */
	uint64_t slip;
	struct {
		struct weir_network *items;
		size_t count;
	} exempt;
};

/* Of these, 0 is the library's default. */
struct config_dns_limits {
	uint64_t idle_ms;
	uint64_t connections; /* of one address */
	uint64_t transfers;   /* of one worker and listener */
};

/* Of what upstream servers have answered; of the longest times 0 is the library's default. */
struct config_cache {
	uint64_t size; /* of all workers */
	uint64_t ttl_min_ms;
	uint64_t ttl_max_ms;
	uint64_t negative_ttl_max_ms;
	uint64_t stale_ms; /* 0: what has expired is never given */
};

struct config_dns {
	struct {
		struct config_zone *items;
		size_t count;
	} zones;
	struct {
		struct config_dns_key *items;
		size_t count;
	} keys;
	const char *nsid; /* NULL: not told, as the next two */
	const char *version;
	const char *identity;
	const char *secrets_path;
	const char *directory; /* absolute: where zones from elsewhere are kept; NULL: nowhere */
	struct {
		struct weir_address *items;
		size_t count;
	} forward; /* who is asked for what is in no zone; none: nobody */
	struct {
		struct weir_network *items;
		size_t count;
	} recurse_from; /* none: the library's default */
	bool forward_in_order;
	bool trust_ad;
	bool forward_private;
	struct config_cache cache;
	uint64_t udp_size;
	struct config_rate_limit rate_limit;
	struct config_dns_limits limits;
	/* Made of these (see config_dns.h), and held by the configuration. */
	struct config_zone **by_name; /* the zones in order */
	struct weir_dns_keys *keyring;
	uint8_t secrets[2][WEIR_DNS_COOKIE_SECRET_SIZE];
	unsigned secret_count;
	struct weir_peers *peers; /* made when it is first served */
};

#endif
