/*
 * Defaults of the entries, and rules between values: a listener is not to be in another's way, a
 * name not in two sites, a redirect not to lead to itself. Every rule tells the place of the value
 * that can be changed to keep it.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <weir/list.h>

#include "config_check.h"
#include "config_dns.h"
#include "config_ftp.h"
#include "config_mail.h"
#include "endpoint.h"
#include "kinds.h"

/* -- entries ----------------------------------------------------------------------------------- */

void config_check_init_site(void *target)
{
	config_site_default(target);
}

void config_check_init_uploads(void *target)
{
	*(struct config_uploads *)target =
	        (struct config_uploads){.present = true, .prefix = "", .put = true, .forms = true};
}

void config_check_init_auth(void *target)
{
	*(struct config_auth *)target = (struct config_auth){.path = "", .realm = "weir"};
}

void config_check_init_redirect(void *target)
{
	*(struct config_redirect *)target = (struct config_redirect){.status = 301};
}

void config_check_auth(struct reader *reader, yaml_node_t *node, void *target)
{
	struct config_auth *auth = target;
	yaml_node_t *users = schema_find(reader, node, "users");
	yaml_node_t *realm = schema_find(reader, node, "realm");
	if (auth->realm && strpbrk(auth->realm, "\"\\"))
		problems_add(reader->problems, schema_place(realm),
		        "the realm has a quote or a backslash in it");
	if (auth->users_path)
		auth->users = value_load_users(reader, auth->users_path, users);
}

static bool config_check_is_redirect_status(uint64_t status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

void config_check_redirect(struct reader *reader, yaml_node_t *node, void *target)
{
	struct config_redirect *redirect = target;
	yaml_node_t *to = schema_find(reader, node, "to");
	if (!config_check_is_redirect_status(redirect->status))
		problems_add(reader->problems, schema_place(schema_find(reader, node, "status")),
		        "the status of a redirect is 301, 302, 303, 307 or 308");
	if (!redirect->to)
		return;
	bool absolute = strncmp(redirect->to, "http://", 7) == 0 ||
	                strncmp(redirect->to, "https://", 8) == 0;
	if ((redirect->to[0] != '/' && !absolute) || strpbrk(redirect->to, " \"<>\\"))
		problems_add(reader->problems, schema_place(to),
		        "'to' begins with http://, https:// or /, and has no spaces in it");
	else if (redirect->from && redirect->to[0] == '/' &&
	         strcmp(redirect->from, redirect->to + 1) == 0)
		problems_add(reader->problems, schema_place(to), "this redirect leads to itself");
}

static bool config_check_is_below(const char *path, const char *place)
{
	size_t size = strlen(place);
	return strncmp(path, place, size) == 0 &&
	       (size == 0 || path[size] == 0 || path[size] == '/');
}

/* The path that the site's redirects make of `path`, in place. False: none is for it. */
static bool config_check_redirect_path(const struct config_site *site, char *path, size_t room)
{
	char rest[CONFIG_REDIRECT_PATH_MAX];
	for (size_t i = 0; i < site->redirects.count; i++) {
		const struct config_redirect *rule = &site->redirects.items[i];
		if (!rule->from || !rule->to || !config_check_is_below(path, rule->from))
			continue;
		if (rule->to[0] != '/')
			return false;
		const char *behind = path + strlen(rule->from);
		snprintf(rest, sizeof rest, "%s", *behind == '/' ? behind + 1 : behind);
		const char *to = rule->to + strspn(rule->to, "/");
		size_t size = strlen(to);
		while (size && to[size - 1] == '/')
			size--;
		int put = snprintf(
		        path, room, "%.*s%s%s", (int)size, to, size && rest[0] ? "/" : "", rest);
		return put >= 0 && (size_t)put < room;
	}
	return false;
}

/* Clients give up after about twenty redirects: whatever leads on for longer goes in a circle. */
static bool config_check_leads_in_a_circle(const struct config_site *site, const char *from)
{
	char path[CONFIG_REDIRECT_PATH_MAX];
	unsigned steps = 0;
	snprintf(path, sizeof path, "%s", from);
	while (steps < CONFIG_REDIRECT_STEPS_MAX &&
	        config_check_redirect_path(site, path, sizeof path))
		steps++;
	return steps == CONFIG_REDIRECT_STEPS_MAX;
}

static void config_check_redirects(
        struct reader *reader, yaml_node_t *node, struct config_site *site)
{
	yaml_node_t *list = schema_find(reader, node, "redirect");
	for (size_t i = 0; i < site->redirects.count; i++) {
		const struct config_redirect *rule = &site->redirects.items[i];
		bool itself = rule->from && rule->to && rule->to[0] == '/' &&
		              strcmp(rule->from, rule->to + 1) == 0;
		if (rule->from && !itself && config_check_leads_in_a_circle(site, rule->from))
			problems_add(reader->problems,
			        schema_place(
			                schema_find(reader, schema_item(reader, list, i), "to")),
			        "from '/%.64s' the redirects of this site lead in a circle",
			        rule->from);
	}
}

void config_check_site(struct reader *reader, yaml_node_t *node, void *target)
{
	struct config_site *site = target;
	yaml_node_t *index = schema_find(reader, node, "index");
	config_check_redirects(reader, node, site);
	if (site->index && strcmp(site->index, "off") == 0)
		site->index = "";
	if (site->index && strchr(site->index, '/'))
		problems_add(reader->problems, schema_place(index),
		        "'index' is the name of a file, without '/'; off for none");
}

/* -- TLS --------------------------------------------------------------------------------------- */

static bool config_check_is_complete(const struct config_tls *tls)
{
	if ((tls->clients == WEIR_TLS_CLIENTS_ANY) != !tls->clients_ca)
		return false;
	for (size_t i = 0; i < tls->certificates.count; i++)
		if (!tls->certificates.items[i].chain || !tls->certificates.items[i].key)
			return false;
	return tls->certificates.count > 0;
}

void config_check_tls(struct reader *reader, yaml_node_t *node, void *target)
{
	const struct config_tls *tls = target;
	yaml_node_t *list = schema_find(reader, node, "certificates");
	yaml_node_t *clients = schema_find(reader, node, "clients");
	yaml_node_t *ca = schema_find(reader, node, "clients-ca");
	if (tls->clients != WEIR_TLS_CLIENTS_ANY && !ca)
		problems_add(reader->problems, schema_place(clients),
		        "'clients' needs 'clients-ca': a file of who signs their certificates");
	if (tls->clients == WEIR_TLS_CLIENTS_ANY && ca)
		problems_add(reader->problems, schema_place(ca),
		        "'clients-ca' is not used: it needs 'clients: optional' or 'required'");
	if (list && list->type == YAML_SEQUENCE_NODE && tls->certificates.count == 0)
		problems_add(reader->problems, schema_place(list), "'certificates' is empty");
}

/* -- listeners --------------------------------------------------------------------------------- */

static bool config_check_is_any(const struct weir_address *address)
{
	char host[WEIR_ADDRESS_TEXT_MAX];
	weir_address_host(address, host);
	return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* [::] takes the addresses of both families, 0.0.0.0 those of IPv4. */
static bool config_check_conflict(const struct weir_address *a, const struct weir_address *b)
{
	if (weir_address_port(a) == 0 || weir_address_port(a) != weir_address_port(b))
		return false;
	if (endpoint_same_address(a, b))
		return true;
	if (a->any.sa_family == b->any.sa_family)
		return config_check_is_any(a) || config_check_is_any(b);
	return a->any.sa_family == AF_INET6 ? config_check_is_any(a) : config_check_is_any(b);
}

void config_check_listener(struct reader *reader, yaml_node_t *node, void *target)
{
	const struct config_listener *listener = target;
	if (!listener->kind)
		problems_add(reader->problems, schema_place(node),
		        "a listener lacks its kind and address, as in 'http: 127.0.0.1:8080'");
}

/* Whether an address before number `index` is in the way, which was made a problem. */
static void config_check_clash(
        struct reader *reader, yaml_node_t *list, const struct config *config, size_t index)
{
	const struct config_listener *listener = &config->listeners.items[index];
	yaml_node_t *item = schema_item(reader, list, index);
	for (size_t i = 0; i < index; i++) {
		yaml_node_t *other = schema_item(reader, list, i);
		if (!config_check_conflict(&listener->address, &config->listeners.items[i].address))
			continue;
		problems_add(reader->problems,
		        schema_place(schema_find(reader, item, listener->kind->name)),
		        "this address is taken already, by the listener in line %zu",
		        other->start_mark.line + 1);
		return;
	}
}

static void config_check_listeners(
        struct reader *reader, yaml_node_t *top, const struct config *config)
{
	yaml_node_t *list = schema_find(reader, top, "listen");
	bool has_tls = schema_find(reader, top, "tls");
	for (size_t i = 0; i < config->listeners.count; i++) {
		const struct kind *kind = config->listeners.items[i].kind;
		yaml_node_t *item = schema_item(reader, list, i);
		if (!kind)
			continue;
		const char *lack = config_mail_lack(config, &config->listeners.items[i]);
		if (lack && schema_find(reader, top, "mail"))
			problems_add(
			        reader->problems, schema_place(item), "%s %s", kind->name, lack);
		config_check_clash(reader, list, config, i);
		if (kind->secure && !has_tls)
			problems_add(reader->problems, schema_place(item),
			        "'%s' needs a certificate: add 'tls: {certificates: [{chain: FILE, "
			        "key: FILE}]}'",
			        kind->name);
	}
}

/* What listens needs something to serve. */
static void config_check_sections(struct reader *reader, yaml_node_t *top, struct config *config)
{
	const char *told = "";
	for (unsigned i = 0; i < SERVICE_COUNT; i++) {
		const char *section = services[i]->section;
		if (!kinds_include(config, i) || strcmp(section, told) == 0 ||
		        schema_find(reader, top, section))
			continue;
		problems_add(reader->problems, schema_place(top), "the configuration lacks '%s'",
		        section);
		told = section;
	}
}

/* -- sites ------------------------------------------------------------------------------------- */

/* The site before number `before` that has the name, or NULL. */
static const struct config_site *config_check_find_name(
        const struct config *config, size_t before, const char *name)
{
	for (size_t i = 0; i < before; i++)
		for (size_t j = 0; j < config->sites.items[i].names.count; j++)
			if (strcasecmp(config->sites.items[i].names.items[j], name) == 0)
				return &config->sites.items[i];
	return NULL;
}

/* FTP serves the first site's root, too, if it has none of its own. */
static void config_check_check_ftp(
        struct reader *reader, yaml_node_t *top, const struct config *config)
{
	yaml_node_t *ftp = schema_find(reader, top, "ftp");
	if (ftp && kinds_include(config, SERVICE_FTP) && !config_ftp_root(config))
		problems_add(reader->problems, schema_place(ftp),
		        "'ftp' has no 'root', and there is no site whose root it could serve");
}

/* DNS that is asked by UDP, TCP or TLS, or by HTTPS, needs something to answer from. */
static void config_check_check_dns(
        struct reader *reader, yaml_node_t *top, const struct config *config)
{
	yaml_node_t *dns = schema_find(reader, top, "dns"), *site = NULL;
	for (size_t i = config->sites.count; i-- > 0;)
		if (config->sites.items[i].doh)
			site = schema_item(reader, schema_find(reader, top, "sites"), i);
	if (dns && (site || kinds_include(config, SERVICE_DNS)) && config_dns_lack(config))
		problems_add(reader->problems, schema_place(dns), "%s", config_dns_lack(config));
	if (site && !dns)
		problems_add(reader->problems,
		        schema_place(schema_find(reader, site, "dns-over-https")),
		        "'dns-over-https' needs a section 'dns', with the zones");
	for (size_t i = 0; i < config->sites.count; i++)
		if (config->sites.items[i].doh == CONFIG_DOH_ON && !kinds_include_https(config))
			problems_add(reader->problems, schema_place(site),
			        "'dns-over-https' is never reached: 'listen' has no https "
			        "(clear: where somebody in front of this server has it)");
}

static void config_check_sites(struct reader *reader, yaml_node_t *list, struct config *config)
{
	if (list && list->type == YAML_SEQUENCE_NODE &&
	        list->data.sequence.items.top == list->data.sequence.items.start)
		problems_add(reader->problems, schema_place(list),
		        "'sites' is empty; a site needs a 'root' at least");
	for (size_t i = 0; i < config->sites.count; i++) {
		const struct config_site *site = &config->sites.items[i];
		yaml_node_t *item = schema_item(reader, list, i);
		yaml_node_t *names = schema_find(reader, item, "names");
		if (i && !names)
			problems_add(reader->problems, schema_place(item),
			        "this site is never reached without 'names': the first site answers "
			        "for all other names");
		if (site->redirect_to_https && !kinds_include_https(config))
			problems_add(reader->problems,
			        schema_place(schema_find(reader, item, "redirect-to-https")),
			        "'redirect-to-https' leads nowhere: 'listen' has no https");
		for (size_t j = 0; j < site->names.count; j++)
			if (config_check_find_name(config, i, site->names.items[j]))
				problems_add(reader->problems, schema_place(names),
				        "another site has the name '%.64s' already",
				        site->names.items[j]);
	}
}

void config_check_all(struct reader *reader, yaml_node_t *node, void *target)
{
	struct config *config = target;
	yaml_node_t *tls = schema_find(reader, node, "tls");
	config_check_listeners(reader, node, config);
	/* Not before it is known for which services. */
	if (tls && config_check_is_complete(&config->tls))
		value_load_tls(reader, tls);
	config_check_sections(reader, node, config);
	config_check_check_ftp(reader, node, config);
	config_check_check_dns(reader, node, config);
	config_check_sites(reader, schema_find(reader, node, "sites"), config);
}
