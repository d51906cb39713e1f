/*
 * The question whether all servers of a zone have a proof (DNS-01): a server of ours replies with
 * what is right, with the proof of somebody else, and with what is no reply to the question.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/dns_message.h>

#include "acme_dns.h"
#include "allocation.h"
#include "service.h"

static const char text[] = "gfj9Xq-3qXbC1Y_pEqdBnUjQxFeZ8V9zNa6Xgs1W7QE";

struct scene {
	struct weir_loop *loop;
	struct config config;
	struct config_listener listener;
	struct config_zone zone;
	struct weir_address address;
	int fd;
	bool over, ready;
};

static void on_end(void *context, bool ready)
{
	struct scene *scene = context;
	scene->over = true;
	scene->ready = ready;
}

static int begin(void **state)
{
	struct scene *scene = calloc(1, sizeof *scene);
	socklen_t size = sizeof scene->address;
	scene->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	weir_address_parse(WEIR_SPAN("127.0.0.1:0"), &scene->address);
	if (weir_loop_create(&scene->loop) < 0 ||
	        bind(scene->fd, &scene->address.any, sizeof scene->address.v4) < 0 ||
	        getsockname(scene->fd, &scene->address.any, &size) < 0)
		return -1;
	/* The port of this listener is not known, so that it is not asked. */
	scene->listener.type = listener_type_find("dns");
	weir_address_parse(WEIR_SPAN("0.0.0.0:0"), &scene->listener.address);
	scene->config.listeners.items = &scene->listener;
	scene->config.listeners.count = 1;
	weir_dns_name_parse(WEIR_SPAN("example.org"), &scene->zone.name);
	scene->zone.notify.items = &scene->address;
	scene->zone.notify.count = 1;
	scene->config.dns.zones.items = &scene->zone;
	scene->config.dns.zones.count = 1;
	*state = scene;
	return 0;
}

static int end(void **state)
{
	struct scene *scene = *state;
	close(scene->fd);
	weir_loop_destroy(scene->loop);
	free(scene);
	return 0;
}

struct asked {
	uint8_t message[512];
	size_t size;
	struct sockaddr_in peer;
};

static struct acme_dns_check *ask(struct scene *scene, struct asked *ret)
{
	struct acme_dns_check *check = NULL;
	socklen_t size = sizeof ret->peer;
	scene->over = false;
	assert_int_equal(acme_dns_check_start(scene->loop, &scene->config, "a.Example.org", "",
	                         text, on_end, scene, &check),
	        0);
	ssize_t got = recvfrom(scene->fd, ret->message, sizeof ret->message, 0,
	        (struct sockaddr *)&ret->peer, &size);
	assert_true(got > 12);
	ret->size = (size_t)got;
	return check;
}

/* A reply to the question, with one record of these bytes, or none. */
static size_t compose(
        const struct asked *asked, const char *owner, uint16_t type, const char *data, uint8_t *ret)
{
	struct weir_dns_writer writer;
	struct weir_dns_name name;
	uint8_t bytes[256];
	weir_dns_writer_init(&writer, ret, 512);
	weir_dns_put_question(&writer, weir_span(asked->message + WEIR_DNS_HEADER_SIZE,
	                                       asked->size - WEIR_DNS_HEADER_SIZE));
	if (owner) {
		weir_dns_name_parse(weir_span_of(owner), &name);
		bytes[0] = (uint8_t)strlen(data);
		memcpy(bytes + 1, data, strlen(data));
		weir_dns_put_record(&writer, WEIR_DNS_ANSWER, name.wire, type, 1, 1,
		        weir_span(bytes, strlen(data) + 1));
	}
	return weir_dns_writer_finish(
	        &writer, (uint16_t)(asked->message[0] << 8 | asked->message[1]), WEIR_DNS_QR);
}

static void reply(struct scene *scene, const struct asked *asked, const void *data, size_t size)
{
	assert_int_equal(sendto(scene->fd, data, size, 0, (const struct sockaddr *)&asked->peer,
	                         sizeof asked->peer),
	        size);
	for (unsigned i = 0; i < 3 && !scene->over; i++)
		weir_loop_turn(scene->loop, 0);
}

#define OWNER "_acme-challenge.a.example.org"

static void test_the_proof_is_there(void **state)
{
	struct scene *scene = *state;
	struct asked asked;
	uint8_t message[512];
	ask(scene, &asked);
	size_t size = compose(&asked, OWNER, WEIR_DNS_TXT, text, message);
	reply(scene, &asked, message, size);
	assert_true(scene->over && scene->ready);
}

static void test_it_is_not_there(void **state)
{
	static const struct {
		const char *owner;
		uint16_t type;
		const char *data;
	} wrong[] = {{NULL, 0, NULL}, {OWNER, WEIR_DNS_TXT, "another text"}, {OWNER, 99, text},
	        {"_acme-challenge.b.example.org", WEIR_DNS_TXT, text}, {OWNER, WEIR_DNS_TXT, ""}};
	struct scene *scene = *state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct asked asked;
		uint8_t message[512];
		ask(scene, &asked);
		size_t size =
		        compose(&asked, wrong[i].owner, wrong[i].type, wrong[i].data, message);
		reply(scene, &asked, message, size);
		assert_true(scene->over && !scene->ready);
	}
}

/* Such a message may be of somebody who guesses; the right one still counts. */
static void test_no_replies_to_the_question(void **state)
{
	struct scene *scene = *state;
	struct asked asked;
	uint8_t message[512], other[512];
	ask(scene, &asked);
	size_t size = compose(&asked, OWNER, WEIR_DNS_TXT, text, message);
	for (size_t cut = 0; cut < asked.size; cut++)
		reply(scene, &asked, message, cut);
	for (size_t i = 0; i < asked.size; i++) {
		if (i == 3 || (i >= 6 && i < 12))
			continue; /* the rcode, and the counts of records */
		memcpy(other, message, size);
		other[i] ^= i == 2 ? 0x80 : 1;
		/* The class of the question is not looked at. */
		if (i < asked.size - 2)
			reply(scene, &asked, other, size);
	}
	assert_false(scene->over);
	reply(scene, &asked, message, size);
	assert_true(scene->over && scene->ready);
}

/* Cuts the part behind the question at each byte. */
static void test_torn_answers(void **state)
{
	struct scene *scene = *state;
	struct asked asked;
	uint8_t message[512];
	ask(scene, &asked);
	size_t whole = compose(&asked, OWNER, WEIR_DNS_TXT, text, message);
	for (size_t size = asked.size; size < whole; size++) {
		if (scene->over)
			ask(scene, &asked);
		compose(&asked, OWNER, WEIR_DNS_TXT, text, message);
		reply(scene, &asked, message, size);
		assert_true(scene->over && !scene->ready);
	}
}

static void test_names_without_a_zone(void **state)
{
	struct scene *scene = *state;
	struct acme_dns_check *check;
	assert_true(acme_dns_can_prove(&scene->config, "example.org", ""));
	assert_true(acme_dns_can_prove(&scene->config, "a.b.EXAMPLE.org", ""));
	assert_false(acme_dns_can_prove(&scene->config, "example.net", ""));
	assert_false(acme_dns_can_prove(&scene->config, "anexample.org", ""));
	assert_int_equal(acme_dns_check_start(scene->loop, &scene->config, "example.net", "", text,
	                         on_end, scene, &check),
	        -ENOENT);
	/* A zone that comes from elsewhere cannot be changed here. */
	scene->zone.primaries.items = &scene->address;
	scene->zone.primaries.count = 1;
	assert_false(acme_dns_can_prove(&scene->config, "example.org", ""));
}

static void test_a_cancel(void **state)
{
	struct scene *scene = *state;
	struct asked asked;
	acme_dns_check_cancel(ask(scene, &asked));
	acme_dns_check_cancel(NULL);
	weir_loop_turn(scene->loop, 0);
	assert_false(scene->over);
}

static void test_without_memory(void **state)
{
	struct scene *scene = *state;
	struct acme_dns_check *check = NULL;
	fail_allocation_after(0, true);
	int error = acme_dns_check_start(
	        scene->loop, &scene->config, "example.org", "", text, on_end, scene, &check);
	stop_failing_allocations();
	assert_int_equal(error, -ENOMEM);
}

int main(void)
{
#define IN_A_SCENE(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
	        IN_A_SCENE(test_the_proof_is_there),
	        IN_A_SCENE(test_it_is_not_there),
	        IN_A_SCENE(test_no_replies_to_the_question),
	        IN_A_SCENE(test_torn_answers),
	        IN_A_SCENE(test_names_without_a_zone),
	        IN_A_SCENE(test_a_cancel),
	        IN_A_SCENE(test_without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
