/*
 * The worker's thread, and calls to it from the main thread, which wait for their answer.
 * Invariant: the loop lives from worker_create to worker_destroy, so that a task can be posted at
 * any time; a call is made only while the thread runs. The servers are in serving.c.
 */
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>

#include <weir/error.h>

#include "say.h"
#include "worker_state.h"

/* -- the thread -------------------------------------------------------------------------------- */

static void worker_run_ended(struct weir_task *task)
{
	struct worker *worker = WEIR_CONTAINER(task, struct worker, ended_task);
	worker->over = true;
	/* Jobs that were posted while the thread was ending. */
	weir_loop_turn(worker->loop, 0);
	worker->ended(worker->context);
}

static void *worker_run(void *context)
{
	struct worker *worker = context;
	while (!worker->killed && !(worker->stopping && !serving_busy(worker))) {
		int error = weir_loop_turn(worker->loop, -1);
		if (error < 0) {
			say("a worker cannot wait for events any more: %s", weir_error_text(error));
			break;
		}
		serving_reap(worker);
	}
	serving_destroy(worker);
	worker->ended_task.run = worker_run_ended;
	weir_loop_post(worker->main_loop, &worker->ended_task);
	return NULL;
}

static void worker_run_stop(struct weir_task *task)
{
	struct worker *worker = WEIR_CONTAINER(task, struct worker, stop_task);
	worker->stopping = true;
	serving_drain(worker);
}

static void worker_run_kill(struct weir_task *task)
{
	WEIR_CONTAINER(task, struct worker, kill_task)->killed = true;
}

/* -- calls ------------------------------------------------------------------------------------- */

struct call {
	struct weir_task task;
	struct worker *worker;
	const struct server_plan *plan;
	void (*run)(struct call *call);
	int error;
	sem_t done;
};

static void worker_run_call(struct weir_task *task)
{
	struct call *call = WEIR_CONTAINER(task, struct call, task);
	call->run(call);
	sem_post(&call->done);
}

static int worker_make_call(
        struct worker *worker, const struct server_plan *plan, void (*run)(struct call *call))
{
	struct call call = {
	        .task.run = worker_run_call, .worker = worker, .plan = plan, .run = run};
	if (!worker->started) {
		run(&call);
		return call.error;
	}
	sem_init(&call.done, 0, 0);
	weir_loop_post(worker->loop, &call.task);
	while (sem_wait(&call.done) < 0 && errno == EINTR)
		;
	sem_destroy(&call.done);
	return call.error;
}

static void worker_call_prepare(struct call *call)
{
	call->error = serving_prepare(call->worker, call->plan);
}

static void worker_call_commit(struct call *call)
{
	serving_commit(call->worker);
}

static void worker_call_forget(struct call *call)
{
	serving_forget(call->worker);
}

static void worker_call_renew(struct call *call)
{
	serving_renew(call->worker);
}

static void worker_call_retire(struct call *call)
{
	serving_retire(call->worker);
}

static void worker_call_reopen_logs(struct call *call)
{
	serving_reopen_logs(call->worker);
}

int worker_prepare(struct worker *worker, const struct server_plan *plan)
{
	return worker_make_call(worker, plan, worker_call_prepare);
}

void worker_commit(struct worker *worker)
{
	worker_make_call(worker, NULL, worker_call_commit);
}

void worker_forget(struct worker *worker)
{
	worker_make_call(worker, NULL, worker_call_forget);
}

void worker_renew(struct worker *worker)
{
	worker_make_call(worker, NULL, worker_call_renew);
}

void worker_retire(struct worker *worker)
{
	worker_make_call(worker, NULL, worker_call_retire);
}

void worker_reopen_logs(struct worker *worker)
{
	worker_make_call(worker, NULL, worker_call_reopen_logs);
}

/* -- jobs -------------------------------------------------------------------------------------- */

static void worker_job_done(struct weir_task *task)
{
	struct worker_job *job = WEIR_CONTAINER(task, struct worker_job, task);
	job->done(job);
}

static void worker_job_run(struct weir_task *task)
{
	struct worker_job *job = WEIR_CONTAINER(task, struct worker_job, task);
	job->run(job);
	job->task = (struct weir_task){.run = worker_job_done};
	weir_loop_post(job->main_loop, &job->task);
}

void worker_submit(struct worker *worker, struct worker_job *job)
{
	job->worker = worker;
	job->main_loop = worker->main_loop;
	job->task = (struct weir_task){.run = worker_job_run};
	if (worker->over)
		worker_job_run(&job->task);
	else
		weir_loop_post(worker->loop, &job->task);
}

void worker_each_channel(struct worker *worker,
        bool (*visit)(void *context, const struct endpoint *endpoint, struct weir_channel *channel),
        void *context)
{
	serving_each_channel(worker, visit, context);
}

/* -- life -------------------------------------------------------------------------------------- */

int worker_create(struct weir_loop *main_loop, unsigned index, struct weir_database *database,
        void (*ended)(void *context), void *context, struct worker **ret)
{
	struct worker *worker = calloc(1, sizeof *worker);
	if (!worker)
		return -ENOMEM;
	int error = weir_loop_create(&worker->loop);
	if (error < 0) {
		free(worker);
		return error;
	}
	worker->main_loop = main_loop;
	worker->index = index;
	worker->database = database;
	worker->ended = ended;
	worker->context = context;
	worker->stop_task.run = worker_run_stop;
	worker->kill_task.run = worker_run_kill;
	serving_init(worker);
	*ret = worker;
	return 0;
}

struct weir_loop *worker_loop(const struct worker *worker)
{
	return worker->loop;
}

size_t worker_loops(struct worker *const *workers, unsigned count, struct weir_loop *main_loop,
        struct weir_loop **ret)
{
	for (unsigned i = 0; i < count; i++)
		ret[i] = workers[i]->loop;
	ret[count] = main_loop;
	return count + 1;
}

int worker_start(struct worker *worker)
{
	worker->started = true;
	int error = pthread_create(&worker->thread, NULL, worker_run, worker);
	if (error)
		worker->started = false;
	return -error;
}

void worker_stop(struct worker *worker)
{
	weir_loop_post(worker->loop, &worker->stop_task);
}

void worker_kill(struct worker *worker)
{
	weir_loop_post(worker->loop, &worker->kill_task);
}

void worker_destroy(struct worker *worker)
{
	if (!worker)
		return;
	if (worker->started)
		pthread_join(worker->thread, NULL);
	else
		serving_destroy(worker);
	weir_loop_destroy(worker->loop);
	free(worker);
}
