/*
 * The certificates of `tls`, read so that `weir check` looks at them, too. What is wrong with a file
 * is told with the place of the value that names it.
 */
#include "config_tls.h"
#include "schema.h"

struct value_tls_report {
	struct reader *reader;
	yaml_node_t *node; /* of `tls` */
};

/* The value that names the path, or the mapping if none does. Two may name the same file. */
static yaml_node_t *value_tls_find_path(struct value_tls_report *report, const char *path)
{
	const struct config_tls *tls = &report->reader->config->tls;
	yaml_node_t *list = schema_find(report->reader, report->node, "certificates");
	for (size_t i = 0; i < tls->certificates.count; i++) {
		const struct weir_tls_certificate *certificate = &tls->certificates.items[i];
		yaml_node_t *item = schema_item(report->reader, list, i);
		if (path == certificate->chain)
			return schema_find(report->reader, item, "chain");
		if (path == certificate->key)
			return schema_find(report->reader, item, "key");
		if (path == certificate->ocsp)
			return schema_find(report->reader, item, "ocsp");
	}
	if (path == tls->clients_ca)
		return schema_find(report->reader, report->node, "clients-ca");
	return report->node;
}

static void value_tls_add_problem(void *context, const char *path, const char *text)
{
	struct value_tls_report *report = context;
	problems_add(report->reader->problems, schema_place(value_tls_find_path(report, path)),
	        "%s%s%s", path, *path ? ": " : "", text);
}

void value_load_tls(struct reader *reader, yaml_node_t *node)
{
	struct value_tls_report report = {reader, node};
	config_tls_load(reader->config, reader->previous, value_tls_add_problem, &report);
}
