/*
 * The simulator's command line: runs schedules, counts what they met, and makes the first one that fails as small as it gets. Owns nothing
 * else. Invariant: a run depends on its seed, its order and the chosen intents alone, so what is printed can be played again.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
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

static const char *program = "sim";
static struct choice playing; /* for on_signal() */

static void print_replay(const struct choice *choice, unsigned n_intents)
{
	const char *comma = "";

	printf("replay: %s --seed %" PRIu64 " --order %" PRIu64, program, choice->seed, choice->order);
	if (!choice->dropped) {
		printf("\n");
		return;
	}
	printf(" --only ");
	for (unsigned i = 0; i < n_intents; i++) {
		if (choice->dropped >> i & 1)
			continue;
		printf("%s%u", comma, i);
		comma = ",";
	}
	printf("%s\n", comma[0] ? "" : "none");
}

/* The real code itself gave up, or does not come back: as good as a property, though nothing can be made smaller after it. */
static void on_signal(int signal)
{
	printf("\nCRASHED seed %" PRIu64 " at step %u: %s\nnot made smaller; ", playing.seed, world.step,
	       signal == SIGVTALRM ? "one schedule took more than 30 s of CPU" : strsignal(signal));
	print_replay(&playing, world.n_intents);
	fflush(stdout);
	_exit(3);
}

static struct result run(const struct choice *choice, struct sim_stats *stats, FILE *trace)
{
	struct heap_use before = heap_use(), after;
	struct result result;

	playing = *choice;
	setitimer(ITIMER_VIRTUAL, &(struct itimerval){ .it_value.tv_sec = 30 }, NULL);
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

static void report(struct choice choice, const struct result *found)
{
	struct sim_stats ignored = { 0 };
	struct result last;

	printf("\nFAILED seed %" PRIu64 " after %u steps: property (%c): %s\n", choice.seed, found->steps, found->broken, found->words);
	shrink(&choice, found);
	printf("\nas small as it gets:\n");
	fflush(stdout);
	last = run(&choice, &ignored, stdout);
	printf("\nproperty (%c): %s\n", last.broken, last.words);
	print_replay(&choice, last.n_intents);
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
	printf("%" PRIu64 " objects came in lists and events, %" PRIu64 " of them known already, as were %" PRIu64 " answers\n", stats->taken,
	       stats->taken_known, stats->answers_known);
	printf("%" PRIu64 " worlds at rest were judged, with %" PRIu64 " verdicts, of which the model leaves %" PRIu64 " open\nfaults that struck, by kind:\n",
	       stats->checks, stats->verdicts, stats->verdicts_open);
	for (unsigned i = 0; i < FAULTS; i++)
		printf("%9" PRIu64 "  %s\n", stats->faults[i], fault_names[i]);
}

static bool number(const char *text, uint64_t *to)
{
	char *end;

	errno = 0;
	*to = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno;
}

/* The intents that are not in the list, by bit; false if it is no list of places. */
static bool all_but(char *list, uint64_t *dropped)
{
	uint64_t place;

	*dropped = UINT64_MAX;
	if (strcmp(list, "none") == 0)
		return true;
	for (char *at; (at = strsep(&list, ",")) != NULL; *dropped &= ~(1ull << place))
		if (!number(at, &place) || place >= INTENTS_MAX)
			return false;
	return true;
}

static int usage(FILE *to, const char *wrong)
{
	if (wrong)
		fprintf(to, "%s: %s cannot be used: see below\n", program, wrong);
	fprintf(to,
		"usage: %s [--seeds N] [--from SEED] [--quiet]\n"
		"       %s --seed SEED [--order N] [--only I,J,...|none]\n"
		"\n"
		"Runs the controller's own code in simulated worlds, and holds what comes of them to nine properties.\n"
		"\n"
		"  --seeds N    so many schedules (20000), each of another seed; stops at the first that fails, and makes it smaller\n"
		"  --from SEED  the first of them (1)\n"
		"  --quiet      a failure in two lines, as it was found\n"
		"  --seed SEED  one schedule, with all that happens: step, simulated seconds, what\n"
		"  --order N    the same events in another order (0)\n"
		"  --only LIST  only these of its events: what people do, and what goes wrong\n"
		"\n"
		"exit code: 0 all properties hold, 1 one does not, 2 the command line is wrong, 3 the code crashed or does not end\n"
		"properties:\n"
		"  (a) at most one binding of a project is Active, and it is the right one\n"
		"  (b) at rest every object is as its reconciler says of the final world\n"
		"  (c) at rest nothing is written, and no write changes nothing\n"
		"  (d) no write is a non-leader's, unguarded, or based on a version older than one's own last write\n"
		"  (e) whatever is due happens in bounded time\n"
		"  (f) no finalizer stays on an object that may go, none goes before that\n"
		"  (g) deploy label and ProjectBilling say what the model of the rules says\n"
		"  (h) memory returns to what it was\n"
		"  (i) a condition's transition time moves when its status does and not else; what was observed is the generation that there is\n",
		program, program);
	return to == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
#if defined __SANITIZE_ADDRESS__ /* which reports what it knows first, and then aborts */
	static const int fatal[] = { SIGABRT, SIGVTALRM };
#else
	static const int fatal[] = { SIGABRT, SIGVTALRM, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
#endif
	static struct sim_stats stats;
	struct choice one = { 0 };
	uint64_t from = 1, seeds = 20000;
	bool replay = false, quiet = false;
	double began = seconds();
	static char buffer[1 << 16];

	program = argv[0];
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		signal(fatal[i], on_signal);
	setvbuf(stdout, buffer, _IOLBF, sizeof(buffer)); /* or stdio would take it from the heap that is watched */
	for (int i = 1; i < argc; i++) {
		const char *flag = argv[i];
		char *value = i + 1 < argc ? argv[i + 1] : NULL;
		bool good = value != NULL;

		if (strcmp(flag, "--help") == 0)
			return usage(stdout, NULL);
		if (strcmp(flag, "--quiet") == 0) {
			quiet = true;
			continue;
		}
		i++;
		if (good && strcmp(flag, "--seeds") == 0)
			good = number(value, &seeds) && seeds > 0;
		else if (good && strcmp(flag, "--from") == 0)
			good = number(value, &from);
		else if (good && strcmp(flag, "--seed") == 0)
			good = replay = number(value, &one.seed);
		else if (good && strcmp(flag, "--order") == 0)
			good = number(value, &one.order);
		else if (good && strcmp(flag, "--only") == 0)
			good = all_but(value, &one.dropped);
		else
			good = false;
		if (!good)
			return usage(stderr, flag);
	}
	if (seeds > UINT64_MAX - from)
		return usage(stderr, "--from");
	if ((one.dropped || one.order) && !replay)
		return usage(stderr, "--order or --only without --seed");
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
			report(choice, &result);
		return 1;
	}
	print_statistics(&stats, seconds() - began);
	printf("all nine properties held, seeds %" PRIu64 " to %" PRIu64 "\n", from, from + seeds - 1);
	return 0;
}
