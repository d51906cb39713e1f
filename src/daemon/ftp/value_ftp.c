/* Values of FTP: a range of ports, an address without one; and the users, so that they are checked. */
#include <string.h>

#include "config_check.h"
#include "config_ftp.h"
#include "schema.h"

/* "50000-50100", or one port. */
static bool value_ftp_parse_ports(struct weir_span text, struct config_ports *ret)
{
	struct weir_span first;
	uint64_t low, high;
	bool range = weir_span_cut(&text, '-', &first);
	if (weir_span_number(first, 10, &low) < 0)
		return false;
	high = low;
	if (range && weir_span_number(text, 10, &high) < 0)
		return false;
	if (low < 1024 || high < low || high > UINT16_MAX)
		return false;
	*ret = (struct config_ports){(uint16_t)low, (uint16_t)high};
	return true;
}

void value_ports(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	const char *text = schema_text(reader, key->name, node);
	if (text && !value_ftp_parse_ports(weir_span_of(text), target))
		problems_add(reader->problems, schema_place(node),
		        "'%s' wants ports of 1024 and above, as 50000-50100, not '%.64s'",
		        key->name, text);
}

/* The address that 227 tells has no port, and is IPv4: EPSV tells none. */
void value_host(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	char with_port[80];
	struct weir_address address;
	const char *text = schema_text(reader, key->name, node);
	if (!text)
		return;
	int size = snprintf(with_port, sizeof with_port, "%s:1", text);
	if ((size_t)size < sizeof with_port &&
	        weir_address_parse(weir_span(with_port, (size_t)size), &address) == 0 &&
	        address.any.sa_family == AF_INET)
		memcpy(target, &address, sizeof address);
	else
		problems_add(reader->problems, schema_place(node),
		        "'%s' wants an IPv4 address without a port, not '%.64s'", key->name, text);
}

/* -- users ------------------------------------------------------------------------------------- */

struct value_ftp_report {
	struct reader *reader;
	yaml_node_t *node;
};

static void value_ftp_add_problem(void *context, const char *path, unsigned line, const char *text)
{
	struct value_ftp_report *report = context;
	struct file_position place = schema_place(report->node);
	if (line)
		problems_add(report->reader->problems, place, "%s:%u: %s", path, line, text);
	else
		problems_add(report->reader->problems, place, "%s: %s", path, text);
}

void config_check_init_ftp(void *target)
{
	config_ftp_default(target);
}

void config_check_ftp(struct reader *reader, yaml_node_t *node, void *target)
{
	const struct config_ftp *ftp = target;
	yaml_node_t *users = schema_find(reader, node, "users");
	struct value_ftp_report report = {reader, users ? users : node};
	if (!ftp->anonymous && !users)
		problems_add(reader->problems, schema_place(node),
		        "nobody could log in: name a file of 'users', or let 'anonymous' in");
	config_ftp_load(reader->config, value_ftp_add_problem, &report);
}
