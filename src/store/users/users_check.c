/*
 * Checks of passwords: a password that was right lately at once, all others by crypt on the work
 * pool.
 *
 *   check ─▶ remembered? ─▶ done       gate: ─▶ running (WEIR_CRYPTS_MAX) ─▶ done
 *                └─▶ gate                    └─▶ waiting ─▶ posted to its loop ─▶ running
 *                                                   └─▶ displaced by another network ─▶ done
 *
 * Invariants: an unknown name leads to the same computation, on the same thread, as a known one. A
 * job is freed on its own loop. There is one gate for the process, like the work pool whose threads
 * it saves. WEIR_CHECKS_MAX bounds its list, so that a search of the list is cheap beside one
 * crypt.
 */
#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/network.h>

#include "helper.h"
#include "users_state.h"

enum check_state {
	WAITING,   /* in the gate's list */
	STARTED,   /* posted, running or on its way back */
	DISPLACED, /* posted; its slot has gone to another */
};

struct weir_check_job {
	struct weir_work work;
	struct weir_task start;
	struct weir_list
	        link; /* this and the fields up to `network` are covered by the gate's lock */
	enum check_state state;
	bool running;        /* counted in `running` of the gate */
	bool without_client; /* no client was given, so that no share of a network applies */
	bool suspect;
	struct weir_network network; /* of the client: an IPv4 address, or 64 bits of IPv6 */
	struct weir_loop *loop;
	struct weir_users *users;
	struct weir_check *check; /* NULL: cancelled; belongs to its loop */
	const char *hash;         /* of the user, or of another one in place of an unknown user */
	bool known;
	int error;
	uint64_t digest[2];
	char password[WEIR_PASSWORD_MAX + 1];
};

static struct {
	pthread_mutex_t lock;     /* covers the fields below */
	struct weir_list waiting; /* in the order of their coming */
	struct weir_list started;
	unsigned jobs;
	unsigned running;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER,
        .waiting = {&gate.waiting, &gate.waiting},
        .started = {&gate.started, &gate.started}};

/* -- remembered passwords --------------------------------------------------------------- */

static void users_check_make_digest(const struct weir_users *users, struct weir_span name,
        struct weir_span password, uint64_t ret[2])
{
	char text[1 + WEIR_USER_NAME_MAX + WEIR_PASSWORD_MAX];
	text[0] = (char)name.size;
	if (name.size)
		memcpy(text + 1, name.data, name.size);
	if (password.size)
		memcpy(text + 1 + name.size, password.data, password.size);
	siphash_24(&users->key, text, 1 + name.size + password.size, ret);
	explicit_bzero(text, sizeof text);
}

static bool users_check_same_digest(const struct verified *verified, const uint64_t digest[2])
{
	return ((verified->digest[0] ^ digest[0]) | (verified->digest[1] ^ digest[1])) == 0;
}

static bool users_check_is_verified(
        struct weir_users *users, const uint64_t digest[2], int64_t now_ms)
{
	bool found = false;
	pthread_mutex_lock(&users->lock);
	for (int i = 0; i < WEIR_VERIFIED_MAX; i++) {
		const struct verified *verified = &users->verified[i];
		found |= users_check_same_digest(verified, digest) & (verified->until_ms > now_ms);
	}
	pthread_mutex_unlock(&users->lock);
	return found;
}

/* Replaces the same password, or the oldest one. */
static void users_check_remember(struct weir_users *users, const uint64_t digest[2], int64_t now_ms)
{
	pthread_mutex_lock(&users->lock);
	struct verified *oldest = &users->verified[0];
	for (int i = 0; i < WEIR_VERIFIED_MAX; i++) {
		struct verified *verified = &users->verified[i];
		if (users_check_same_digest(verified, digest)) {
			oldest = verified;
			break;
		}
		if (verified->until_ms < oldest->until_ms)
			oldest = verified;
	}
	*oldest = (struct verified){{digest[0], digest[1]}, now_ms + WEIR_VERIFIED_MS};
	pthread_mutex_unlock(&users->lock);
}

/* -- on the work pool -------------------------------------------------------------------------- */

/* The length of a hash is no secret; the position of a difference is. */
static bool users_check_same_hash(const char *a, const char *b)
{
	size_t size = strlen(a);
	return size == strlen(b) && secret_equal(a, b, size);
}

static int users_check_judge(struct weir_check_job *job)
{
	struct crypt_data *data = calloc(1, sizeof *data);
	if (!data)
		return -ENOMEM;
	const char *hash = crypt_r(job->password, job->hash, data);
	int error = -EACCES;
	/*
	 * The hash was valid when it was read, so this is a lack of memory: yescrypt returns EINVAL
	 * then, too.
	 */
	if (!hash || hash[0] == '*')
		error = -EAGAIN;
	else if (users_check_same_hash(hash, job->hash) & job->known)
		error = 0;
	explicit_bzero(data, sizeof *data);
	free(data);
	return error;
}

/* -- the gate: all of it with the lock --------------------------------------------------------- */

static unsigned users_check_gate_count(
        struct weir_list *list, const struct weir_network *network, bool running)
{
	unsigned count = 0;
	WEIR_LIST_EACH (const struct weir_check_job, job, list, link)
		count += memcmp(&job->network, network, sizeof *network) == 0 &&
		         job->running >= running;
	return count;
}

static unsigned users_check_gate_share(const struct weir_check_job *job)
{
	return users_check_gate_count(&gate.waiting, &job->network, false) +
	       users_check_gate_count(&gate.started, &job->network, false);
}

/* The lock keeps the loop alive: once the job is cancelled, its loop may be destroyed. */
static void users_check_gate_post(struct weir_check_job *job, enum check_state state)
{
	weir_list_remove(&job->link);
	weir_list_append(&gate.started, &job->link);
	job->state = state;
	weir_loop_post(job->loop, &job->start);
}

/*
 * Chooses the next job: no suspect while others wait; of the network with the fewest running jobs.
 */
static struct weir_check_job *users_check_gate_next(void)
{
	struct weir_check_job *best = NULL;
	unsigned least = 0;
	WEIR_LIST_EACH (struct weir_check_job, job, &gate.waiting, link) {
		unsigned running = users_check_gate_count(&gate.started, &job->network, true);
		if (best && (job->suspect > best->suspect ||
		                    (job->suspect == best->suspect && running >= least)))
			continue;
		best = job;
		least = running;
	}
	return best;
}

/*
 * Chooses the slot that a new job may take: that of a suspect, or of a network with two more jobs
 * than its own.
 */
static struct weir_check_job *users_check_gate_victim(const struct weir_check_job *job)
{
	struct weir_check_job *worst = NULL;
	unsigned most = 0, own = users_check_gate_share(job);
	WEIR_LIST_EACH (struct weir_check_job, other, &gate.waiting, link) {
		unsigned share = users_check_gate_share(other);
		bool may = other->suspect > job->suspect ||
		           (other->suspect == job->suspect && share > own + 1);
		if (!may || (worst && (other->suspect < worst->suspect ||
		                              (other->suspect == worst->suspect && share < most))))
			continue;
		worst = other;
		most = share;
	}
	return worst;
}

/* A job has run, or could not: starts the next one. */
static void users_check_start_next(struct weir_check_job *job)
{
	pthread_mutex_lock(&gate.lock);
	struct weir_check_job *next = users_check_gate_next();
	job->running = false;
	if (next) {
		next->running = true;
		users_check_gate_post(next, STARTED);
	} else {
		gate.running--;
	}
	pthread_mutex_unlock(&gate.lock);
}

static void users_check_run(struct weir_work *work)
{
	struct weir_check_job *job = WEIR_CONTAINER(work, struct weir_check_job, work);
	job->error = users_check_judge(job);
	explicit_bzero(job->password, sizeof job->password);
	users_check_start_next(job);
}

/* -- on the loop ------------------------------------------------------------------------------- */

static void users_check_free_job(struct weir_check_job *job)
{
	explicit_bzero(job->password, sizeof job->password);
	weir_users_release(job->users);
	free(job);
}

static void users_check_finish(struct weir_check_job *job)
{
	struct weir_check *check = job->check;
	int error = job->error;
	pthread_mutex_lock(&gate.lock);
	weir_list_remove(&job->link);
	gate.jobs -= job->state != DISPLACED;
	pthread_mutex_unlock(&gate.lock);
	if (error == 0)
		users_check_remember(job->users, job->digest, weir_loop_now_ms(job->loop));
	users_check_free_job(job);
	if (check) {
		check->job = NULL;
		check->done(check, error);
	}
}

static void users_check_done(struct weir_work *work)
{
	users_check_finish(WEIR_CONTAINER(work, struct weir_check_job, work));
}

static void users_check_start(struct weir_check_job *job)
{
	int error = WEIR_E_CLOSED; /* cancelled while it waited */
	if (job->check)
		error = weir_work_submit_to(job->loop, WEIR_LANE_PASSWORD, &job->work,
		        users_check_run, users_check_done);
	if (error == 0)
		return; /* the job belongs to the work pool */
	job->error = error;
	users_check_start_next(job);
	users_check_finish(job);
}

static void users_check_start_posted(struct weir_task *task)
{
	struct weir_check_job *job = WEIR_CONTAINER(task, struct weir_check_job, start);
	/* The state does not change any more. */
	if (job->state == DISPLACED) {
		job->error = WEIR_E_LIMIT;
		users_check_finish(job);
	} else {
		users_check_start(job);
	}
}

/*
 * Returns the hash of another user in place of an unknown user's, the same at each attempt. So the
 * time reveals nothing, even if there are several kinds of hashes.
 */
static const char *users_check_hash_of_another(
        const struct weir_users *users, struct weir_span name)
{
	static const char none[] = "$6$nobody$";
	const struct user *table = users_table(users);
	size_t count = weir_users_count(users);
	uint64_t at = siphash_13(&users->key, name.data, name.size);
	for (size_t i = 0; i < count; i++) {
		const struct user *user = &table[(at + i) % count];
		if (!user->locked)
			return user->hash.data;
	}
	return none;
}

static void users_check_set_client(
        struct weir_check_job *job, const struct weir_check_client *client)
{
	job->without_client = !client;
	if (!client)
		return;
	job->suspect = client->suspect;
	weir_network_of(client->address, 32, 64, &job->network);
}

static struct weir_check_job *users_check_make_job(struct weir_users *users, struct weir_loop *loop,
        const struct weir_check_client *client, struct weir_span name, struct weir_span password)
{
	const struct user *user = users_find(users, name);
	struct weir_check_job *job = calloc(1, sizeof *job);
	if (!job)
		return NULL;
	job->known = user && !user->locked;
	job->hash = job->known ? user->hash.data : users_check_hash_of_another(users, name);
	job->loop = loop;
	job->users = weir_users_hold(users);
	job->start.run = users_check_start_posted;
	job->state = STARTED;
	weir_list_init(&job->link);
	users_check_set_client(job, client);
	if (password.size)
		memcpy(job->password, password.data, password.size);
	return job;
}

/* Makes room in a full gate. Returns false if no job in it may be displaced. */
static bool users_check_gate_make_room(const struct weir_check_job *job)
{
	if (!job->without_client && users_check_gate_share(job) >= WEIR_CHECKS_NETWORK_MAX)
		return false;
	if (gate.jobs < WEIR_CHECKS_MAX)
		return true;
	struct weir_check_job *victim = users_check_gate_victim(job);
	if (!victim)
		return false;
	gate.jobs--;
	users_check_gate_post(victim, DISPLACED);
	return true;
}

/* Returns 1 if the job may start, 0 if it waits, or WEIR_E_LIMIT. */
static int users_check_enter(struct weir_check_job *job)
{
	int result = WEIR_E_LIMIT;
	pthread_mutex_lock(&gate.lock);
	if (users_check_gate_make_room(job)) {
		gate.jobs++;
		result = gate.running < WEIR_CRYPTS_MAX;
		gate.running += (unsigned)result;
		job->running = result;
		job->state = result ? STARTED : WAITING;
		weir_list_append(result ? &gate.started : &gate.waiting, &job->link);
	}
	pthread_mutex_unlock(&gate.lock);
	return result;
}

/* Whether no user can have this name or password. A NUL would end the password for crypt. */
static bool users_check_impossible(struct weir_span name, struct weir_span password)
{
	return name.size > WEIR_USER_NAME_MAX || password.size > WEIR_PASSWORD_MAX ||
	       (password.size && memchr(password.data, 0, password.size));
}

void weir_users_check_for(struct weir_users *users, struct weir_loop *loop,
        struct weir_check *check, const struct weir_check_client *client, struct weir_span name,
        struct weir_span password, weir_check_done_fn *done)
{
	uint64_t digest[2];
	check->job = NULL;
	check->done = done;
	if (users_check_impossible(name, password)) {
		done(check, -EACCES);
		return;
	}
	users_check_make_digest(users, name, password, digest);
	if (users_check_is_verified(users, digest, weir_loop_now_ms(loop))) {
		done(check, 0);
		return;
	}
	struct weir_check_job *job = users_check_make_job(users, loop, client, name, password);
	if (!job) {
		done(check, -ENOMEM);
		return;
	}
	memcpy(job->digest, digest, sizeof digest);
	job->check = check;
	check->job = job;
	int result = users_check_enter(job);
	if (result == 1) {
		users_check_start(job);
	} else if (result < 0) {
		check->job = NULL;
		users_check_free_job(job);
		done(check, result);
	}
}

void weir_users_check(struct weir_users *users, struct weir_loop *loop, struct weir_check *check,
        struct weir_span name, struct weir_span password, weir_check_done_fn *done)
{
	weir_users_check_for(users, loop, check, NULL, name, password, done);
}

void weir_check_cancel(struct weir_check *check)
{
	struct weir_check_job *job = check->job;
	if (!job)
		return;
	check->job = NULL;
	job->check = NULL;
	pthread_mutex_lock(&gate.lock);
	bool waiting = job->state == WAITING;
	if (waiting) {
		weir_list_remove(&job->link);
		gate.jobs--;
	}
	pthread_mutex_unlock(&gate.lock);
	if (waiting)
		users_check_free_job(job);
}
