/* Runs a fuzz target once over every file of its corpus: the directory given as argument. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *directory, const char *name)
{
	static uint8_t data[1 << 20];
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	FILE *file = fopen(path, "rb");
	if (!file) {
		perror(path);
		return 1;
	}
	size_t size = fread(data, 1, sizeof data, file);
	fclose(file);
	LLVMFuzzerTestOneInput(data, size);
	return 0;
}

int main(int argc, char **argv)
{
	DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;
	unsigned files = 0;
	if (!directory) {
		fprintf(stderr, "usage: replay CORPUS-DIRECTORY (one that can be read)\n");
		return 2;
	}
	for (struct dirent *entry; (entry = readdir(directory));) {
		if (entry->d_name[0] == '.')
			continue;
		if (replay(argv[1], entry->d_name) != 0)
			return 1;
		files++;
	}
	closedir(directory);
	printf("%u files replayed\n", files);
	return files ? 0 : 1;
}
