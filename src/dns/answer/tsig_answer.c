/*
 * A chain of MACs: each covers the one before it, and the messages since then. Invariant: `mac` has
 * digested all messages since the last signed one, and is open only if there are any.
 */
#include <errno.h>

#include <weir/error.h>

#include "tsig_answer.h"

size_t dns_tsig_request(struct dns_tsig_answers *answers, const struct weir_dns_tsig_key *key,
        uint8_t *message, size_t size, size_t room, int64_t now_s)
{
	*answers = (struct dns_tsig_answers){.key = key};
	answers->tsig.key = key;
	answers->tsig.name = key->name;
	dns_tsig_set_algorithm(&answers->tsig, key);
	return weir_dns_tsig_sign(&answers->tsig, message, size, room, now_s, false);
}

static void tsig_answer_open_mac(struct dns_tsig_answers *answers)
{
	if (answers->open)
		return;
	answers->mac = dns_mac_begin(answers->key);
	dns_mac_add_previous(&answers->mac, &answers->tsig);
	answers->open = true;
}

/* A message without a signature, which a later signature covers. The first has to have its own. */
static int tsig_answer_add_unsigned(struct dns_tsig_answers *answers, struct weir_span message)
{
	if (!answers->messages || answers->unsigned_count == DNS_TSIG_UNSIGNED_MAX)
		return -EACCES;
	tsig_answer_open_mac(answers);
	dns_mac_add(&answers->mac, message.data, message.size);
	answers->unsigned_count++;
	answers->messages++;
	return 0;
}

static bool tsig_answer_is_timely(const struct weir_dns_tsig *tsig, int64_t now_s)
{
	uint64_t now = (uint64_t)now_s;
	uint64_t apart = now > tsig->time_s ? now - tsig->time_s : tsig->time_s - now;
	return apart <= tsig->fudge_s;
}

int dns_tsig_answer(
        struct dns_tsig_answers *answers, struct weir_span message, size_t at, int64_t now_s)
{
	struct weir_dns_tsig found = {0};
	struct dns_tsig_record record;
	uint8_t wanted[WEIR_DNS_MAC_MAX];
	if (!at)
		return tsig_answer_add_unsigned(answers, message);
	int error = dns_tsig_read(message, at, &found, &record);
	if (error < 0)
		return error;
	if (found.error || !weir_dns_name_equal(&found.name, &answers->key->name) ||
	        !dns_tsig_algorithm_is(&found, answers->key))
		return -EACCES;
	tsig_answer_open_mac(answers);
	dns_mac_add_message(&answers->mac, message, at, &record);
	if (answers->messages)
		dns_mac_add_timers(&answers->mac, &found);
	else
		dns_mac_add_variables(&answers->mac, &found, record.other);
	answers->open = false;
	if (!dns_mac_end(&answers->mac, wanted))
		return -ENOMEM;
	if (!dns_mac_equal(answers->key, record.mac, wanted) ||
	        !tsig_answer_is_timely(&found, now_s))
		return -EACCES;
	answers->tsig.mac_size = (uint16_t)record.mac.size;
	memcpy(answers->tsig.mac, record.mac.data, record.mac.size);
	answers->unsigned_count = 0;
	answers->messages++;
	return 0;
}

bool dns_tsig_complete(const struct dns_tsig_answers *answers)
{
	return answers->messages && !answers->unsigned_count;
}

void dns_tsig_answers_free(struct dns_tsig_answers *answers)
{
	if (answers->open)
		dns_mac_end(&answers->mac, NULL);
	answers->open = false;
}
