/* An asker of upstream servers whose answers the test gives. */
#ifndef WEIR_TEST_DNS_ASKER_H
#define WEIR_TEST_DNS_ASKER_H

#include <weir/dns_lookup.h>

enum {
	ASKS_MAX = 64
};

struct asked {
	bool open; /* neither answered nor cancelled */
	struct weir_dns_question question;
	unsigned flags;
	weir_dns_answered_fn *answered;
	void *context;
};

/* The questions since it was cleared, in order. The entry of an answered question is used again. */
struct asker {
	unsigned count; /* questions so far */
	unsigned open;  /* questions without an answer */
	unsigned cancelled;
	int error; /* asking fails with it */
	struct asked asks[ASKS_MAX];
};

/* For weir_dns_lookups_options; the context is a struct asker. */
extern const struct weir_dns_asker test_asker;

/* Answers all open questions with this reply. */
void asker_answer(struct asker *asker, int error, struct weir_span reply);

#endif
