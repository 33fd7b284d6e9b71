/*
 * In place of libFuzzer, for any compiler: feeds a target each input that the command line names, and those in folders that it
 * names, and says how many there were. An input lies in memory of its own size, so that a sanitizer sees a read past its end.
 */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fuzz.h"

static size_t fed;

static void feed_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat stat;

	if (!file || fstat(fileno(file), &stat) != 0) {
		perror(path);
		exit(2);
	}
	const size_t size = (size_t)stat.st_size;
	uint8_t *data = malloc(size ? size : 1);

	if (!data || fread(data, 1, size, file) != size) {
		fprintf(stderr, "%s: cannot be read\n", path);
		exit(2);
	}
	fclose(file);
	fprintf(stderr, "%s\n", path); /* the last one is the culprit */
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	fed++;
}

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void feed(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, is_input, alphasort);

	if (n < 0)
		feed_file(path);
	for (int i = 0; i < n; i++) {
		cleanup_free char *name = memory_printf("%s/%s", path, entries[i]->d_name);

		feed_file(name);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		feed(argv[i]);
	printf("%zu inputs\n", fed);
	return fed ? 0 : 2;
}
