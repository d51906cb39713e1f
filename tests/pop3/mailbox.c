/* See the header. */
#include "mailbox.h"
#include "make_options.h"

#include <crypt.h>
#include <ftw.h>
#include <unistd.h>

#include <weir/sasl.h>

struct weir_loop *loop;
struct weir_pop3_server *server;
struct weir_mail_store *store;
struct weir_users *users;
struct weir_pop3_event last_event;
char last_user[64];
unsigned logins, denials, logouts;

static void on_log(void *context, const struct weir_pop3_event *event)
{
	(void)context;
	last_event = *event;
	snprintf(last_user, sizeof last_user, "%.*s", (int)event->user.size, event->user.data);
	logins += event->kind == WEIR_POP3_LOGIN;
	denials += event->kind == WEIR_POP3_DENIED;
	logouts += event->kind == WEIR_POP3_LOGOUT;
}

void mailbox_serve(struct weir_pop3_options options)
{
	weir_pop3_destroy(server);
	options.listener.address = local_address();
	if (!options.store)
		options.store = store;
	options.users = users;
	options.log = on_log;
	assert_int_equal(weir_pop3_create(loop, &options, &server), 0);
}

int mailbox_setup(void **state)
{
	static char text[2000];
	char verifier[WEIR_SCRAM_TEXT_MAX];
	struct weir_scram scram;
	struct crypt_data data = {0};
	(void)state;
	server = NULL;
	logins = denials = logouts = 0;
	if (!*text) {
		const char *hash = crypt_r("right", "$5$rounds=1000$salt$", &data);
		assert_int_equal(weir_scram_make(WEIR_SPAN("right"), &scram), 0);
		weir_scram_format(&scram, verifier);
		snprintf(text, sizeof text, "alice:%s:scram=%s\nbob:%s:scram=%s\nj d:%s:scram=%s\n",
		        hash, verifier, hash, verifier, hash, verifier);
	}
	assert_int_equal(weir_users_parse(weir_span_of(text), NULL, NULL, &users), 0);
	assert_int_equal(weir_loop_create(&loop), 0);
	assert_int_equal(weir_mail_memory_create(NULL, &store), 0);
	mailbox_serve(OPTIONS(weir_pop3_options));
	return 0;
}

static char directory[] = "/var/tmp/weir-pop3-XXXXXX";

int mailbox_setup_on_disk(void **state)
{
	mailbox_setup(state);
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	assert_non_null(mkdtemp(directory));
	weir_pop3_destroy(server);
	server = NULL;
	weir_mail_store_destroy(store);
	assert_int_equal(weir_maildir_create(directory, NULL, &store), 0);
	mailbox_serve(OPTIONS(weir_pop3_options));
	return 0;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
	(void)status, (void)kind, (void)where;
	return remove(path);
}

int mailbox_teardown(void **state)
{
	(void)state;
	weir_pop3_destroy(server);
	weir_mail_store_destroy(store);
	weir_users_release(users);
	/* Work on the pool ends. */
	for (int i = 0; i < 10; i++)
		weir_loop_turn(loop, 1);
	weir_loop_destroy(loop);
	nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static void on_done(void *context, const int *errors)
{
	assert_int_equal(errors[0], 0);
	*(bool *)context = true;
}

void mailbox_deliver(const char *user, const void *data, size_t size)
{
	struct weir_mail_recipient recipient = {.user = weir_span_of(user)};
	struct weir_mail_envelope envelope = {.recipients = &recipient, .count = 1};
	const struct weir_mail_sink_type *type = store->sink.type;
	struct weir_mail_delivery *delivery;
	bool done = false;
	assert_int_equal(type->begin(&store->sink, loop, &envelope, NULL, NULL, &delivery), 0);
	assert_true(type->write(delivery, weir_span(data, size)) >= 0);
	type->commit(delivery, on_done, &done);
	assert_true(TURN_UNTIL(loop, done));
}

void mailbox_deliver_text(const char *user, const char *text)
{
	mailbox_deliver(user, text, strlen(text));
}

struct peer mailbox_connect(void)
{
	const struct weir_address *address = weir_server_address(weir_pop3_listener(server));
	struct peer peer = peer_connect(loop, address, 0);
	EXPECT(&peer, "+OK Weir POP3 server ready\r\n");
	return peer;
}

struct peer mailbox_login(void)
{
	struct peer peer = mailbox_connect();
	SAY(&peer, "USER alice\r\n", "+OK Send PASS\r\n");
	peer_send(&peer, "PASS right\r\n");
	assert_true(peer_read(&peer, 20));
	peer_turn(&peer, 3);
	while (peer.got.data[peer.got.size - 1] != '\n')
		peer_read_more(&peer);
	assert_memory_equal(peer.got.data, "+OK ", 4);
	peer.got.size = 0;
	return peer;
}
