/* A directory over HTTP. Try it: ./static_http . 127.0.0.1:7001 & curl http://127.0.0.1:7001/ */
#include <errno.h>
#include <stdio.h>

#include <weir/error.h>
#include <weir/http.h>
#include <weir/http_files.h>
#include <weir/loop.h>
#include <weir/tree.h>

static int serve(struct weir_loop *loop, const char *root, const char *address)
{
	struct weir_tree *tree;
	struct weir_http_server *server;
	struct weir_http_options options;
	struct weir_http_files_options files;
	weir_http_options_init(&options);
	weir_http_files_options_init(&files);
	int error = weir_address_parse(weir_span_of(address), &options.listener.address);
	if (error == 0)
		error = weir_tree_open(loop, root, NULL, &tree);
	if (error)
		return error;
	/* Each takes what it is given, and passes on a NULL: one check at the end is enough. */
	options.sites = weir_http_sites_create(weir_http_files_create(tree, &files));
	return options.sites ? weir_http_create(loop, &options, &server) : -ENOMEM;
}

int main(int count, char **arguments)
{
	const char *root = count > 1 ? arguments[1] : ".";
	const char *address = count > 2 ? arguments[2] : "127.0.0.1:7001";
	struct weir_loop *loop;
	int error = weir_loop_create(&loop);
	if (error == 0)
		error = serve(loop, root, address);
	if (error) {
		fprintf(stderr, "static_http: cannot serve %s on %s: %s\n", root, address,
		        weir_error_text(error));
		return 1;
	}
	printf("static_http: %s on http://%s/\n", root, address);
	fflush(stdout);
	return weir_loop_run(loop) < 0;
}
