/*
 * One password, checked on the work pool, its answer held back for as long as the guard says.
 *
 * Invariant: of the check and the timer one at most is under way; `done` is the last thing done.
 */
#include <errno.h>
#include <string.h>

#include <weir/loop.h>
#include <weir/sasl.h>

#include "sasl_exchange.h"

static void sasl_login_on_time(struct weir_timer *timer)
{
	struct weir_login *login = WEIR_CONTAINER(timer, struct weir_login, timer);
	login->done(login, login->error);
}

uint32_t sasl_delay(struct weir_guard *guard, const struct weir_address *peer,
        struct weir_span user, const struct weir_loop *loop, int error)
{
	if (!guard || (error && error != -EACCES))
		return 0;
	int64_t now_ms = weir_loop_now_ms(loop);
	return error ? weir_guard_failed(guard, peer, user, now_ms)
	             : weir_guard_passed(guard, peer, user, now_ms);
}

static void sasl_login_on_checked(struct weir_check *check, int error)
{
	struct weir_login *login = WEIR_CONTAINER(check, struct weir_login, check);
	uint32_t delay_ms = sasl_delay(login->guard, &login->peer,
	        weir_span(login->name, login->name_size), login->loop, error);
	login->error = error;
	if (delay_ms)
		weir_timer_start(login->loop, &login->timer, delay_ms, sasl_login_on_time);
	else
		login->done(login, error);
}

void weir_login_check(struct weir_login *login, struct weir_loop *loop,
        const struct weir_sasl_options *options, struct weir_span name, struct weir_span password,
        void (*done)(struct weir_login *login, int error))
{
	struct weir_check_client client = {.address = &login->peer};
	*login = (struct weir_login){
	        .loop = loop, .guard = options->guard, .peer = options->peer, .done = done};
	/* No user has a name that is longer; the guard counts it under its beginning. */
	login->name_size = name.size < sizeof login->name ? name.size : sizeof login->name;
	if (name.size)
		memcpy(login->name, name.data, login->name_size);
	if (options->guard)
		client.suspect = weir_guard_suspects(
		        options->guard, &login->peer, name, weir_loop_now_ms(loop));
	weir_users_check_for(options->users, loop, &login->check, &client, name, password,
	        sasl_login_on_checked);
}

void weir_login_cancel(struct weir_login *login)
{
	weir_check_cancel(&login->check);
	if (weir_timer_running(&login->timer))
		weir_timer_stop(&login->timer);
}
