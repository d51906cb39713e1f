/*
 * Passive ports that servers on two loops share: each connection comes to the session of its peer.
 */
#include "site.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "allocation.h"
#include "data_connection.h"

enum {
	FIRST = 23880, /* none that the system gives to clients */
	PEERS = 40,
};

/* A loop in a thread of its own, and the server that waits there. */
struct side {
	pthread_t thread;
	struct weir_loop *loop;
	struct weir_ftp_server server;
	atomic_bool stopped;
};

struct waiting {
	struct ftp_wait *wait;
	struct side *side;
	struct weir_task task;
	uint32_t host; /* 127.0.0.0 and this */
	uint16_t port;
	int error;
	atomic_int fd;   /* of the connection that came; -1: none has; or an errno */
	atomic_bool set; /* the loop has carried out the task */
};

static struct weir_ftp_ports *ports;

static struct weir_address loopback(uint32_t host)
{
	struct weir_address address = local_address();
	address.v4.sin_addr.s_addr = htonl(0x7f000000 + host);
	return address;
}

static void on_connection(void *context, int fd, const struct weir_address *from)
{
	struct waiting *waiting = context;
	waiting->wait = NULL;
	if (fd >= 0)
		assert_int_equal(ntohl(from->v4.sin_addr.s_addr), 0x7f000000 + waiting->host);
	atomic_store(&waiting->fd, fd);
}

static void wait_here(struct weir_task *task)
{
	struct waiting *waiting = WEIR_CONTAINER(task, struct waiting, task);
	struct weir_address peer = loopback(waiting->host), local = local_address();
	waiting->error = ftp_passive_wait(
	        &waiting->side->server, &peer, &local, on_connection, waiting, &waiting->wait);
	waiting->port = weir_address_port(&local);
	atomic_store(&waiting->set, true);
}

static void cancel_here(struct weir_task *task)
{
	struct waiting *waiting = WEIR_CONTAINER(task, struct waiting, task);
	ftp_passive_cancel(waiting->wait);
	waiting->wait = NULL;
	atomic_store(&waiting->set, true);
}

static void *run_side(void *context)
{
	struct side *side = context;
	while (!atomic_load(&side->stopped))
		weir_loop_turn(side->loop, 5);
	return NULL;
}

static void start_side(struct side *side)
{
	memset(side, 0, sizeof *side);
	assert_int_equal(weir_loop_create(&side->loop), 0);
	side->server.loop = side->loop;
	side->server.rules.ports = ports;
	weir_list_init(&side->server.passive);
	assert_int_equal(pthread_create(&side->thread, NULL, run_side, side), 0);
}

static void stop_side(struct side *side)
{
	atomic_store(&side->stopped, true);
	pthread_join(side->thread, NULL);
	assert_true(weir_list_empty(&side->server.passive));
	weir_loop_destroy(side->loop);
}

static void carry_out(struct waiting *waiting, void (*run)(struct weir_task *task))
{
	atomic_store(&waiting->set, false);
	waiting->task = (struct weir_task){.run = run};
	weir_loop_post(waiting->side->loop, &waiting->task);
	for (int i = 0; i < 5000 && !atomic_load(&waiting->set); i++)
		sleep_ms(1);
	assert_true(atomic_load(&waiting->set));
}

static void start_waiting(struct waiting *waiting, struct side *side, uint32_t host)
{
	memset(waiting, 0, sizeof *waiting);
	waiting->side = side;
	waiting->host = host;
	atomic_store(&waiting->fd, -1);
	carry_out(waiting, wait_here);
}

static int connect_from(uint32_t host, uint16_t port)
{
	struct weir_address from = loopback(host), to = local_address();
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	to.v4.sin_port = htons(port);
	from.v4.sin_port = 0;
	assert_int_equal(bind(fd, &from.any, sizeof from.v4), 0);
	assert_int_equal(connect(fd, &to.any, sizeof to.v4), 0);
	return fd;
}

static void expect_connection(struct waiting *waiting)
{
	for (int i = 0; i < 5000 && atomic_load(&waiting->fd) == -1; i++)
		sleep_ms(1);
	assert_true(atomic_load(&waiting->fd) >= 0);
	close(atomic_load(&waiting->fd));
}

static void two_loops_share_a_port(void **state)
{
	static struct side sides[2];
	static struct waiting waiting[PEERS];
	int clients[PEERS];
	(void)state;
	assert_int_equal(weir_ftp_ports_create(FIRST, FIRST, &ports), 0);
	for (int i = 0; i < 2; i++)
		start_side(&sides[i]);
	for (int round = 0; round < 5; round++) {
		for (uint32_t i = 0; i < PEERS; i++) {
			start_waiting(&waiting[i], &sides[i % 2], i + 1);
			assert_int_equal(waiting[i].error, 0);
			assert_int_equal(waiting[i].port, FIRST);
		}
		/* A second session of a peer finds no port. */
		struct waiting late;
		start_waiting(&late, &sides[1], 1);
		assert_int_equal(late.error, -EADDRINUSE);
		for (uint32_t i = 0; i < PEERS; i++)
			clients[i] = i % 5 ? connect_from(i + 1, FIRST) : -1;
		for (uint32_t i = 0; i < PEERS; i++) {
			if (clients[i] >= 0)
				expect_connection(&waiting[i]);
			else
				carry_out(&waiting[i], cancel_here);
			if (clients[i] >= 0)
				close(clients[i]);
		}
	}
	for (int i = 0; i < 2; i++)
		stop_side(&sides[i]);
	weir_ftp_ports_release(ports);
}

/* A wait may be cancelled at the moment at which another loop accepts its connection. */
static void cancelled_while_it_connects(void **state)
{
	static struct side sides[2];
	static struct waiting first, second;
	(void)state;
	int before = count_descriptors();
	assert_int_equal(weir_ftp_ports_create(FIRST, FIRST, &ports), 0);
	for (int i = 0; i < 2; i++)
		start_side(&sides[i]);
	for (int round = 0; round < 200; round++) {
		start_waiting(&first, &sides[0], 1);
		start_waiting(&second, &sides[1], 2);
		assert_int_equal(first.error, 0);
		assert_int_equal(second.error, 0);
		int client = connect_from(2, FIRST);
		carry_out(&second, cancel_here);
		close(client);
		if (atomic_load(&second.fd) >= 0)
			close(atomic_load(&second.fd));
		carry_out(&first, cancel_here);
	}
	for (int i = 0; i < 2; i++)
		stop_side(&sides[i]);
	weir_ftp_ports_release(ports);
	assert_int_equal(count_descriptors(), before);
}

/* After a failed allocation nothing is left of the wait. */
static void any_allocation_may_fail(void **state)
{
	struct weir_address peer = loopback(1);
	struct weir_ftp_server single = {.loop = loop};
	struct ftp_wait *wait;
	int error = -ENOMEM;
	(void)state;
	assert_int_equal(weir_ftp_ports_create(FIRST, FIRST, &ports), 0);
	single.rules.ports = ports;
	weir_list_init(&single.passive);
	for (int after = 0; error == -ENOMEM; after++) {
		struct weir_address local = local_address();
		fail_allocation_after(after, false);
		error = ftp_passive_wait(&single, &peer, &local, on_connection, NULL, &wait);
		stop_failing_allocations();
		assert_true(error == 0 || error == -ENOMEM);
		assert_true(error == 0 || weir_list_empty(&single.passive));
	}
	ftp_passive_cancel(wait);
	ftp_passive_cancel(NULL);
	assert_true(weir_list_empty(&single.passive));
	weir_ftp_ports_release(ports);
	weir_ftp_ports_release(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        SCRATCH_TEST(two_loops_share_a_port),
	        SCRATCH_TEST(cancelled_while_it_connects),
	        SCRATCH_TEST(any_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
