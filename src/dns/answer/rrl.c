/*
 * A table of fixed size. If two clients fall on one bucket, the later one counts as new and gets
 * the bucket. A flood keeps its own bucket busy, and a rare client loses nothing if its count is
 * forgotten. The hash is keyed, because clients choose both addresses and names.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <weir/limits.h>
#include <weir/network.h>

#include "rrl.h"
#include "siphash.h"

struct bucket {
	uint32_t tag;     /* of the hash what does not say the place; 0: free */
	uint32_t time_ms; /* when it was last looked at */
	uint32_t credit;  /* thousandths of replies that may still be sent */
	uint32_t over; /* replies beyond the rate; a reply that is sent does not reset the count */
};

struct dns_rrl {
	struct siphash_key key;
	unsigned rate;
	unsigned slip;
	struct bucket buckets[WEIR_DNS_RRL_BUCKETS];
};

struct dns_rrl *dns_rrl_create(unsigned rate, unsigned slip)
{
	struct dns_rrl *rrl = calloc(1, sizeof *rrl);
	if (!rrl)
		return NULL;
	if (getrandom(&rrl->key, sizeof rrl->key, 0) != sizeof rrl->key) {
		free(rrl);
		return NULL;
	}
	/* A second of credit, in thousandths, must fit. */
	rrl->rate = rate < 1000000 ? rate : 1000000;
	rrl->slip = slip ? slip : WEIR_DNS_RRL_SLIP;
	return rrl;
}

void dns_rrl_destroy(struct dns_rrl *rrl)
{
	free(rrl);
}

/* The network of the address: 24 bits, or 56 of IPv6. */
static void rrl_network_of(const struct weir_address *peer, uint8_t ret[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	weir_address_bytes(peer, ret);
	if (memcmp(ret, mapped, sizeof mapped) == 0)
		ret[15] = 0;
	else
		memset(ret + 7, 0, 9);
}

static void rrl_refill(const struct dns_rrl *rrl, struct bucket *bucket, uint32_t now_ms)
{
	uint32_t most = rrl->rate * 1000;
	uint64_t gain = (uint64_t)(now_ms - bucket->time_ms) * rrl->rate;
	bucket->credit = gain >= most - bucket->credit ? most : bucket->credit + (uint32_t)gain;
	bucket->time_ms = now_ms;
}

enum dns_rrl_verdict dns_rrl_check(
        struct dns_rrl *rrl, const struct weir_address *peer, uint64_t kind, int64_t now_ms)
{
	uint8_t input[16 + sizeof kind];
	rrl_network_of(peer, input);
	memcpy(input + 16, &kind, sizeof kind);
	uint64_t hash = siphash_13(&rrl->key, input, sizeof input);
	struct bucket *bucket = &rrl->buckets[hash % WEIR_DNS_RRL_BUCKETS];
	uint32_t tag = (uint32_t)(hash >> 32) | 1, now = (uint32_t)now_ms;
	if (bucket->tag != tag)
		*bucket = (struct bucket){tag, now, rrl->rate * 1000, 0};
	rrl_refill(rrl, bucket, now);
	if (bucket->credit >= 1000) {
		bucket->credit -= 1000;
		return DNS_RRL_SEND;
	}
	return ++bucket->over % rrl->slip == 0 ? DNS_RRL_SLIP : DNS_RRL_DROP;
}
