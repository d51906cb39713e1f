/*
 * The keys of the configuration as a whole, of `listen`, `guard` and `limits`. No two listeners may
 * clash, and each needs the section of its protocol.
 */
#include <string.h>

#include <weir/limits.h>
#include <weir/log.h>
#include <weir/rates.h>

#include "config.h"
#include "endpoint.h"
#include "service.h"
#include "service_mail.h"
#include "types.h"

/* -- listen ------------------------------------------------------------------------------------ */

/* An entry of `listen` has a key for each type of listener, called as in service.c. */

static bool listener_parse(
        struct reader *reader, const struct key *key, const char *text, void *target)
{
	struct config_listener *listener = target;
	if (listener->type) {
		reader_problem(reader, "a listener has one address, and this one has '%s' already",
		        listener->type->name);
		return false;
	}
	if (!type_parse_address(text, 0, &listener->address))
		return reader_refuse(reader, key, text);
	listener->type = listener_type_find(key->name);
	return true;
}

static void listener_print(FILE *to, const struct key *key, const void *value)
{
	const struct config_listener *listener = value;
	if (listener->type && strcmp(listener->type->name, key->name) == 0)
		type_address.print(to, key, &listener->address);
}

/* struct config_listener: all keys of the section are stored in one. */
static const struct type type_listener = {
        .what = "ADDRESS:PORT such as 127.0.0.1:8080, \"[::1]:8080\" or :8080",
        .argument = "ADDRESS:PORT",
        .size = sizeof(struct config_listener),
        .parse = listener_parse,
        .print = listener_print,
};

static const char *const listener_fields[] = {
        [CONFIG_FORWARDED_OFF] = "off",
        [CONFIG_FORWARDED_X] = "x-forwarded-for",
        [CONFIG_FORWARDED_RFC] = "forwarded",
        NULL,
};

static const struct key listener_keys[] = {
        {"http", &type_listener, .option = "http", .example = "127.0.0.1:8080",
                .initial = "127.0.0.1:8080", .option_values = "127.0.0.1:8080 127.0.0.1:0 :8080",
                .doc = "Listen for HTTP."},
        {"https", &type_listener, .option = "https", .example = "127.0.0.1:8443",
                .option_values = "127.0.0.1:8443 127.0.0.1:0 :8443",
                .doc = "Listen for HTTP over TLS.",
                .more = "It needs --cert and --key, or the section `tls`."},
        {"forwarded-from", &type_networks, AT(config_listener, forwarders), .min = 1,
                .max = CONFIG_NETWORKS_MAX, .otherwise = "none", .example = "[192.0.2.32/28]",
                .doc = "The networks of trusted forwarders: proxies of HTTP, such as those of a CDN, "
                       "which name their client in each request.",
                .more = "Of the addresses that the field has, the client is the last one that is in "
                        "none of these networks. It then counts for `allow`, `deny`, bans, rates of "
                        "requests, the guard, logs, FastCGI and what the proxy sends. Limits of "
                        "connections count the forwarder, and its connections are not refused. For "
                        "listeners of http and https only; others have `proxy-from`."},
        {"forwarded-field", &type_word, AT(config_listener, forwarded_field),
                .words = listener_fields, .otherwise = "off", .example = "x-forwarded-for",
                .doc = "The field in which trusted forwarders name their client: x-forwarded-for, "
                       "with X-Forwarded-Proto, or forwarded (RFC 7239).",
                .more = "It must be the one that they set or append to in every request. The other "
                        "one is not believed, since a client may have sent it."},
        {"smtp", &type_listener, .option = "smtp", .example = "127.0.0.1:2525",
                .option_values = "127.0.0.1:2525 127.0.0.1:0 :25",
                .doc = "Receive mail: for local domains from everybody, for other domains from "
                       "users.",
                .more = "The usual port is 25. With a certificate STARTTLS is offered. AUTH is "
                        "offered over TLS, and to addresses of this machine (127.0.0.0/8, ::1). "
                        "It needs --mail, --users and --domain, or the section `mail`."},
        {"submission", &type_listener, .option = "submission", .example = "127.0.0.1:2587",
                .option_values = "127.0.0.1:2587 :587",
                .doc = "Receive mail from users who authenticate, with STARTTLS.",
                .more = "The usual port is 587. Without a certificate it listens on addresses "
                        "of this machine only. It needs --mail, --users and --domain, or the "
                        "section `mail`."},
        {"submissions", &type_listener, .option = "submissions", .option_alias = "smtps",
                .example = "127.0.0.1:2465", .option_values = "127.0.0.1:2465 :465",
                .doc = "Receive mail from users who authenticate, with TLS from the first byte.",
                .more = "The usual port is 465. It needs --mail, --users and --domain, and a "
                        "certificate."},
        {"lmtp", &type_listener, .option = "lmtp", .example = "127.0.0.1:2424",
                .option_values = "127.0.0.1:2424",
                .doc = "Receive mail from another mail server, for local recipients, with a reply "
                       "for each of them.",
                .more = "Everybody who reaches the address may deliver. It needs --mail, "
                        "--users and --domain, or the section `mail`."},
        {"pop3", &type_listener, .option = "pop3", .example = "127.0.0.1:2110",
                .option_values = "127.0.0.1:1100 127.0.0.1:0 :110",
                .doc = "Let users fetch their mail, with STLS.",
                .more = "The usual port is 110. Without a certificate it listens on addresses "
                        "of this machine only. It needs --mail and --users, or the section "
                        "`mail`."},
        {"pop3s", &type_listener, .option = "pop3s", .example = "127.0.0.1:2995",
                .option_values = "127.0.0.1:1995 :995",
                .doc = "Let users fetch their mail, with TLS from the first byte.",
                .more = "The usual port is 995. It needs --mail and --users, and a certificate."},
        {"ftp", &type_listener, .option = "ftp", .example = "127.0.0.1:2121",
                .option_values = "127.0.0.1:2121 127.0.0.1:0 :21",
                .doc = "Listen for FTP, with AUTH TLS if there is a certificate.",
                .more = "The usual port is 21. It serves the directory of --root, or the first "
                        "site, to everybody as anonymous; the users of --users log in with "
                        "their passwords."},
        {"ftps", &type_listener, .option = "ftps", .example = "127.0.0.1:2990",
                .option_values = "127.0.0.1:2990 :990",
                .doc = "Listen for FTP with TLS from the first byte.",
                .more = "The usual port is 990. It needs a certificate."},
        {"dns", &type_listener, .option = "dns", .example = "127.0.0.1:5353",
                .option_values = "127.0.0.1:5353 127.0.0.1:0 :53",
                .doc = "Answer DNS by UDP and TCP.",
                .more = "The usual port is 53. It needs --zone or --forward, or the section "
                        "`dns`."},
        {"dot", &type_listener, .option = "dot", .example = "127.0.0.1:8853",
                .option_values = "127.0.0.1:8853 :853", .doc = "Answer DNS over TLS (RFC 7858).",
                .more = "The usual port is 853. It needs --zone or --forward, and a "
                        "certificate."},
        {"proxy-from", &type_networks, AT(config_listener, proxies), .min = 1,
                .max = CONFIG_NETWORKS_MAX, .otherwise = "none", .example = "[192.0.2.10]",
                .doc = "The networks of trusted proxies, whose connections begin with a header of the "
                       "PROXY protocol, version 1 or 2.",
                .more = "The header comes before TLS, and names the client whose address then counts "
                        "for limits, the guard, `allow`, `deny` and logs. A connection of such a "
                        "proxy without a valid header within 5s is closed, which is reported. "
                        "Connections from elsewhere are ordinary ones: a PROXY header there is bad "
                        "input. With LOCAL or UNKNOWN the proxy itself is the client. DNS over UDP "
                        "and the data connections of FTP have no such header; clients of FTP must "
                        "reach its passive ports without the proxy."},
        {"allow", &type_networks, AT(config_listener, allow), .min = 1, .max = CONFIG_NETWORKS_MAX,
                .otherwise = "that of the section `policy`", .example = "[192.0.2.0/24]",
                .doc = "The networks whose clients this listener serves.",
                .more = "Other connections are closed at once, without a reply; queries of DNS over "
                        "UDP are REFUSED."},
        {"deny", &type_networks, AT(config_listener, deny), .min = 1, .max = CONFIG_NETWORKS_MAX,
                .otherwise = "none", .example = "[192.0.2.66]",
                .doc = "Networks whose clients this listener does not serve, even if `allow` has them.",
                .more = "Those of the section `policy` are added."},
        {0},
};

static void listener_check(struct reader *reader, struct node *node, void *target)
{
	const struct config_listener *listener = target;
	if (!listener->type)
		reader_problem_at(reader, node,
		        "a listener lacks its type and address, as in 'http: 127.0.0.1:8080'");
	else if (listener->forwarders.count && listener->type->service != SERVICE_HTTP)
		reader_problem_at(reader, node_find(node, "forwarded-from"),
		        "%s has no such fields: 'forwarded-from' is for http and https, "
		        "'proxy-from' for all",
		        listener->type->name);
	if (listener->forwarders.count && !listener->forwarded_field)
		reader_problem_at(reader, node_find(node, "forwarded-from"),
		        "'forwarded-field' must name the field that they set: x-forwarded-for or "
		        "forwarded");
	if (listener->forwarded_field && !listener->forwarders.count)
		reader_problem_at(reader, node_find(node, "forwarded-field"),
		        "'forwarded-field' is not used: it needs 'forwarded-from'");
}

static const struct section table_listener = {
        .what = "a listener",
        .keys = listener_keys,
        .size = sizeof(struct config_listener),
        .check = listener_check,
        .one_key = true,
        .doc = "Each entry has the type of the listener with its address, and may have lists of "
               "networks beside it. `[::1]:8080` is IPv6 (YAML needs quotes around it), `:8080` is every address of the machine, and "
               "with port 0 the system chooses a free port. Two listeners must not have the same "
               "address.",
};

/* -- rules of listeners ------------------------------------------------------------------------ */

static bool address_is_any(const struct weir_address *address)
{
	char host[WEIR_ADDRESS_TEXT_MAX];
	weir_address_host(address, host);
	return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* [::] is all addresses of both families, 0.0.0.0 those of IPv4. */
static bool addresses_clash(const struct weir_address *a, const struct weir_address *b)
{
	if (weir_address_port(a) == 0 || weir_address_port(a) != weir_address_port(b))
		return false;
	if (weir_address_equal(a, b))
		return true;
	if (a->any.sa_family == b->any.sa_family)
		return address_is_any(a) || address_is_any(b);
	return a->any.sa_family == AF_INET6 ? address_is_any(a) : address_is_any(b);
}

static void listener_check_clash(
        struct reader *reader, const struct node *list, const struct config *config, size_t index)
{
	const struct config_listener *listener = &config->listeners.items[index];
	for (size_t i = 0; i < index; i++) {
		const struct node *other = node_item(list, i);
		if (!addresses_clash(&listener->address, &config->listeners.items[i].address))
			continue;
		reader_problem_at(reader, node_find(node_item(list, index), listener->type->name),
		        "this address is taken already, by the listener in line %zu", other->line);
		return;
	}
}

static void listener_check_needs(struct reader *reader, const struct node *top,
        const struct config_listener *listener, const struct node *item)
{
	const char *lack = config_mail_lack(reader->config, listener);
	if (lack && node_find(top, "mail"))
		reader_problem_at(reader, item, "%s %s", listener->type->name, lack);
	if (listener->type->secure && !node_find(top, "tls") && !node_find(top, "acme"))
		reader_problem_at(reader, item,
		        "'%s' needs a certificate: add 'tls: {certificates: [{chain: FILE, key: "
		        "FILE}]}'",
		        listener->type->name);
}

/* A listener needs the section of its protocol. */
static void listener_check_sections(struct reader *reader, const struct node *top)
{
	const char *reported = "";
	for (unsigned i = 0; i < SERVICE_COUNT; i++) {
		const char *section = service_infos[i].section;
		if (!listeners_include(reader->config, i) || strcmp(section, reported) == 0 ||
		        node_find(top, section))
			continue;
		reader_problem_at(reader, top, "the configuration lacks '%s'", section);
		reported = section;
	}
}

static void listener_check_all(struct reader *reader, const struct node *top)
{
	const struct config *config = reader->config;
	const struct node *list = node_find(top, "listen");
	for (size_t i = 0; i < config->listeners.count; i++) {
		const struct config_listener *listener = &config->listeners.items[i];
		if (!listener->type)
			continue;
		listener_check_clash(reader, list, config, i);
		listener_check_needs(reader, top, listener, node_item(list, i));
	}
	listener_check_sections(reader, top);
}

/* -- limits ------------------------------------------------------------------------------------ */

#define KEYS_STRUCT config_limits
static const struct key limit_keys[] = {
#include "limit_keys.def"
        {0},
};
#undef KEYS_STRUCT
static const struct section table_limits = {
        .what = "limits",
        .keys = limit_keys,
        .size = sizeof(struct config_limits),
        .doc = "The limits of clients.",
};

/* -- policy ------------------------------------------------------------------------------------ */

#define KEYS_STRUCT config_policy
static const struct key policy_keys[] = {
#include "policy_keys.def"
        {0},
};
#undef KEYS_STRUCT
static bool policy_is_present(const void *target)
{
	const struct config_policy *policy = target;
	return policy->allow.count || policy->deny.count || policy->connections ||
	       policy->network_connections || policy->requests || policy->network_requests;
}

static const struct section table_policy = {
        .what = "policy",
        .keys = policy_keys,
        .size = sizeof(struct config_policy),
        .is_present = policy_is_present,
        .doc = "The networks whose clients are served, by all listeners and protocols, and how much "
               "of each client. Rates are token buckets, which all workers share. Connections of "
               "other networks, and of banned ones, are closed at once, without a reply; their queries of DNS over UDP are "
               "REFUSED.",
};

/* -- guard ------------------------------------------------------------------------------------- */

#define KEYS_STRUCT config_guard
static const struct key guard_keys[] = {
#include "guard_keys.def"
        {0},
};
#undef KEYS_STRUCT
static const struct section table_guard = {
        .what = "guard",
        .keys = guard_keys,
        .size = sizeof(struct config_guard),
        .doc = "The guard against guessing passwords, in all protocols. Answers to passwords, right "
               "or wrong, are delayed for a network that has sent wrong ones: an address of IPv4, "
               "or a /64 of IPv6. A user who has logged in from the network before is delayed only "
               "for wrong passwords under the user's own name.",
};

/* -- the whole --------------------------------------------------------------------------------- */

static const char *const separation_words[] = {
        [CONFIG_SEPARATION_AUTO] = "auto",
        [CONFIG_SEPARATION_YES] = "yes",
        [CONFIG_SEPARATION_NO] = "no",
        NULL,
};

static const char *const log_format_words[] = {
        [WEIR_LOG_TEXT] = "text",
        [WEIR_LOG_LOGFMT] = "logfmt",
        [WEIR_LOG_JSON] = "json",
        NULL,
};

/* In the order of log_levels. */
static const char *const log_level_words[] = {"info", "warning", "error", NULL};

static const char *const http2_words[] = {
        [CONFIG_HTTP2_OFF] = "off",
        [CONFIG_HTTP2_TLS] = "tls",
        [CONFIG_HTTP2_CLEAR] = "clear",
        NULL,
};

#define KEYS_STRUCT config
static const struct key top_keys[] = {
#include "top_keys.def"
        {0},
};
#undef KEYS_STRUCT

static void top_check(struct reader *reader, struct node *node, void *target)
{
	(void)target;
	listener_check_all(reader, node);
	table_tls_check(reader, node);
	table_store_check(reader, node);
	table_mail_check(reader, node);
	table_ftp_check(reader, node);
	table_dns_check(reader, node);
	table_http_check(reader, node);
	table_proxy_check(reader, node);
	table_admin_check(reader, node);
}

const struct section table_top = {
        .what = "the configuration",
        .keys = top_keys,
        .size = sizeof(struct config),
        .check = top_check,
        .doc = "The keys of the file as a whole.",
};
