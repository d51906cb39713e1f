/* A period begins with its first complaint; at its end the number of the rest is reported. */
#include "complaints.h"
#include "say.h"

static void complaints_tell_rest(struct complaints *complaints)
{
	if (complaints->suppressed)
		say("%u more %s", complaints->suppressed, complaints->what);
	complaints->reported = complaints->suppressed = 0;
}

static void complaints_on_period(struct weir_timer *timer)
{
	complaints_tell_rest(WEIR_CONTAINER(timer, struct complaints, timer));
}

void complaints_init(struct complaints *complaints, struct weir_loop *loop, const char *what)
{
	*complaints = (struct complaints){.loop = loop, .what = what};
}

bool complaints_allow(struct complaints *complaints)
{
	if (!weir_timer_running(&complaints->timer))
		weir_timer_start(complaints->loop, &complaints->timer, COMPLAINTS_PERIOD_S * 1000,
		        complaints_on_period);
	if (complaints->reported < COMPLAINTS_MAX) {
		complaints->reported++;
		return true;
	}
	complaints->suppressed++;
	return false;
}

void complaints_end(struct complaints *complaints)
{
	weir_timer_stop(&complaints->timer);
	complaints_tell_rest(complaints);
}
