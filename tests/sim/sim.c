/*
 * The simulator's command line: runs schedules, counts what they met, and makes the first one that fails as small as it gets. Owns nothing
 * else. Invariant: a run depends on its seed, its order and the chosen intents alone, so what is printed can be played again.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "heap.h"
#include "world.h"

/* ---- the set of states that have been reached; not on the heap that is watched ---- */

static struct {
	uint64_t *at;
	size_t n, room;
} states;

static void states_grow(size_t room)
{
	uint64_t *old = states.at;
	size_t old_room = states.room;

	states.at = mmap(NULL, room * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (states.at == MAP_FAILED)
		abort();
	states.room = room;
	for (size_t i = 0; i < old_room; i++) {
		size_t place = old[i] & (room - 1);

		while (old[i] && states.at[place])
			place = (place + 1) & (room - 1);
		if (old[i])
			states.at[place] = old[i];
	}
	if (old)
		munmap(old, old_room * sizeof(uint64_t));
}

static void reached(uint64_t state)
{
	size_t place;

	state |= !state;
	if (states.n * 2 >= states.room)
		states_grow(states.room ? states.room * 2 : 1 << 16);
	for (place = state & (states.room - 1); states.at[place]; place = (place + 1) & (states.room - 1))
		if (states.at[place] == state)
			return;
	states.at[place] = state;
	states.n++;
}

/* ---- one run ---- */

struct choice {
	uint64_t seed, order;
	uint64_t dropped; /* intents, by bit */
};

struct result {
	char broken;
	char words[PROPERTY_TEXT];
	unsigned n_intents, steps;
};

static struct world world;

/* An assertion of the real code: as good as a property, though nothing can be made smaller after it. */
static void on_abort(int signal)
{
	(void)signal;
	printf("found after 0 schedules, 0.0 s\nFAILED seed %" PRIu64 ": property (h): aborted; replay: --seed %" PRIu64 " --order %" PRIu64 "\n", world.seed,
	       world.seed, world.order);
	fflush(stdout);
	_exit(3);
}

static struct result run(const struct choice *choice, struct sim_stats *stats, FILE *trace)
{
	struct heap_use before = heap_use(), after;
	struct result result;

	world_init(&world, stats);
	world.trace = trace;
	world.reached = reached;
	world_plan(&world, choice->seed, choice->order);
	for (unsigned i = 0; i < world.n_intents; i++)
		world.intents[i].dropped = choice->dropped >> i & 1;
	world_run(&world);
	world_close(&world);
	after = heap_use();
	if (after.blocks != before.blocks)
		world_break(&world, 'h', "%zu blocks, %zu bytes were left behind", after.blocks - before.blocks, after.bytes - before.bytes);
	result = (struct result){ .broken = world.broken, .n_intents = world.n_intents, .steps = world.step };
	memcpy(result.words, world.words, sizeof(result.words));
	return result;
}

/* ---- making it small ---- */

enum { ORDERS_TRIED = 12 };

/* Does the same property fail without those? The order may be another one. */
static bool fails(struct choice *choice, char property, struct sim_stats *stats)
{
	uint64_t first = choice->order;

	for (uint64_t i = 0; i < ORDERS_TRIED; i++) {
		choice->order = i == 0 ? first : i - 1;
		if (run(choice, stats, NULL).broken == property)
			return true;
	}
	choice->order = first;
	return false;
}

/* Delta debugging: leave out ever smaller groups of intents as long as that can be done. */
static void shrink(struct choice *choice, const struct result *result)
{
	struct sim_stats ignored = { 0 };

	for (unsigned size = (result->n_intents + 1) / 2; size > 0;) {
		bool smaller = false;

		for (unsigned from = 0; from < result->n_intents; from += size) {
			struct choice less = *choice;

			less.dropped |= ((1ull << size) - 1) << from;
			if (less.dropped == choice->dropped || !fails(&less, result->broken, &ignored))
				continue;
			*choice = less;
			smaller = true;
		}
		if (!smaller)
			size /= 2;
	}
}

static void report(const char *program, struct choice choice, const struct result *found)
{
	struct sim_stats ignored = { 0 };
	struct result last;
	const char *comma = "";

	printf("\nFAILED seed %" PRIu64 " after %u steps: property (%c): %s\n", choice.seed, found->steps, found->broken, found->words);
	shrink(&choice, found);
	printf("\nas small as it gets:\n");
	fflush(stdout);
	last = run(&choice, &ignored, stdout);
	printf("\nproperty (%c): %s\nreplay: %s --seed %" PRIu64 " --order %" PRIu64 " --only ", last.broken, last.words, program, choice.seed,
	       choice.order);
	for (unsigned i = 0; i < last.n_intents; i++) {
		if (choice.dropped >> i & 1)
			continue;
		printf("%s%u", comma, i);
		comma = ",";
	}
	printf("%s\n", comma[0] ? "" : "none");
}

/* ---- the command line ---- */

/* Of this process: other people's work is not ours. */
static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_statistics(const struct sim_stats *stats, double took)
{
	printf("%" PRIu64 " schedules in %.1f s of one core, %.0f a second, %" PRIu64 " of them with two controllers; %" PRIu64 " steps, %" PRIu64
	       " people's actions\n", stats->schedules, took, (double)stats->schedules / took, stats->elections, stats->steps, stats->actions);
	printf("%" PRIu64 " requests, %" PRIu64 " events, %" PRIu64 " writes of which %" PRIu64 " were refused; %zu distinct states\n",
	       stats->requests, stats->events, stats->writes, stats->refusals, states.n);
	printf("%" PRIu64 " worlds at rest were judged, with %" PRIu64 " verdicts, of which the model leaves %" PRIu64 " open\nfaults:\n",
	       stats->checks, stats->verdicts, stats->verdicts_open);
	for (unsigned i = 0; i < FAULTS; i++)
		printf("%9" PRIu64 "  %s\n", stats->faults[i], fault_names[i]);
}

static uint64_t all_but(char *list)
{
	uint64_t dropped = UINT64_MAX;

	for (char *at; (at = strsep(&list, ",")) != NULL;)
		if (*at >= '0' && *at <= '9')
			dropped &= ~(1ull << (strtoul(at, NULL, 10) & 63));
	return dropped;
}

static int usage(const char *program)
{
	fprintf(stderr,
		"usage: %s [--seeds N] [--from SEED] [--quiet]              run N schedules\n"
		"       %s --seed SEED [--order N] [--only I,J,...|none]  play one again, with all that happens\n",
		program, program);
	return 2;
}

int main(int argc, char **argv)
{
	static struct sim_stats stats;
	struct choice one = { 0 };
	uint64_t from = 1, seeds = 20000;
	bool replay = false, quiet = false;
	double began = seconds();
	static char buffer[1 << 16];

	signal(SIGABRT, on_abort);
	setvbuf(stdout, buffer, _IOLBF, sizeof(buffer)); /* or stdio would take it from the heap that is watched */
	for (int i = 1; i < argc; i++) {
		const char *flag = argv[i];
		char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(flag, "--quiet") == 0) {
			quiet = true;
			continue;
		}
		if (!value)
			return usage(argv[0]);
		i++;
		if (strcmp(flag, "--seeds") == 0)
			seeds = strtoull(value, NULL, 10);
		else if (strcmp(flag, "--from") == 0)
			from = strtoull(value, NULL, 10);
		else if (strcmp(flag, "--seed") == 0)
			one.seed = strtoull(value, NULL, 10), replay = true;
		else if (strcmp(flag, "--order") == 0)
			one.order = strtoull(value, NULL, 10);
		else if (strcmp(flag, "--only") == 0)
			one.dropped = all_but(value);
		else
			return usage(argv[0]);
	}
	if (replay) {
		struct result result = run(&one, &stats, stdout);

		printf(result.broken ? "property (%c): %s\n" : "all properties hold\n", result.broken, result.words);
		return result.broken != 0;
	}
	for (uint64_t seed = from; seed < from + seeds; seed++) {
		struct choice choice = { .seed = seed };
		struct result result = run(&choice, &stats, NULL);

		if (!result.broken)
			continue;
		printf("found after %" PRIu64 " schedules, %.1f s\n", seed - from + 1, seconds() - began);
		if (quiet)
			printf("FAILED seed %" PRIu64 ": property (%c): %s\n", seed, result.broken, result.words);
		else
			report(argv[0], choice, &result);
		return 1;
	}
	print_statistics(&stats, seconds() - began);
	return 0;
}
