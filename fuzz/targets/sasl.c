/* A SASL exchange: a mechanism, then lines. No login succeeds. */
#include <stdlib.h>

#include <weir/sasl.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool going;

static void on_step(void *context, const struct weir_sasl_step *step)
{
	(void)context;
	going = step->outcome == WEIR_SASL_CHALLENGE;
	if (step->outcome == WEIR_SASL_DONE)
		abort();
}

static struct weir_users *make_users(void)
{
	static const char text[] = "al:!$5$rounds=1000$salt$x:\n"
	                           "bob:abJnggxhB/yWI:scram=SCRAM-SHA-256$4096:c2FsdA==$"
	                           "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
	                           "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=\n";
	struct weir_users *users;
	if (weir_users_parse(weir_span_of(text), NULL, NULL, &users) < 0)
		abort();
	return users;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct weir_loop *loop;
	static struct weir_users *users;
	if (!loop && weir_loop_create(&loop) < 0)
		abort();
	if (!users)
		users = make_users();
	struct weir_sasl_options options;
	weir_sasl_options_init(&options);
	options.users = users;
	options.secure = true;
	struct weir_span rest = weir_span(data, size), mechanism, line;
	struct weir_sasl *sasl;
	if (weir_sasl_create(loop, &options, on_step, NULL, &sasl) < 0)
		abort();
	weir_span_cut(&rest, '\n', &mechanism);
	bool initial = weir_span_cut(&mechanism, ' ', &line);
	going = false;
	weir_sasl_start(sasl, line, initial ? mechanism : weir_span(NULL, 0));
	while (going && rest.size) {
		weir_span_cut(&rest, '\n', &line);
		going = false; /* the answer comes later: the client disconnects before */
		weir_sasl_next(sasl, line);
	}
	weir_sasl_destroy(sasl);
	for (int i = 0; i < 3; i++)
		weir_loop_turn(loop, 0);
	return 0;
}
