/*
 * /etc/resolv.conf has a keyword on each line. The last of `search` and `domain` counts, as in the
 * C library, and numbers are cut to the same bounds. Lines beyond a limit, or not understood, are
 * skipped.
 */
#include <string.h>

#include "system_files.h"

enum {
	PORT = 53,
	NDOTS_MAX = 15,
	TIMEOUT_MAX = 30,
	ATTEMPTS_MAX = 5,
};

/* Reads an address, or one in brackets with a port, as in OpenBSD's resolv.conf(5). */
static bool resolv_conf_parse_server(struct weir_span word, struct weir_address *ret)
{
	struct weir_span host;
	uint64_t port;
	if (word.data[0] != '[')
		return address_literal_parse(word, PORT, ret);
	word = weir_span_skip(word, 1);
	return weir_span_cut(&word, ']', &host) && weir_span_starts(word, WEIR_SPAN(":")) &&
	       weir_span_number(weir_span_skip(word, 1), 10, &port) == 0 && port > 0 &&
	       port <= UINT16_MAX && address_literal_parse(host, (uint16_t)port, ret);
}

static void resolv_conf_add_server(struct resolv_conf *conf, struct weir_span rest)
{
	struct weir_span word;
	if (conf->server_count < WEIR_DNS_UPSTREAMS_MAX && token_next(&rest, &word) &&
	        resolv_conf_parse_server(word, &conf->servers[conf->server_count]))
		conf->server_count++;
}

static void resolv_conf_set_search(struct resolv_conf *conf, struct weir_span rest)
{
	struct weir_span word;
	conf->search_count = 0;
	while (conf->search_count < WEIR_RESOLV_SEARCH_MAX && token_next(&rest, &word))
		/* The root is no search domain: a name is tried without any domain in any case. */
		if (weir_dns_name_parse(word, &conf->search[conf->search_count]) == 0 &&
		        conf->search[conf->search_count].labels)
			conf->search_count++;
}

static void resolv_conf_set_number(
        struct weir_span text, unsigned least, unsigned most, unsigned *ret)
{
	uint64_t number;
	if (weir_span_number(text, 10, &number) == 0)
		*ret = number < least ? least : number > most ? most : (unsigned)number;
}

static void resolv_conf_set_options(struct resolv_conf *conf, struct weir_span rest)
{
	struct weir_span word, name;
	while (token_next(&rest, &word)) {
		weir_span_cut(&word, ':', &name);
		if (weir_span_equal(name, WEIR_SPAN("ndots")))
			resolv_conf_set_number(word, 0, NDOTS_MAX, &conf->ndots);
		else if (weir_span_equal(name, WEIR_SPAN("timeout")))
			resolv_conf_set_number(word, 1, TIMEOUT_MAX, &conf->timeout_s);
		else if (weir_span_equal(name, WEIR_SPAN("attempts")))
			resolv_conf_set_number(word, 1, ATTEMPTS_MAX, &conf->attempts);
		else if (weir_span_equal(name, WEIR_SPAN("rotate")))
			conf->rotate = true;
	}
}

static void resolv_conf_read_line(struct resolv_conf *conf, struct weir_span line)
{
	struct weir_span keyword;
	if (!token_next(&line, &keyword) || keyword.data[0] == '#' || keyword.data[0] == ';')
		return;
	if (weir_span_equal(keyword, WEIR_SPAN("nameserver")))
		resolv_conf_add_server(conf, line);
	else if (weir_span_equal(keyword, WEIR_SPAN("search")) ||
	         weir_span_equal(keyword, WEIR_SPAN("domain")))
		resolv_conf_set_search(conf, line);
	else if (weir_span_equal(keyword, WEIR_SPAN("options")))
		resolv_conf_set_options(conf, line);
}

void resolv_conf_parse(struct weir_span text, struct resolv_conf *ret)
{
	struct weir_span line;
	memset(ret, 0, sizeof *ret);
	ret->ndots = 1;
	ret->timeout_s = 5;
	ret->attempts = 2;
	while (text.size) {
		weir_span_cut(&text, '\n', &line);
		resolv_conf_read_line(ret, line);
	}
	if (ret->server_count == 0)
		resolv_conf_add_server(ret, WEIR_SPAN("127.0.0.1"));
}
