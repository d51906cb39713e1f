/* A table of questions. */
#include <stdlib.h>

#include "dns_asker.h"

struct handle {
	struct asker *asker;
	struct asked *asked;
};

static struct handle handles[ASKS_MAX];

static int ask(void *context, const struct weir_dns_question *question, unsigned flags,
        weir_dns_answered_fn *answered, void *answered_context, void **ret)
{
	struct asker *asker = context;
	unsigned at = 0;
	if (asker->error)
		return asker->error;
	while (asker->asks[at].open)
		if (++at == ASKS_MAX)
			abort();
	asker->asks[at] = (struct asked){true, *question, flags, answered, answered_context};
	asker->count++;
	asker->open++;
	handles[at] = (struct handle){asker, &asker->asks[at]};
	*ret = &handles[at];
	return 0;
}

static void cancel(void *ask)
{
	struct handle *handle = ask;
	if (!handle->asked->open)
		abort();
	handle->asked->open = false;
	handle->asker->open--;
	handle->asker->cancelled++;
}

const struct weir_dns_asker test_asker = {ask, cancel};

void asker_answer(struct asker *asker, int error, struct weir_span reply)
{
	bool open[ASKS_MAX];
	for (unsigned i = 0; i < ASKS_MAX; i++)
		open[i] = asker->asks[i].open;
	for (unsigned i = 0; i < ASKS_MAX; i++)
		if (open[i]) {
			asker->asks[i].open = false;
			asker->open--;
			asker->asks[i].answered(asker->asks[i].context, error, reply);
		}
}
