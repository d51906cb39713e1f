/*
 * The resolver and what servers say: any records as the answer to any kind of lookup. It ends,
 * once, and what it gives can be read to its end.
 */
#include <stdlib.h>
#include <string.h>

#include <weir/dns_lookup.h>
#include <weir/loop.h>
#include <weir/resolver.h>

#include "dns_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	ASKS_MAX = 64
};

static struct weir_loop *loop;
static int calls;
static volatile size_t sum; /* of what was read */

/*
 * -- the asker: every question is answered by the same records ----------------------------------
 */

static struct weir_span records; /* six bytes of counts and rcode, then these */

struct asked {
	struct weir_task task;
	struct weir_dns_question question;
	weir_dns_answered_fn *answered;
	void *context;
};

static void run_answer(struct weir_task *task)
{
	static uint8_t reply[WEIR_DNS_MESSAGE_MAX];
	struct asked asked = *WEIR_CONTAINER(task, struct asked, task);
	size_t at = WEIR_DNS_HEADER_SIZE, size = records.size - 4;
	free(WEIR_CONTAINER(task, struct asked, task));
	memset(reply, 0, at);
	dns_put16(reply + 2, WEIR_DNS_QR | (records.data[0] & WEIR_DNS_RCODE_MASK));
	reply[5] = 1;
	for (int i = 1; i < 4; i++)
		reply[5 + 2 * i] = (uint8_t)records.data[i];
	memcpy(reply + at, asked.question.name.wire, asked.question.name.size);
	at += asked.question.name.size;
	dns_put16(reply + at, asked.question.type);
	dns_put16(reply + at + 2, asked.question.rr_class);
	at += 4;
	if (size > sizeof reply - at)
		size = sizeof reply - at;
	memcpy(reply + at, records.data + 4, size);
	asked.answered(asked.context, 0, weir_span(reply, at + size));
}

static int ask(void *context, const struct weir_dns_question *question, unsigned flags,
        weir_dns_answered_fn *answered, void *answered_context, void **ret)
{
	struct asked *asked = calloc(1, sizeof *asked);
	(void)context, (void)flags;
	if (!asked)
		abort();
	asked->task.run = run_answer;
	asked->question = *question;
	asked->answered = answered;
	asked->context = answered_context;
	weir_loop_defer(loop, &asked->task);
	*ret = asked;
	return 0;
}

static void cancel(void *asked)
{
	weir_loop_cancel(loop, &((struct asked *)asked)->task);
	free(asked);
}

/* -- what comes of it -------------------------------------------------------------------------- */

static void on_resolved(void *context, const struct weir_resolved *resolved)
{
	calls++;
	if (resolved->error < 0 && resolved->count)
		abort();
	if (resolved->error == 0 && !resolved->count && !resolved->none)
		abort();
	for (size_t i = 0; i < resolved->count; i++)
		switch (*(int *)context) {
		case 0:
			sum += resolved->addresses[i].any.sa_family;
			break;
		case 1:
			sum += strlen(resolved->names[i]);
			break;
		case 2:
			sum += strlen(resolved->mx[i].host);
			if (i && resolved->mx[i - 1].preference > resolved->mx[i].preference)
				abort();
			break;
		case 3:
			sum += strlen(resolved->srv[i].host);
			if (i && resolved->srv[i - 1].priority > resolved->srv[i].priority)
				abort();
			break;
		default:
			for (size_t k = 0; k < resolved->texts[i].size; k++)
				sum += (uint8_t)resolved->texts[i].data[k];
		}
}

static int begin(struct weir_resolver *resolver, int *kind, struct weir_resolving **ret)
{
	struct weir_address address = {.v4 = {.sin_family = AF_INET}};
	const char *name = "www.example";
	switch (*kind) {
	case 0:
		return weir_resolve_addresses(resolver, name, 1, 0, on_resolved, kind, ret);
	case 1:
		return weir_resolve_names(resolver, &address, on_resolved, kind, ret);
	case 2:
		return weir_resolve_mx(resolver, name, on_resolved, kind, ret);
	case 3:
		return weir_resolve_srv(resolver, name, on_resolved, kind, ret);
	default:
		return weir_resolve_txt(resolver, name, on_resolved, kind, ret);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct weir_dns_asker asker = {ask, cancel};
	struct weir_dns_lookups *lookups;
	struct weir_resolver *resolver;
	struct weir_resolving *resolving;
	if (size < 5)
		return 0;
	int kind = data[0] % 5;
	records = weir_span(data + 1, size - 1);
	calls = 0;
	if (!loop && weir_loop_create(&loop) < 0)
		abort();
	struct weir_dns_lookups_options options;
	weir_dns_lookups_options_init(&options);
	options.asker = &asker;
	options.own_cache.bytes = 1;
	if (weir_dns_lookups_create(loop, &options, &lookups) < 0)
		abort();
	struct weir_resolver_options without_files;
	weir_resolver_options_init(&without_files);
	without_files.lookups = lookups;
	without_files.hosts = NULL;
	if (weir_resolver_create(loop, &without_files, &resolver) < 0 ||
	        begin(resolver, &kind, &resolving) < 0)
		abort();
	for (int i = 0; i < ASKS_MAX && !calls; i++)
		weir_loop_turn(loop, 0);
	if (calls != 1)
		abort();
	weir_resolver_destroy(resolver);
	weir_dns_lookups_destroy(lookups);
	return 0;
}
