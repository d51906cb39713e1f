/* The keys of `dns` in weir.yaml. */
#include "config_check.h"

#define AT(type, member) offsetof(struct type, member)

static const char *const algorithms[] = {
        [WEIR_DNS_HMAC_SHA256] = "hmac-sha256",
        [WEIR_DNS_HMAC_SHA512] = "hmac-sha512",
        [WEIR_DNS_HMAC_SHA1] = "hmac-sha1",
        NULL,
};

static const struct key key_keys[] = {
        {"name", KEY_ZONE, AT(config_dns_key, key.name), .required = true},
        {"algorithm", KEY_WORD, AT(config_dns_key, algorithm), .words = algorithms},
        {"secret", KEY_TEXT, AT(config_dns_key, secret)},
        {"file", KEY_FILE, AT(config_dns_key, secret_path)},
        {0},
};
static const struct schema key = {
        "a key of dns", key_keys, sizeof(struct config_dns_key), NULL, config_check_dns_key};

static const struct key transfer_keys[] = {
        {"networks", KEY_NETWORKS, AT(config_transfer, networks)},
        {"keys", KEY_ZONES, AT(config_transfer, keys)},
        {"both", KEY_FLAG, AT(config_transfer, both)},
        {0},
};
static const struct schema transfer = {
        "transfer", transfer_keys, sizeof(struct config_transfer), NULL, config_check_transfer};

static const struct key zone_keys[] = {
        {"name", KEY_ZONE, AT(config_zone, name), .required = true},
        {"file", KEY_FILE, AT(config_zone, path)},
        {"primaries", KEY_PEERS, AT(config_zone, primaries)},
        {"key", KEY_ZONE, AT(config_zone, key)},
        {"transfer", KEY_MAPPING, AT(config_zone, transfer), .of = &transfer},
        {"notify", KEY_PEERS, AT(config_zone, notify)},
        {0},
};
static const struct schema zone = {
        "a zone", zone_keys, sizeof(struct config_zone), NULL, config_check_zone};

#define DAY_MS (24u * 60 * 60 * 1000)

static const struct key cache_keys[] = {
        {"size", KEY_SIZE, AT(config_cache, size), .min = 1 << 20, .max = 1ull << 40},
        {"ttl-min", KEY_DURATION, AT(config_cache, ttl_min_ms), .max = DAY_MS},
        {"ttl-max", KEY_DURATION, AT(config_cache, ttl_max_ms), .min = 1000, .max = 7ull * DAY_MS},
        {"negative-ttl-max", KEY_DURATION, AT(config_cache, negative_ttl_max_ms), .min = 1000,
                .max = DAY_MS},
        {"stale", KEY_DURATION, AT(config_cache, stale_ms), .max = 7ull * DAY_MS},
        {0},
};
static const struct schema cache = {"cache", cache_keys, sizeof(struct config_cache), NULL, NULL};

static const struct key rate_keys[] = {
        {"replies", KEY_NUMBER, AT(config_rate_limit, replies), .max = 1000000},
        {"slip", KEY_NUMBER, AT(config_rate_limit, slip), .min = 1, .max = 100},
        {"exempt", KEY_NETWORKS, AT(config_rate_limit, exempt)},
        {0},
};
static const struct schema rate = {
        "rate-limit", rate_keys, sizeof(struct config_rate_limit), NULL, NULL};

static const struct key limit_keys[] = {
        {"idle", KEY_DURATION, AT(config_dns_limits, idle_ms), .min = 100, .max = 3600 * 1000},
        {"connections", KEY_NUMBER, AT(config_dns_limits, connections), .min = 1, .max = 1000000},
        {"transfers", KEY_NUMBER, AT(config_dns_limits, transfers), .min = 1, .max = 10000},
        {0},
};
static const struct schema limits = {
        "limits of dns", limit_keys, sizeof(struct config_dns_limits), NULL, NULL};

static const struct key dns_keys[] = {
        {"zones", KEY_LIST, AT(config_dns, zones), .max = CONFIG_ZONES_MAX, .of = &zone},
        {"keys", KEY_LIST, AT(config_dns, keys), .max = WEIR_DNS_KEYS_MAX, .of = &key},
        {"nsid", KEY_TEXT, AT(config_dns, nsid)},
        {"version", KEY_TEXT, AT(config_dns, version)},
        {"identity", KEY_TEXT, AT(config_dns, identity)},
        {"directory", KEY_PLACE, AT(config_dns, directory)},
        {"forward", KEY_PEERS, AT(config_dns, forward)},
        {"forward-in-order", KEY_FLAG, AT(config_dns, forward_in_order)},
        {"recurse-from", KEY_NETWORKS, AT(config_dns, recurse_from)},
        {"trust-ad", KEY_FLAG, AT(config_dns, trust_ad)},
        {"forward-private", KEY_FLAG, AT(config_dns, forward_private)},
        {"cache", KEY_MAPPING, AT(config_dns, cache), .of = &cache},
        {"udp-size", KEY_NUMBER, AT(config_dns, udp_size), .min = 512, .max = 4096},
        {"cookie-secrets", KEY_FILE, AT(config_dns, secrets_path)},
        {"rate-limit", KEY_MAPPING, AT(config_dns, rate_limit), .of = &rate},
        {"limits", KEY_MAPPING, AT(config_dns, limits), .of = &limits},
        {0},
};
const struct schema config_dns_schema = {
        "dns", dns_keys, sizeof(struct config_dns), config_check_init_dns, config_check_dns};
