/* LOGIN (draft-murchison-sasl-login): asks for the name, then for the password. */
#include <weir/error.h>

#include "exchange.h"

enum stage {
	BEGIN,
	NAME,
	PASSWORD,
};

static void login_next(struct weir_sasl *sasl, struct weir_span bytes, bool have)
{
	if (!have) {
		sasl->stage = NAME;
		weir_sasl_challenge(sasl, WEIR_SPAN("Username:"));
	} else if (sasl->stage != PASSWORD) {
		sasl->stage = PASSWORD;
		/* A name that cannot be is left empty, which is nobody's. */
		weir_sasl_set_user(sasl, bytes);
		weir_sasl_challenge(sasl, WEIR_SPAN("Password:"));
	} else {
		weir_sasl_check_password(sasl, bytes);
	}
}

const struct sasl_mechanism weir_sasl_login = {"LOGIN", true, login_next};
