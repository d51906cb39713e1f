/*
 * The restart of a server process that has crashed. It gets the table of the one before, so that a
 * mistake that was made in a file since then does no harm.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "helper.h"
#include "master_state.h"
#include "notify.h"
#include "say.h"

enum {
	RESTART_FIRST_MS = 100, /* the pause before the second restart; it doubles from there */
	RESTART_MOST_MS = 10 * 1000,
	RAN_LONG_MS = 60 * 1000, /* a crash after that counts as the first */
};

static void restart_on_time(struct weir_timer *timer)
{
	struct master *master = WEIR_CONTAINER(timer, struct master, restart.timer);
	struct master_restart *restart = &master->restart;
	if (change_start_process(master, restart->user, restart->table, &master->server) < 0) {
		weir_timer_start(master->loop, timer, RESTART_MOST_MS, restart_on_time);
		return;
	}
	restart->table = NULL;
	/* The console may have changed it since the configuration was read. */
	process_send_log_level(master->server);
}

static uint32_t restart_delay(struct master *master, const struct process *process)
{
	if (weir_loop_now_ms(master->loop) - process->started_ms > RAN_LONG_MS)
		master->restart.crashes = 0;
	unsigned crashes = master->restart.crashes++;
	if (crashes == 0)
		return 0;
	uint32_t delay_ms = (uint32_t)RESTART_FIRST_MS << min_of(crashes - 1, 7u);
	return min_of(delay_ms, (uint32_t)RESTART_MOST_MS);
}

static void restart_report(const struct process *process, int status, uint32_t delay_ms)
{
	char how[64];
	if (WIFSIGNALED(status))
		snprintf(how, sizeof how, "was killed by signal %d (%s)", WTERMSIG(status),
		        strsignal(WTERMSIG(status)));
	else
		snprintf(how, sizeof how, "has ended with status %d", WEXITSTATUS(status));
	say("the server process %d %s; another one starts in %u ms", (int)process->pid, how,
	        delay_ms);
}

void restart_schedule(struct master *master, struct process *process, int status)
{
	struct master_restart *restart = &master->restart;
	uint32_t delay_ms = restart_delay(master, process);
	restart_report(process, status, delay_ms);
	notify_status("The server process has ended, and is started again");
	restart_finish(master);
	restart->table = process->table;
	process->table = NULL;
	restart->user = process->user;
	process->user = NULL;
	grants_revoke(restart->table, GRANT_BANNER);
	if (!master->old)
		grants_revoke(restart->table, GRANT_SUCCESSOR);
	if (delay_ms)
		weir_timer_start(master->loop, &restart->timer, delay_ms, restart_on_time);
	else
		restart_on_time(&restart->timer);
}

void restart_finish(struct master *master)
{
	weir_timer_stop(&master->restart.timer);
	grants_destroy(master->restart.table);
	free(master->restart.user);
	master->restart.table = NULL;
	master->restart.user = NULL;
}
