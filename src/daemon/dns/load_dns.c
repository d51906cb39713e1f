/*
 * The options of DNS on the command line: --zone and --forward replace all zones and servers of the
 * file; --doh is for the first site.
 */
#include <errno.h>
#include <string.h>

#include "config.h"
#include "config_dns.h"
#include "options.h"
#include "say.h"
#include "service.h"

static void load_dns_report(
        void *context, const void *item, const char *path, unsigned line, const char *text)
{
	(void)context, (void)item;
	if (line)
		say("%s:%u: %s", path, line, text);
	else
		say("dns: %s%s%s", path, *path ? ": " : "", text);
}

/* Stores NAME=FILE, which was checked with the options. */
static int load_dns_set_zone(struct config *config, const char *text, struct config_zone *zone)
{
	struct weir_span file = weir_span_of(text), name;
	weir_span_cut(&file, '=', &name);
	weir_dns_name_parse(name, &zone->name);
	weir_dns_name_lower(&zone->name);
	return config_absolute_path(config, file.data, &zone->path);
}

static int load_dns_choose_zones(struct config *config, const struct options *options)
{
	struct config_dns *dns = &config->dns;
	struct config_zone *items = config_alloc(config, options->zone_count * sizeof *items);
	int error = items ? 0 : -ENOMEM;
	if (error < 0)
		say("out of memory");
	for (size_t i = 0; i < options->zone_count && error == 0; i++)
		error = load_dns_set_zone(config, options->zones[i], &items[i]);
	if (error < 0)
		return error;
	config_zones_release(dns);
	dns->zones.items = items;
	dns->zones.count = options->zone_count;
	return 0;
}

static int load_dns_choose_forward(struct config *config, const struct options *options)
{
	size_t size = options->forward_count * sizeof *options->forward;
	struct weir_address *items = config_alloc(config, size);
	if (!items) {
		say("out of memory");
		return -ENOMEM;
	}
	memcpy(items, options->forward, size);
	config->dns.forward.items = items;
	config->dns.forward.count = options->forward_count;
	return 0;
}

bool config_dns_is_served(const struct config *config)
{
	for (size_t i = 0; i < config->sites.count; i++)
		if (config->sites.items[i].doh)
			return true;
	return listeners_include(config, SERVICE_DNS);
}

static int load_dns_refuse_useless(const struct options *options)
{
	if (options->zone_count == 0 && options->forward_count == 0)
		return 0;
	say("%s needs an address for DNS: add --dns ADDRESS:PORT",
	        options->zone_count ? "--zone" : "--forward");
	return -EINVAL;
}

int load_dns(struct config *config, const struct options *options, const struct config *previous)
{
	int error = 0;
	if (options->doh && (config->sites.count == 0 || !listeners_include_https(config))) {
		say("--doh answers at /dns-query of a site: add --https ADDRESS:PORT");
		return -EINVAL;
	}
	if (options->doh)
		config->sites.items[0].doh = CONFIG_DOH_ON;
	if (!config_dns_is_served(config))
		return load_dns_refuse_useless(options);
	if (options->zone_count)
		error = load_dns_choose_zones(config, options);
	if (error == 0 && options->forward_count)
		error = load_dns_choose_forward(config, options);
	if (error < 0)
		return error;
	const char *lack = config_dns_lack(config);
	if (lack) {
		say("dns: %s", lack);
		return -EINVAL;
	}
	return config->dns.by_name ? 0 : config_dns_load(config, previous, load_dns_report, NULL);
}
