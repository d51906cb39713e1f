/* The options of a secondary: copied, with all that they point to, and compared at a reload. */
#include <stdlib.h>
#include <string.h>

#include "secondary_state.h"

void dns_secondary_free_config(struct dns_secondary_config *config)
{
	if (config)
		explicit_bzero(&config->key, sizeof config->key);
	free(config);
}

void weir_dns_secondary_options_init(struct weir_dns_secondary_options *options)
{
	*options = (struct weir_dns_secondary_options){
	        .refresh_min_s = WEIR_DNS_REFRESH_MIN_S,
	        .refresh_max_s = WEIR_DNS_REFRESH_MAX_S,
	        .retry_min_s = WEIR_DNS_RETRY_MIN_S,
	        .retry_max_s = WEIR_DNS_RETRY_MAX_S,
	        .bytes_max = WEIR_DNS_FETCH_BYTES_MAX,
	};
}

struct dns_secondary_config *dns_secondary_copy(const struct weir_dns_secondary_options *options)
{
	size_t path = options->path ? strlen(options->path) : 0;
	size_t primaries = options->primary_count * sizeof *options->primaries;
	struct dns_secondary_config *config = calloc(1, sizeof *config + primaries + path + 1);
	if (!config)
		return NULL;
	config->primaries = (struct weir_address *)(void *)(config + 1);
	config->path = (char *)(config->primaries + options->primary_count);
	struct weir_dns_secondary_options *own = &config->options;
	*own = *options;
	weir_dns_name_lower(&own->name);
	memcpy(config->primaries, options->primaries, primaries);
	own->primaries = config->primaries;
	if (options->key) {
		config->key = *options->key;
		own->key = &config->key;
	}
	if (options->path) {
		memcpy(config->path, options->path, path);
		own->path = config->path;
	}
	return config;
}

static bool secondary_config_same_key(
        const struct weir_dns_tsig_key *a, const struct weir_dns_tsig_key *b)
{
	if (!a || !b)
		return a == b;
	return a->algorithm == b->algorithm && weir_dns_name_equal(&a->name, &b->name) &&
	       a->secret_size == b->secret_size &&
	       memcmp(a->secret, b->secret, a->secret_size) == 0;
}

static bool secondary_config_same_primaries(
        const struct dns_secondary_config *a, const struct dns_secondary_config *b)
{
	if (a->options.primary_count != b->options.primary_count)
		return false;
	for (size_t i = 0; i < a->options.primary_count; i++)
		if (weir_address_port(&a->primaries[i]) != weir_address_port(&b->primaries[i]) ||
		        !dns_same_host(&a->primaries[i], &b->primaries[i]))
			return false;
	return true;
}

bool dns_secondary_same(const struct dns_secondary_config *a, const struct dns_secondary_config *b)
{
	const struct weir_dns_secondary_options *left = &a->options, *right = &b->options;
	return secondary_config_same_primaries(a, b) &&
	       secondary_config_same_key(left->key, right->key) && strcmp(a->path, b->path) == 0 &&
	       left->refresh_min_s == right->refresh_min_s &&
	       left->refresh_max_s == right->refresh_max_s &&
	       left->retry_min_s == right->retry_min_s && left->retry_max_s == right->retry_max_s &&
	       left->bytes_max == right->bytes_max;
}
