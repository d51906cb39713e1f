/*
 * Each server is asked once, by UDP, from a socket of its own. Without a reply in time, or with
 * another one, the proof is not ready: the caller asks again.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weir/dns_message.h>
#include <weir/error.h>
#include <weir/list.h>

#include "acme_dns.h"
#include "acme_message.h"
#include "acme_store.h"
#include "service.h"

#define PROOF_LABEL "_acme-challenge."

/* -- zones ------------------------------------------------------------------------------------- */

/* A zone that can have proofs. */
struct dns_place {
	struct weir_dns_name name;
	const struct weir_address *notify;
	size_t notify_count;
};

/* The innermost zone of the configuration that has the name, or NULL. */
static const struct config_zone *acme_dns_configured(
        const struct config *config, const struct weir_dns_name *owner)
{
	const struct config_zone *best = NULL;
	for (size_t i = 0; i < config->dns.zones.count; i++) {
		const struct config_zone *zone = &config->dns.zones.items[i];
		if (weir_dns_name_beneath(owner, &zone->name) &&
		        (!best || zone->name.labels > best->name.labels))
			best = zone;
	}
	return best;
}

/* Finds the zone of the name; false if proofs cannot be added to it, or there is none. */
static bool acme_dns_zone_of(
        const struct config *config, const char *name, const char *stored, struct dns_place *ret)
{
	struct weir_dns_name owner, zone_name;
	if (!listeners_include(config, SERVICE_DNS) ||
	        weir_dns_name_parse(weir_span_of(name), &owner) < 0)
		return false;
	weir_dns_name_lower(&owner);
	const struct config_zone *zone = acme_dns_configured(config, &owner);
	if (*stored && weir_dns_name_parse(weir_span_of(stored), &zone_name) == 0 &&
	        (!zone || zone_name.labels > zone->name.labels)) {
		*ret = (struct dns_place){zone_name, config->dns.stored.notify.items,
		        config->dns.stored.notify.count};
		return true;
	}
	if (!zone || zone->primaries.count)
		return false;
	*ret = (struct dns_place){zone->name, zone->notify.items, zone->notify.count};
	return true;
}

bool acme_dns_can_prove(const struct config *config, const char *name, const char *stored)
{
	struct dns_place place;
	return acme_dns_zone_of(config, name, stored, &place);
}

int acme_dns_digest(struct weir_span authorization, char ret[ACME_THUMBPRINT_SIZE])
{
	unsigned char digest[32];
	struct weir_buffer text = {0};
	int error = EVP_Digest(authorization.data, authorization.size, digest, NULL, EVP_sha256(),
	                    NULL) == 1
	                    ? acme_base64_append(&text, weir_span(digest, sizeof digest))
	                    : -ENOMEM;
	if (error == 0)
		snprintf(ret, ACME_THUMBPRINT_SIZE, "%.*s", (int)text.size, text.data);
	weir_buffer_finish(&text);
	return error;
}

/* -- serials ----------------------------------------------------------------------------------- */

static int acme_dns_raise(const struct acme_store *store, const char *path)
{
	char text[32];
	struct weir_buffer before = {0};
	acme_store_read(store, path, &before);
	snprintf(text, sizeof text, "%.*s", (int)(before.size < 20 ? before.size : 0), before.data);
	weir_buffer_finish(&before);
	snprintf(text, sizeof text, "%lu\n", (strtoul(text, NULL, 10) + 1) & UINT32_MAX);
	return acme_store_write(store, path, weir_span_of(text));
}

int acme_dns_step(const struct acme_store *store, const struct config *config, const char *name,
        const char *stored)
{
	char zone_name[WEIR_DNS_TEXT_MAX], path[ACME_PATH_SIZE];
	struct dns_place place;
	if (!acme_dns_zone_of(config, name, stored, &place))
		return -ENOENT;
	weir_dns_name_format(&place.name, zone_name);
	int size = snprintf(path, sizeof path, ACME_SERIALS "/%s", zone_name);
	if (strchr(zone_name, '/') || strlen(zone_name) > ACME_NAME_SIZE ||
	        size >= (int)sizeof path)
		return -EINVAL;
	return acme_dns_raise(store, path);
}

struct dns_stepped {
	struct weir_dns_name owner;
	int labels; /* of the innermost zone so far; -1: none */
	char *path;
};

static void acme_dns_note_stepped(void *context, int directory, const char *file)
{
	struct dns_stepped *stepped = context;
	struct weir_dns_name zone;
	(void)directory;
	if (strlen(file) > ACME_NAME_SIZE || weir_dns_name_parse(weir_span_of(file), &zone) < 0 ||
	        !weir_dns_name_beneath(&stepped->owner, &zone) || zone.labels <= stepped->labels)
		return;
	stepped->labels = zone.labels;
	snprintf(stepped->path, ACME_PATH_SIZE, ACME_SERIALS "/%s", file);
}

int acme_dns_step_removed(
        const struct acme_store *store, const char *name, char ret_path[ACME_PATH_SIZE])
{
	struct dns_stepped stepped = {.labels = -1, .path = ret_path};
	if (weir_dns_name_parse(weir_span_of(name), &stepped.owner) < 0)
		return -EINVAL;
	weir_dns_name_lower(&stepped.owner);
	acme_store_each(store, ACME_SERIALS, acme_dns_note_stepped, &stepped);
	return stepped.labels < 0 ? -ENOENT : acme_dns_raise(store, ret_path);
}

/* -- questions --------------------------------------------------------------------------------- */

struct dns_question {
	struct weir_watch watch; /* its descriptor is -1 when there is a reply */
	struct acme_dns_check *check;
	uint16_t id;
};

struct acme_dns_check {
	struct weir_loop *loop;
	struct weir_timer timer;
	struct weir_dns_name owner;
	char text[ACME_THUMBPRINT_SIZE];
	void (*done)(void *context, bool ready);
	void *context;
	size_t count;
	size_t missing; /* that have not replied */
	struct dns_question questions[ACME_DNS_SERVERS_MAX];
};

void acme_dns_check_cancel(struct acme_dns_check *check)
{
	if (!check)
		return;
	weir_timer_stop(&check->timer);
	for (size_t i = 0; i < check->count; i++)
		if (check->questions[i].watch.fd >= 0)
			weir_watch_close(check->loop, &check->questions[i].watch);
	free(check);
}

static void acme_dns_end(struct acme_dns_check *check, bool ready)
{
	void (*done)(void *context, bool ready) = check->done;
	void *context = check->context;
	acme_dns_check_cancel(check);
	done(context, ready);
}

static void acme_dns_on_time(struct weir_timer *timer)
{
	struct acme_dns_check *check = WEIR_CONTAINER(timer, struct acme_dns_check, timer);
	/* With nobody to ask, the time is all that there is. */
	acme_dns_end(check, check->missing == 0);
}

/* Whether an answer of the reply is the text. */
static bool acme_dns_has_text(
        const struct acme_dns_check *check, struct weir_span message, size_t at, unsigned answers)
{
	struct weir_dns_record record;
	size_t size = strlen(check->text);
	for (unsigned i = 0; i < answers; i++) {
		if (weir_dns_record_read(message, &at, &record) < 0)
			return false;
		if (record.type == WEIR_DNS_TXT &&
		        weir_dns_name_equal(&record.name, &check->owner) &&
		        record.data.size == size + 1 && record.data.data[0] == (char)size &&
		        memcmp(record.data.data + 1, check->text, size) == 0)
			return true;
	}
	return false;
}

/* Whether it is a reply to the question; then in *ret whether it has the text. */
static bool acme_dns_read(const struct dns_question *question, struct weir_span message, bool *ret)
{
	const struct acme_dns_check *check = question->check;
	struct weir_dns_header header;
	struct weir_dns_question asked;
	size_t at = WEIR_DNS_HEADER_SIZE;
	if (!weir_dns_header_read(message, &header) || header.id != question->id ||
	        !(header.flags & WEIR_DNS_QR) || header.counts[WEIR_DNS_QUESTION] != 1 ||
	        weir_dns_question_read(message, &at, &asked) < 0)
		return false;
	weir_dns_name_lower(&asked.name);
	if (!weir_dns_name_equal(&asked.name, &check->owner) || asked.type != WEIR_DNS_TXT)
		return false;
	*ret = acme_dns_has_text(check, message, at, header.counts[WEIR_DNS_ANSWER]);
	return true;
}

static void acme_dns_on_reply(struct weir_watch *watch, unsigned events)
{
	struct dns_question *question = WEIR_CONTAINER(watch, struct dns_question, watch);
	struct acme_dns_check *check = question->check;
	char message[WEIR_DNS_UDP_MIN * 4];
	bool ready = false;
	(void)events;
	ssize_t size = recv(watch->fd, message, sizeof message, MSG_DONTWAIT);
	if (size < 0 && errno != EAGAIN && errno != EINTR)
		acme_dns_end(check, false); /* nobody listens there */
	else if (size >= 0 && acme_dns_read(question, weir_span(message, (size_t)size), &ready)) {
		weir_watch_close(check->loop, watch);
		watch->fd = -1;
		if (!ready || --check->missing == 0)
			acme_dns_end(check, ready);
	}
}

static int acme_dns_send(const struct dns_question *question, int fd)
{
	const struct weir_dns_name *owner = &question->check->owner;
	uint8_t message[WEIR_DNS_UDP_MIN], bytes[WEIR_DNS_NAME_MAX + 4] = {0};
	struct weir_dns_writer writer;
	memcpy(bytes, owner->wire, owner->size);
	bytes[owner->size + 1] = WEIR_DNS_TXT;
	bytes[owner->size + 3] = 1; /* IN */
	weir_dns_writer_init(&writer, message, sizeof message);
	weir_dns_put_question(&writer, weir_span(bytes, owner->size + 4u));
	size_t size = weir_dns_writer_finish(&writer, question->id, 0);
	return send(fd, message, size, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int acme_dns_ask(struct acme_dns_check *check, const struct weir_address *address)
{
	struct dns_question *question = &check->questions[check->count];
	int fd = socket(address->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	question->check = check;
	int error = getrandom(&question->id, sizeof question->id, 0) < 0 ||
	                            connect(fd, &address->any, weir_address_size(address)) < 0
	                    ? -errno
	                    : acme_dns_send(question, fd);
	if (error == 0)
		error = weir_watch_start(
		        check->loop, &question->watch, fd, WEIR_READABLE, acme_dns_on_reply);
	if (error < 0)
		close(fd);
	else
		check->count++;
	return error;
}

/* -- the servers ------------------------------------------------------------------------------- */

/* The address at which this machine reaches a listener of its own. */
static struct weir_address acme_dns_reachable(const struct weir_address *listener)
{
	struct weir_address address = *listener;
	if (address.any.sa_family == AF_INET && address.v4.sin_addr.s_addr == htonl(INADDR_ANY))
		address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (address.any.sa_family == AF_INET6 &&
	         IN6_IS_ADDR_UNSPECIFIED(&address.v6.sin6_addr))
		address.v6.sin6_addr = in6addr_loopback;
	return address;
}

static int acme_dns_ask_all(
        struct acme_dns_check *check, const struct config *config, const struct dns_place *place)
{
	int error = 0;
	for (size_t i = 0; i < config->listeners.count && error == 0; i++) {
		const struct config_listener *listener = &config->listeners.items[i];
		struct weir_address address = acme_dns_reachable(&listener->address);
		/* The port of one with port 0 is not known here. */
		if (listener->type->datagrams && weir_address_port(&address) &&
		        check->count < ACME_DNS_SERVERS_MAX)
			error = acme_dns_ask(check, &address);
	}
	for (size_t i = 0; i < place->notify_count && error == 0; i++)
		if (check->count < ACME_DNS_SERVERS_MAX)
			error = acme_dns_ask(check, &place->notify[i]);
	check->missing = error < 0 ? SIZE_MAX : check->count;
	return error;
}

int acme_dns_check_start(struct weir_loop *loop, const struct config *config, const char *name,
        const char *stored, const char *text, void (*done)(void *context, bool ready),
        void *context, struct acme_dns_check **ret)
{
	char owner[ACME_NAME_SIZE + sizeof PROOF_LABEL];
	struct dns_place place;
	bool found = acme_dns_zone_of(config, name, stored, &place);
	struct acme_dns_check *check = calloc(1, sizeof *check);
	if (!check)
		return -ENOMEM;
	check->loop = loop;
	check->done = done;
	check->context = context;
	weir_list_init(&check->timer.link);
	snprintf(owner, sizeof owner, PROOF_LABEL "%s", name);
	snprintf(check->text, sizeof check->text, "%s", text);
	int error = found ? weir_dns_name_parse(weir_span_of(owner), &check->owner) : -ENOENT;
	if (error == 0) {
		weir_dns_name_lower(&check->owner);
		/* A server that cannot be asked now may be there later. */
		acme_dns_ask_all(check, config, &place);
		weir_timer_start(loop, &check->timer, ACME_DNS_WAIT_MS, acme_dns_on_time);
		*ret = check;
	} else {
		acme_dns_check_cancel(check);
	}
	return error;
}
