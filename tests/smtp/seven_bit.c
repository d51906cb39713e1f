/* Messages for a server that takes 7 bits: which parts are encoded, how, and which cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/limits.h>

#include "allocation.h"
#include "drain.h"
#include "seven_bit.h"

static struct weir_loop *loop;

/* Makes a plan; the message comes one byte at a time, so that a read ends at every offset. */
static int scan(struct weir_span message, struct seven_bit_plan *ret, const char **ret_fault)
{
	struct seven_bit_scan *scan = seven_bit_scan_create();
	if (!scan)
		return -ENOMEM;
	for (size_t i = 0; i < message.size; i++)
		seven_bit_scan_consume(scan, weir_span(message.data + i, 1));
	int error = seven_bit_scan_finish(scan, ret, ret_fault);
	seven_bit_scan_destroy(scan);
	return error;
}

static void check(const char *message, const char *expected)
{
	struct seven_bit_plan plan = {0};
	const char *fault = NULL;
	uint64_t size;
	int error = scan(weir_span_of(message), &plan, &fault);
	if (error < 0)
		fail_msg("%s\n%s", message, fault);
	int fd = file_of(weir_span_of(message));
	for (unsigned seed = 0; seed < 50; seed++) {
		struct drain drained = {.loop = loop, .dice.state = seed};
		const char *wrong = drain(&drained, seven_bit_producer(&plan, fd, strlen(message)));
		if (wrong)
			fail_msg("%s", wrong);
		if (!weir_span_equal(weir_buffer_span(&drained.bytes), weir_span_of(expected)))
			fail_msg("%s\nbecame\n%.*s", message, (int)drained.bytes.size,
			        drained.bytes.data);
		drain_free(&drained);
	}
	assert_int_equal(seven_bit_size(&plan, fd, strlen(message), &size), 0);
	assert_int_equal(size, strlen(expected));
	close(fd);
	seven_bit_plan_free(&plan);
}

static void text_is_quoted(void **state)
{
	(void)state;
	check("A: b\r\n\r\nabc def ghi jkl\xc3\xa4 = \t\r\n-x-\r\n.\r\nz ",
	        "A: b\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	        "abc def ghi jkl=C3=A4 =3D =09\r\n=2Dx-\r\n.\r\nz=20");
	/* Lines of more than 76 characters are broken, and no break makes a boundary. */
	check("MIME-Version: 1.0\r\ncontent-transfer-encoding: 8BIT\r\nB: c\r\n\r\n"
	      "0123456789012345678901234567890123456789012345678901234567890123456789\xe4"
	      "34--b\r\n",
	        "MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\nB: c\r\n\r\n"
	        "0123456789012345678901234567890123456789012345678901234567890123456789=E434=\r\n"
	        "=2D-b\r\n");
}

static void data_is_base64(void **state)
{
	(void)state;
	check("Content-Type: image/x\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n"
	      "\r\n012345678901234567890123456789012345678901234567890123456\xff\r\n",
	        "Content-Type: image/x\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: "
	        "base64\r\n\r\n"
	        "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2\r\n"
	        "/w0K");
}

static void each_part_by_itself(void **state)
{
	(void)state;
	check("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
	      "Content-Transfer-Encoding: 8bit\r\n\r\npre\xe4mble\r\n"
	      "--b\r\nContent-Transfer-Encoding: 8bit\r\n\r\nplain\r\n"
	      "--b\r\n\r\nabcdefghijklm\xe4\r\n"
	      "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: \xe4\r\n\r\nabcdefghijklm\xe4\r\n"
	      "--b--\r\nepilogue\xe4\r\n",
	        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
	        "Content-Transfer-Encoding: 7bit\r\n\r\npre*mble\r\n"
	        "--b\r\nContent-Transfer-Encoding: 7bit\r\n\r\nplain\r\n"
	        "--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nabcdefghijklm=E4\r\n"
	        "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: \xe4\r\nMIME-Version: 1.0\r\n"
	        "Content-Transfer-Encoding: quoted-printable\r\n\r\nabcdefghijklm=E4\r\n"
	        "--b--\r\nepilogue*\r\n");
}

/* Only a header, or 7 bits although the header announces 8. */
static void what_needs_no_encoding_stays(void **state)
{
	(void)state;
	static const char *const messages[] = {"", "x", "\r\n", "A: b\r\n", "A: b\r\n\r\nx\r\n",
	        "Subject: \xe4\r\n\r\nx\r\n", "Content-Transfer-Encoding: 8bit\r\n\r\nx\r\n",
	        "Content-Type: multipart/mixed\r\n\r\n--x\r\n", "no header\r\n"};
	for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
		check(messages[i], messages[i]);
}

/* Bytes that a decoder ignores or copies become 7 bits without encoding the part twice. */
static void what_is_encoded_already_is_repaired(void **state)
{
	(void)state;
	check("Content-Transfer-Encoding: quoted-printable\r\n\r\na=3D\xe4=\r\nb\r\n",
	        "Content-Transfer-Encoding: quoted-printable\r\n\r\na=3D=E4=\r\nb\r\n");
	check("Content-Transfer-Encoding: base64\r\n\r\nSGVs\xe4"
	      "bG8=\r\n",
	        "Content-Transfer-Encoding: base64\r\n\r\nSGVs*bG8=\r\n");
}

static void signed_parts_stay_intact(void **state)
{
	(void)state;
	check("Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n"
	      "Content-Type: multipart/signed; boundary=i\r\n\r\n--i\r\n"
	      "Content-Transfer-Encoding: 8bit\r\n\r\nx\r\n--i--\r\n--o\r\n\r\nabcdefghijkl\xe4",
	        "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n"
	        "Content-Type: multipart/signed; boundary=i\r\n\r\n--i\r\n"
	        "Content-Transfer-Encoding: 8bit\r\n\r\nx\r\n--i--\r\n--o\r\n"
	        "Content-Transfer-Encoding: quoted-printable\r\n\r\nabcdefghijkl=E4");
}

static void what_cannot_be_encoded(void **state)
{
	(void)state;
	static const struct {
		const char *message, *why;
	} cases[] = {
	        {"Content-Type: multipart/signed; boundary=i\r\n\r\n--i\r\n\r\n\xe4\r\n--i--",
	                "signature"},
	        {"Content-Type: multipart/signed; boundary=i\r\n\r\n--i\r\n"
	         "Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\n\xe4\r\n--i--",
	                "signature"},
	        {"Content-Type: multipart/signed; boundary=i\r\n\r\n--i\r\n\r\nx\r\n--i--\r\n\xe4",
	                "signature"},
	        {"Content-Type: message/partial\r\n\r\n\xe4", "may not be encoded"},
	        {"Content-Transfer-Encoding: x-uue\r\n\r\n\xe4", "may not be encoded"},
	        {"Content-Type: multipart/mixed\r\n\r\n\xe4", "malformed"},
	        {"Content-Type: multipart/mixed; boundary*0=a\r\n\r\n\xe4", "malformed"},
	        {"Content-Type: multipart/mixed; boundary=a; boundary=b\r\n\r\n\xe4", "malformed"},
	        {"Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n\xe4", "malformed"},
	        {"Content-Type: multipart/mixed; boundary=never\r\n\r\n\xe4", "malformed"},
	        {"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64"
	         "\r\n\r\n--b\r\n\r\n\xe4\r\n--b--",
	                "malformed"},
	        {"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n\xe4", "malformed"},
	        {"A: b\r\nno field\r\n\r\n\xe4", "malformed"},
	        {"no field\r\n\r\n\xe4", "malformed"},
	        {" no field\r\n\r\n\xe4", "malformed"},
	        {"no field \xe4", "malformed"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct seven_bit_plan plan = {0};
		const char *fault = "";
		int error = scan(weir_span_of(cases[i].message), &plan, &fault);
		if (error != WEIR_E_SYNTAX || !strstr(fault, cases[i].why))
			fail_msg("%s: %s", cases[i].message, fault);
		assert_memory_equal(fault, "554 5.6.3 ", 10);
	}
}

/* -- bounds ------------------------------------------------------------------------------------ */

static struct weir_buffer nested(unsigned depth)
{
	struct weir_buffer text = {0};
	for (unsigned i = 0; i < depth; i++)
		assert_int_equal(weir_buffer_format(&text, SIZE_MAX / 2,
		                         "Content-Type: message/rfc822\r\n\r\n"),
		        0);
	assert_int_equal(weir_buffer_format(&text, SIZE_MAX / 2, "A: b\r\n\r\n\xe4\r\n"), 0);
	return text;
}

static void depth_is_bounded(void **state)
{
	(void)state;
	for (unsigned more = 0; more < 3; more++) {
		struct weir_buffer text = nested(WEIR_SMTP_MIME_DEPTH_MAX - 1 + more);
		struct seven_bit_plan plan = {0};
		const char *fault = "";
		int error = scan(weir_buffer_span(&text), &plan, &fault);
		assert_int_equal(error, more ? WEIR_E_SYNTAX : 0);
		assert_int_equal(strstr(fault, "too many parts") != NULL, more != 0);
		seven_bit_plan_free(&plan);
		weir_buffer_finish(&text);
	}
}

static void parts_are_bounded(void **state)
{
	(void)state;
	for (int more = 0; more < 2; more++) {
		struct weir_buffer text = {0};
		struct seven_bit_plan plan = {0};
		const char *fault = "";
		int error = weir_buffer_format(
		        &text, SIZE_MAX / 2, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
		for (int i = 0; i < WEIR_SMTP_MIME_EDITS_MAX / 2 + more && error == 0; i++)
			error = weir_buffer_format(&text, SIZE_MAX / 2, "--b\r\n\r\n\xe4\r\n");
		assert_int_equal(error, 0);
		error = scan(weir_buffer_span(&text), &plan, &fault);
		assert_int_equal(error, more ? WEIR_E_SYNTAX : 0);
		assert_int_equal(strstr(fault, "too many parts") != NULL, more);
		seven_bit_plan_free(&plan);
		weir_buffer_finish(&text);
	}
}

static void memory_may_fail_anywhere(void **state)
{
	(void)state;
	struct weir_span message = WEIR_SPAN("A: b\r\n\r\nabcdefghi\xe4jkl\r\n");
	bool failed = true;
	for (unsigned good = 0; failed; good++) {
		struct seven_bit_plan plan = {0};
		const char *fault = NULL;
		fail_allocation_after(good, false);
		int error = scan(message, &plan, &fault);
		int fd = file_of(message);
		struct drain drained = {.loop = loop, .room = 100, .pieces = 4};
		struct weir_producer *producer =
		        error ? NULL : seven_bit_producer(&plan, fd, message.size);
		if (producer)
			assert_null(drain(&drained, producer));
		failed = stop_failing_allocations();
		assert_true(error == 0 || (error == -ENOMEM && failed));
		if (!failed)
			assert_int_equal(drained.end, WEIR_DONE);
		close(fd);
		drain_free(&drained);
		seven_bit_plan_free(&plan);
	}
}

/* -- fields ------------------------------------------------------------------------------------ */

static void types(void **state)
{
	(void)state;
	static const struct {
		const char *value;
		enum mime_structure structure;
		const char *boundary; /* NULL: malformed */
	} cases[] = {
	        {" text/plain", MIME_TEXT, ""},
	        {"", MIME_TEXT, ""},
	        {"text", MIME_TEXT, ""},
	        {"application/pdf; name=a b.pdf", MIME_DATA, ""},
	        {" multipart/mixed; boundary=a", MIME_MULTIPART, "a"},
	        {" Multipart/Signed; x=\"a;boundary=b\"; BOUNDARY=\"c d\"", MIME_SIGNED, "c d"},
	        {" multipart/digest (a \\) (b));\r\n\tboundary (c) = (d) \"e\\\"f\" (g)",
	                MIME_DIGEST, "e\"f"},
	        {"multipart/x; boundary=----=_Part/1:2?", MIME_MULTIPART, "----=_Part/1:2?"},
	        {"multipart/x; boundary=a\r\n ;b=c", MIME_MULTIPART, "a"},
	        {"multipart/x; boundary=\"a \"", MIME_MULTIPART, "a"},
	        {"multipart/x; boundary=", MIME_MULTIPART, NULL},
	        {"multipart/x; boundary=a b", MIME_MULTIPART, NULL},
	        {"multipart/x; boundary=\"a", MIME_MULTIPART, NULL},
	        {"multipart/x; boundary=\"a\\\"", MIME_MULTIPART, NULL},
	        {"multipart/x; boundary=\"a\"b", MIME_MULTIPART, NULL},
	        {"multipart/x; boundary=a*", MIME_MULTIPART, NULL},
	        {"multipart/x; boundary=\xe4", MIME_MULTIPART, NULL},
	        {"multipart/x; boundary", MIME_MULTIPART, NULL},
	        {"multipart/x", MIME_MULTIPART, NULL},
	        {"message/RFC822", MIME_MESSAGE, ""},
	        {"message/global", MIME_DATA, ""},
	        {"message/partial; id=x", MIME_UNENCODABLE, ""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct mime_type type;
		mime_type_parse(weir_span_of(cases[i].value), &type);
		assert_int_equal(type.structure, cases[i].structure);
		if (type.malformed != !cases[i].boundary)
			fail_msg("%s", cases[i].value);
		if (cases[i].boundary)
			assert_true(weir_span_equal(weir_span(type.boundary, type.boundary_size),
			        weir_span_of(cases[i].boundary)));
	}
}

static void encodings(void **state)
{
	(void)state;
	assert_int_equal(mime_encoding_parse(WEIR_SPAN("")), MIME_7BIT);
	assert_int_equal(mime_encoding_parse(WEIR_SPAN(" 7bit\r\n")), MIME_7BIT);
	assert_int_equal(mime_encoding_parse(WEIR_SPAN(" 8Bit (x)")), MIME_8BIT);
	assert_int_equal(mime_encoding_parse(WEIR_SPAN("BINARY")), MIME_8BIT);
	assert_int_equal(mime_encoding_parse(WEIR_SPAN("\tbase64")), MIME_BASE64);
	assert_int_equal(mime_encoding_parse(WEIR_SPAN("Quoted-Printable")), MIME_QUOTED_PRINTABLE);
	assert_int_equal(mime_encoding_parse(WEIR_SPAN("8bit x")), MIME_UNKNOWN_ENCODING);
	assert_int_equal(mime_encoding_parse(WEIR_SPAN("x-uue")), MIME_UNKNOWN_ENCODING);
}

static int setup(void **state)
{
	(void)state;
	return weir_loop_create(&loop);
}

static int teardown(void **state)
{
	(void)state;
	weir_loop_destroy(loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(text_is_quoted),
	        cmocka_unit_test(data_is_base64),
	        cmocka_unit_test(each_part_by_itself),
	        cmocka_unit_test(what_needs_no_encoding_stays),
	        cmocka_unit_test(what_is_encoded_already_is_repaired),
	        cmocka_unit_test(signed_parts_stay_intact),
	        cmocka_unit_test(what_cannot_be_encoded),
	        cmocka_unit_test(depth_is_bounded),
	        cmocka_unit_test(parts_are_bounded),
	        cmocka_unit_test(memory_may_fail_anywhere),
	        cmocka_unit_test(types),
	        cmocka_unit_test(encodings),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
