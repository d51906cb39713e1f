/*
 * Via (RFC 9110 7.6.3), and requests that come back. The pseudonym is that of one handler of one
 * process: a request may pass several handlers of a server, and several servers. It does not name
 * the machine. Invariant: handlers of one configuration that differ in nothing, as those of all
 * workers, have one pseudonym.
 *
 * A handler whose configuration has no Via finds no loop.
 */
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include "exchange.h"
#include "helper.h"
#include "proxy_state.h"
#include "siphash.h"

static struct siphash_key proxy_via_key;
static bool proxy_via_has_key;

static void proxy_via_make_key(void)
{
	proxy_via_has_key =
	        getrandom(&proxy_via_key, sizeof proxy_via_key, 0) == sizeof proxy_via_key;
}

/* Two texts after each other could be two others, but for their NULs. */
static uint64_t proxy_via_add(uint64_t id, const char *text)
{
	struct siphash_key key = {proxy_via_key.k0 ^ id, proxy_via_key.k1};
	return siphash_24_64(&key, text, strlen(text) + 1);
}

bool http_proxy_make_via(struct proxy *proxy)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, proxy_via_make_key);
	if (!proxy->options.via)
		return true;
	uint64_t id = proxy_via_add(proxy->options.strip, proxy->handler.type->name);
	id = proxy_via_add(id, proxy->prefix);
	id = proxy_via_add(id, proxy->host ? proxy->host : "");
	id = proxy_via_add(id, proxy->options.upstreams ? proxy->options.upstreams->name : "");
	for (unsigned minor = 0; minor < 2; minor++) {
		char *to = proxy->via[minor];
		memcpy(to, minor ? "1.1 weir-" : "1.0 weir-", sizeof "1.1 weir-" - 1);
		text_put_hex(to + sizeof "1.1 weir-" - 1, id);
		to[PROXY_VIA_SIZE - 1] = 0;
	}
	return proxy_via_has_key;
}

const char *http_proxy_via(const struct proxy *proxy, unsigned minor)
{
	return proxy->via[minor != 0];
}

/* The second word of an element; a comment may follow. */
static struct weir_span proxy_via_received_by(struct weir_span element)
{
	struct weir_span word;
	element = weir_span_trim(element);
	weir_span_cut(&element, ' ', &word);
	element = weir_span_trim(element);
	weir_span_cut(&element, ' ', &word);
	return word;
}

bool http_proxy_loops(const struct proxy *proxy, const struct weir_http_request *request)
{
	const struct weir_span name = WEIR_SPAN("Via");
	struct weir_span own = weir_span_of(proxy->via[0]), element;
	if (!own.size)
		return false;
	own = proxy_via_received_by(own);
	for (unsigned i = 0; i < request->field_count; i++) {
		struct weir_span rest = request->fields[i].value;
		bool more = weir_span_equal_nocase(request->fields[i].name, name);
		while (more) {
			more = weir_span_cut(&rest, ',', &element);
			if (weir_span_equal_nocase(proxy_via_received_by(element), own))
				return true;
		}
	}
	return false;
}
