/*
 * NOTIFY (RFC 1996). It is sent to each address in growing intervals until the address acknowledges
 * it, or the tries are used up. An acknowledgement must come from that address, with the ID that
 * was sent.
 *
 * Each family has a socket of its own, from which nothing else is sent.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "dns_codec.h"
#include "server_state.h"
#include "zone_image.h"

enum {
	MESSAGE_MAX = 1024
};

struct notice {
	struct weir_list link;
	struct weir_dns_notifier *notifier;
	struct weir_timer timer;
	struct weir_address peer;
	struct weir_dns_zone *zone; /* held */
	uint16_t id;
	unsigned tries;
};

struct weir_dns_notifier {
	struct weir_loop *loop;
	weir_dns_log_fn *log; /* or NULL */
	void *context;
	struct weir_datagrams *sockets[2]; /* of IPv4, of IPv6; NULL before they are needed */
	struct weir_list notices;
};

static void notify_drop(struct notice *notice)
{
	weir_timer_stop(&notice->timer);
	weir_list_remove(&notice->link);
	weir_dns_zone_release(notice->zone);
	free(notice);
}

static void notify_end(struct notice *notice, enum weir_dns_event_kind kind)
{
	const struct weir_dns_notifier *notifier = notice->notifier;
	if (notifier->log)
		notifier->log(notifier->context, &(struct weir_dns_event){.kind = kind,
		                                         .peer = &notice->peer,
		                                         .zone = &notice->zone->apex,
		                                         .serial = notice->zone->serial});
	notify_drop(notice);
}

/* Any rcode acknowledges the message, but only NOERROR counts as success. */
static size_t notify_on_answer(
        void *context, const struct weir_datagram *datagram, void *reply, size_t room)
{
	struct weir_dns_notifier *notifier = context;
	struct weir_dns_header header;
	(void)reply, (void)room;
	if (!weir_dns_header_read(datagram->bytes, &header) || !(header.flags & WEIR_DNS_QR))
		return 0;
	WEIR_LIST_EACH (struct notice, notice, &notifier->notices, link) {
		if (notice->id != header.id || !weir_address_equal(&notice->peer, datagram->peer))
			continue;
		notify_end(notice, header.flags & WEIR_DNS_RCODE_MASK ? WEIR_DNS_NOTIFY_FAILED
		                                                      : WEIR_DNS_NOTIFIED);
		break;
	}
	return 0;
}

static struct weir_datagrams *notify_socket_for(
        struct weir_dns_notifier *notifier, const struct weir_address *peer)
{
	unsigned which = peer->any.sa_family == AF_INET6;
	if (!notifier->sockets[which]) {
		struct weir_datagrams_options options;
		weir_datagrams_options_init(&options);
		options.address.any.sa_family = peer->any.sa_family;
		options.receive_max = MESSAGE_MAX;
		options.reply_max = 0;
		options.answer = notify_on_answer;
		options.context = notifier;
		weir_datagrams_create(notifier->loop, &options, &notifier->sockets[which]);
	}
	return notifier->sockets[which];
}

/* The message has the question, and the new SOA record as a hint (RFC 1996 3.7). */
static size_t notify_make_message(const struct notice *notice, uint8_t message[MESSAGE_MAX])
{
	const struct weir_dns_zone *zone = notice->zone;
	const struct dns_rrset *soa = dns_node_rrset(zone, zone->nodes, WEIR_DNS_SOA);
	const uint8_t *record = dns_rrset_records(soa);
	uint8_t question[WEIR_DNS_NAME_MAX + 4];
	struct weir_dns_writer writer;
	memcpy(question, zone->apex.wire, zone->apex.size);
	dns_put16(question + zone->apex.size, WEIR_DNS_SOA);
	dns_put16(question + zone->apex.size + 2, WEIR_DNS_IN);
	weir_dns_writer_init(&writer, message, MESSAGE_MAX);
	weir_dns_put_question(&writer, weir_span(question, zone->apex.size + 4u));
	weir_dns_put_record(&writer, WEIR_DNS_ANSWER, zone->apex.wire, WEIR_DNS_SOA, WEIR_DNS_IN,
	        dns_rrset_ttl(soa), weir_span(record + 2, dns_get16(record)));
	return weir_dns_writer_finish(
	        &writer, notice->id, WEIR_DNS_NOTIFY << WEIR_DNS_OPCODE_SHIFT | WEIR_DNS_AA);
}

static void notify_on_time(struct weir_timer *timer)
{
	struct notice *notice = WEIR_CONTAINER(timer, struct notice, timer);
	struct weir_dns_notifier *notifier = notice->notifier;
	struct weir_datagrams *socket = notify_socket_for(notifier, &notice->peer);
	uint8_t message[MESSAGE_MAX];
	if (notice->tries == WEIR_DNS_NOTIFY_TRIES) {
		notify_end(notice, WEIR_DNS_NOTIFY_FAILED);
		return;
	}
	/* A message that could not be sent counts as lost on the network. */
	if (socket)
		weir_datagrams_send(socket, &notice->peer, NULL,
		        weir_span(message, notify_make_message(notice, message)));
	weir_timer_start(notifier->loop, timer, (int64_t)WEIR_DNS_NOTIFY_MS << notice->tries,
	        notify_on_time);
	notice->tries++;
}

/* A newer NOTIFY of the zone replaces one that is under way. */
static void notify_drop_older(struct weir_dns_notifier *notifier, const struct weir_dns_zone *zone)
{
	WEIR_LIST_EACH_SAFE (struct notice, notice, next, &notifier->notices, link) {
		if (weir_dns_name_equal(&notice->zone->apex, &zone->apex))
			notify_drop(notice);
	}
}

/* Without memory or random bits no NOTIFY is sent: the secondaries' timers will find the change. */
static void notify_begin(struct weir_dns_notifier *notifier, struct weir_dns_zone *zone,
        const struct weir_address *peer)
{
	struct notice *notice = calloc(1, sizeof *notice);
	if (!notice)
		return;
	if (getrandom(&notice->id, sizeof notice->id, 0) != sizeof notice->id) {
		free(notice);
		return;
	}
	notice->notifier = notifier;
	notice->peer = *peer;
	notice->zone = weir_dns_zone_hold(zone);
	weir_list_append(&notifier->notices, &notice->link);
	notify_on_time(&notice->timer);
}

void weir_dns_notifier_notify(struct weir_dns_notifier *notifier,
        const struct weir_dns_zones *before, const struct weir_dns_zones *now)
{
	for (size_t i = 0; i < now->count; i++) {
		const struct weir_dns_zone_entry *entry = &now->entries[i];
		const struct weir_dns_zone_entry *old =
		        weir_dns_zones_find(before, &entry->zone->apex);
		if (entry->zone->unavailable || (old && old->zone->serial == entry->zone->serial))
			continue;
		notify_drop_older(notifier, entry->zone);
		for (size_t k = 0; k < entry->policy.notify_count; k++)
			notify_begin(notifier, entry->zone, &entry->policy.notify[k]);
	}
}

int weir_dns_notifier_create(
        struct weir_loop *loop, weir_dns_log_fn *log, void *context, struct weir_dns_notifier **ret)
{
	struct weir_dns_notifier *notifier = calloc(1, sizeof *notifier);
	if (!notifier)
		return -ENOMEM;
	notifier->loop = loop;
	notifier->log = log;
	notifier->context = context;
	weir_list_init(&notifier->notices);
	*ret = notifier;
	return 0;
}

void weir_dns_notifier_destroy(struct weir_dns_notifier *notifier)
{
	if (!notifier)
		return;
	WEIR_LIST_EACH_SAFE (struct notice, notice, next, &notifier->notices, link)
		notify_drop(notice);
	weir_datagrams_destroy(notifier->sockets[0]);
	weir_datagrams_destroy(notifier->sockets[1]);
	free(notifier);
}
