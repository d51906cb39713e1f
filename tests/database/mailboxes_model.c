/*
 * Mailboxes in a database against a plain model: random deliveries, sessions and removals by two
 * front ends, also of whole mailboxes, with a quota. WEIR_SEED chooses another run.
 */
#include "removal.h"

enum {
	BOXES = 4,
	MOST_MESSAGES = 12,
	MOST_OCTETS = 400000,
	STEPS = 400
};

/* A message is its size and the seed of its bytes. */
struct model_message {
	size_t size;
	unsigned seed;
	char uid[WEIR_MAIL_UID_MAX + 1]; /* "" before it was seen */
};

struct model_box {
	struct model_message messages[MOST_MESSAGES];
	size_t count;
	size_t octets;
	bool exists;
	struct weir_maildrop *drop; /* of a session */
	size_t seen;                /* messages in it */
};

static struct weir_database *databases[2];
static struct weir_mail_store *stores[2];
static struct model_box boxes[BOXES];
static const char *const names[BOXES] = {
        "alice", "bob \"b\\", "c{a,r}ol", "d\xc3\xb6rte@example.org"};
static struct dice dice;

static void fill(char *bytes, size_t size, unsigned seed)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)((i + seed) * 2654435761u >> 13);
}

static bool fits(const struct model_box *box, size_t size)
{
	return box->count < MOST_MESSAGES && box->octets + size <= MOST_OCTETS;
}

static void add(struct model_box *box, size_t size, unsigned seed)
{
	box->messages[box->count++] = (struct model_message){size, seed, ""};
	box->octets += size;
	box->exists = true;
}

static size_t throw_size(void)
{
	switch (dice_throw(&dice, 4)) {
	case 0:
		return dice_throw(&dice, 3);
	case 1:
		return WEIR_DATABASE_CHUNK - 1 + dice_throw(&dice, 3);
	case 2:
		return dice_throw(&dice, 3 * WEIR_DATABASE_CHUNK);
	default:
		return dice_throw(&dice, 5000);
	}
}

/* Commits after writing in random pieces. */
static void send_pieces(struct mail *mail, const char *bytes, size_t size)
{
	for (size_t sent = 0; sent < size;) {
		size_t part = 1 + dice_throw(&dice, (unsigned)(size - sent));
		int ready = mail->ready, result = mail_write(mail, bytes + sent, part);
		assert_true(result >= 0);
		if (result == WEIR_MAIL_FULL)
			turn_until(&mail->ready, ready + 1);
		sent += part;
	}
	mail_commit(mail);
	turn_until(&mail->done, 1);
}

static void step_deliver(void)
{
	static char bytes[4 * WEIR_DATABASE_CHUNK];
	struct mail mail = {0};
	struct weir_mail_recipient to[3];
	unsigned chosen[3], count = 1 + dice_throw(&dice, 3), seed = dice_throw(&dice, 1000);
	size_t size = throw_size();
	bool together = dice_throw(&dice, 2), all_fit = true, announced[BOXES] = {false};
	fill(bytes, size, seed);
	for (unsigned i = 0; i < count; i++) {
		chosen[i] = dice_throw(&dice, BOXES);
		to[i] = (struct weir_mail_recipient){.user = weir_span_of(names[chosen[i]])};
		all_fit &= fits(&boxes[chosen[i]], size);
	}
	struct weir_mail_envelope envelope = {
	        .recipients = to, .count = count, .together = together};
	mail.count = count;
	assert_int_equal(store->sink.type->begin(
	                         &store->sink, loop, &envelope, mail_ready, &mail, &mail.delivery),
	        0);
	send_pieces(&mail, bytes, size);
	for (unsigned i = 0; i < count; i++) {
		struct model_box *box = &boxes[chosen[i]];
		bool again = announced[chosen[i]];
		bool good = together ? all_fit : again || fits(box, size);
		assert_int_equal(mail.errors[i], good ? 0 : -EDQUOT);
		/* One that has it is full then; but it counts once. */
		if (good && !again)
			add(box, size, seed);
		announced[chosen[i]] |= good;
	}
}

static void check_message(struct model_box *box, size_t index)
{
	static char wanted[4 * WEIR_DATABASE_CHUNK];
	struct model_message *message = &box->messages[index];
	struct weir_mail_info info = info_of(box->drop, index);
	struct weir_span bytes = {0};
	assert_int_equal(info.octets, message->size);
	if (*message->uid)
		assert_string_equal(info.uid, message->uid);
	strcpy(message->uid, info.uid);
	for (size_t i = 0; i < index; i++)
		assert_string_not_equal(box->messages[i].uid, info.uid);
	if (dice_throw(&dice, 2))
		return;
	assert_int_equal(fetch(box->drop, index, &bytes, NULL), 0);
	assert_int_equal(bytes.size, message->size);
	fill(wanted, message->size, message->seed);
	assert_memory_equal(bytes.data, wanted, message->size);
}

static void step_open(void)
{
	unsigned chosen = dice_throw(&dice, BOXES);
	struct model_box *box = &boxes[chosen];
	struct weir_maildrop *drop;
	int error = drop_open(names[chosen], &drop);
	assert_int_equal(error, box->drop ? -EBUSY : 0);
	if (error)
		return;
	box->drop = drop;
	box->exists = true;
	box->seen = box->count;
	assert_int_equal(drop->count, box->count);
	assert_int_equal(drop->octets, box->octets);
}

static void step_read(void)
{
	struct model_box *box = &boxes[dice_throw(&dice, BOXES)];
	for (size_t i = 0; box->drop && i < box->seen; i++)
		check_message(box, i);
}

static void step_close(bool removes)
{
	struct model_box *box = &boxes[dice_throw(&dice, BOXES)];
	uint8_t marks[MOST_MESSAGES / 8 + 1] = {0};
	size_t removed, left = 0, marked = 0;
	if (!box->drop)
		return;
	for (size_t i = 0; i < box->count; i++) {
		if (removes && i < box->seen && dice_throw(&dice, 2)) {
			marks[i / 8] |= (uint8_t)(1 << i % 8);
			box->octets -= box->messages[i].size;
			marked++;
		} else {
			box->messages[left++] = box->messages[i];
		}
	}
	box->count = left;
	if (removes) {
		assert_int_equal(drop_remove(box->drop, marks, &removed), 0);
		assert_int_equal(removed, marked);
	}
	weir_maildrop_close(box->drop);
	box->drop = NULL;
}

/* A session that has just ended may have the mailbox for a moment. */
static void step_remove_whole(void)
{
	unsigned chosen = dice_throw(&dice, BOXES), by = dice_throw(&dice, 2);
	struct model_box *box = &boxes[chosen];
	struct removal removal;
	int error;
	while ((error = removal_run(&removal, databases[by], names[chosen])) == -EBUSY &&
	        !box->drop)
		weir_loop_turn(loop, 1);
	assert_int_equal(error, box->drop ? -EBUSY : box->exists ? 0 : -ENOENT);
	if (error)
		return;
	assert_int_equal(removal.counts.messages, box->count);
	assert_int_equal(removal.counts.octets, box->octets);
	*box = (struct model_box){.count = 0};
}

static void check_all(void)
{
	static const char sound[] =
	        "SELECT (SELECT count(*) FROM weir_body_chunk AS c WHERE NOT EXISTS (SELECT 1 FROM"
	        " weir_message WHERE body = c.body)) + (SELECT count(*) FROM weir_body_sweep)";
	while (strcmp(migrated_run(sound), "0") != 0)
		weir_loop_turn(loop, 5);
	for (int i = 0; i < BOXES; i++) {
		weir_maildrop_close(boxes[i].drop);
		assert_int_equal(drop_open(names[i], &boxes[i].drop), 0);
		boxes[i].seen = boxes[i].count;
		assert_int_equal(boxes[i].drop->count, boxes[i].count);
		for (size_t k = 0; k < boxes[i].count; k++)
			check_message(&boxes[i], k);
		weir_maildrop_close(boxes[i].drop);
		boxes[i].drop = NULL;
	}
}

static void random_steps(void **state)
{
	const char *seed = getenv("WEIR_SEED");
	(void)state;
	dice.state = seed ? strtoull(seed, NULL, 10) : 1;
	const struct weir_mail_store_options options = {
	        .message_max = 1 << 20, .mailbox_max = MOST_OCTETS, .messages_max = MOST_MESSAGES};
	for (int i = 0; i < 2; i++)
		assert_int_equal(weir_database_mail_create(databases[i], &options, &stores[i]), 0);
	for (int i = 0; i < STEPS; i++) {
		store = stores[dice_throw(&dice, 2)];
		switch (dice_throw(&dice, 7)) {
		case 0:
			step_open();
			break;
		case 1:
			step_read();
			break;
		case 2:
			step_close(dice_throw(&dice, 2));
			break;
		case 3:
			step_remove_whole();
			break;
		default:
			step_deliver();
		}
	}
	check_all();
	for (int i = 0; i < 2; i++)
		weir_mail_store_destroy(stores[i]);
}

static int start_all(void **state)
{
	migrated_setup(state);
	for (int i = 0; i < 2; i++)
		databases[i] = migrated_open(NULL);
	return scratch_setup(state);
}

static int stop_all(void **state)
{
	for (int i = 0; i < 2; i++) {
		weir_database_leave(databases[i], loop);
		weir_database_release(databases[i]);
	}
	migrated_teardown(state);
	return scratch_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(random_steps),
	};
	return cmocka_run_group_tests(tests, start_all, stop_all);
}
