/*
 * The world that one run takes place in: the clocks, the API server, the controllers on their ports, what is under way between them,
 * and what people and misfortune have in mind. Each step picks one of the things that could happen next. All that is random comes
 * from two numbers: the seed says what happens, the order says when; the intents that are carried out can be chosen besides. So the same
 * three give the same run, byte for byte.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdio.h>

#include "apiserver.h"
#include "elector.h"
#include "manager.h"
#include "random.h"

/* One row a fault: X(ID, name). */
#define FAULTS_LIST(X)                                                         \
	X(LOST_BEFORE, "request lost before it was applied")                   \
	X(LOST_AFTER, "answer lost after it was applied")                      \
	X(CUT_ANSWER, "answer cut off in the middle")                          \
	X(TOO_MANY, "429")                                                     \
	X(TOO_MANY_LATER, "429 with Retry-After")                              \
	X(SERVER_ERROR, "500, 503 or 504")                                     \
	X(ERROR_AFTER, "504 after it was applied")                             \
	X(TOO_LARGE, "resource version too large")                             \
	X(UNAUTHORIZED, "401")                                                 \
	X(CONFLICT, "409: somebody writes in between")                         \
	X(STREAM_CUT, "watch cut off")                                         \
	X(STREAM_END, "watch ended early in good order")                       \
	X(STREAM_EXPIRED, "410 as an event within a watch")                    \
	X(STREAM_GARBAGE, "garbage within a watch")                            \
	X(STREAM_TWICE, "event delivered twice")                               \
	X(BLACK_HOLE, "watch that brings nothing any more")                    \
	X(HELD_BACK, "events of a kind held back")                             \
	X(COMPACTED, "window moved: 410 on resuming")                          \
	X(STALE_LIST, "list from a cache that is behind")                      \
	X(SMALL_PAGES, "list in small pages, and 410 between them")            \
	X(OUTAGE, "API server away")                                           \
	X(REFUSED, "RBAC revoked for a while: 403")                            \
	X(NO_KIND, "definition removed and put back: 404")                     \
	X(UNREADABLE, "object that cannot be read")                            \
	X(CRASH, "crash between two steps, restart with an empty cache")       \
	X(PAUSED, "controller stopped for a while, and continued")             \
	X(CLOCK_FORWARD, "wall clock set forward")                             \
	X(CLOCK_BACK, "wall clock set back")

#define X(id, name) FAULT_##id,
enum fault { FAULTS_LIST(X) FAULTS };
#undef X
extern const char *const fault_names[FAULTS];

enum { CALLS_MAX = 64, INTENTS_MAX = 40, CONTROLLERS_MAX = 2, OWN_MAX = 64, PROPERTY_TEXT = 512 };

/* Something that a person or misfortune is about to do. */
struct intent {
	uint16_t at;    /* step; 0 = before the controller starts */
	uint8_t fault;  /* enum fault, or FAULTS: a person acts */
	bool dropped;   /* by the shrinker */
	uint64_t seed;  /* of the details */
};

enum call_state { CALL_FREE = 0, CALL_SENT, CALL_ANSWERED, CALL_STREAM };

struct call {
	enum call_state state;
	uint8_t owner; /* controller */
	struct api_request request;
	struct reply reply;
	struct api_answer answer;
	int retry_after_ms;
	size_t given;          /* bytes of the answer, or of `line` */
	size_t cut_at;         /* the answer is cut off there; SIZE_MAX = it is not */
	const char *line;      /* stream: what is being delivered */
	size_t line_len;
	const char *last_line; /* the event before it, or itself */
	bool dead;             /* stream: nothing comes any more */
	int64_t held_until;    /* stream: nothing before */
	int64_t sent_at, heard_at;
	int timeout_ms, idle_timeout_ms;
	bool stuck;            /* it is not out yet, and its process is stopped */
	int64_t body_until;    /* monotonic: it does not go out after that; 0 = at any time */
	int64_t ends_at;       /* stream: the server hangs up */
};

/* What a controller was told that it wrote. */
struct own_write {
	uint8_t resource;
	const char *ns, *name;
	uint32_t revision;
};

struct controller {
	struct world *world;
	struct port port;
	struct log log;
	struct manager manager;
	struct chance jitter;
	bool up, stirred;     /* stirred: something happened since it was last drained */
	int64_t wakes_at;     /* monotonic, as its last drain asked; INT64_MAX = never */
	struct elector *elector; /* NULL: it is alone, and always leads */
	struct port writers;  /* what goes through the elector */
	char identity[16];    /* "" without an election */
	unsigned lives;
	int64_t elects_at;    /* monotonic: when the elector wants a turn */
	int64_t paused_until; /* it gets no turn and hears nothing before */
	int64_t clock_offset; /* of its wall clock from the server's */
	struct own_write own[OWN_MAX];
	unsigned n_own;
};

struct sim_stats {
	uint64_t schedules, elections, steps, actions, requests, writes, refusals, events, checks, verdicts, verdicts_open;
	uint64_t taken, taken_known, answers_known; /* by informers: objects, and those that they did not decode; answers likewise */
	uint64_t faults[FAULTS];
};

struct world {
	uint64_t seed, order;
	struct chance schedule; /* what comes next */
	struct apiserver server;
	struct controller controllers[CONTROLLERS_MAX];
	unsigned n_controllers;
	struct settings settings;
	struct call calls[CALLS_MAX];
	unsigned n_calls; /* the highest one that has been in use */
	int64_t mono;
	instant_t wall_base; /* the server's wall clock at mono 0 */
	unsigned step;
	struct intent intents[INTENTS_MAX];
	unsigned n_intents, next_intent;
	uint64_t habits;        /* which of the things that people can do they do in this run: bits */
	unsigned armed[FAULTS]; /* waiting for something to strike */
	int64_t outage_until, anything_refused_until, refused_until[RESOURCES], missing_until[RESOURCES];
	bool calm;              /* nothing bad happens any more */
	bool statuses_by_hand;  /* somebody has written phases of bindings */
	bool organizations_moved;
	bool accounts_by_hand;  /* somebody has closed an account that way */
	char broken;            /* the property that does not hold, 'a' ... ; 0 = none */
	char words[PROPERTY_TEXT];
	FILE *trace;            /* NULL = silent */
	struct sim_stats *stats;
	void (*reached)(uint64_t state); /* told of each state of the objects; NULL */
};

void world_init(struct world *, struct sim_stats *);
void world_close(struct world *);
/* Lays out the run of a seed: its intents. `order` 0 is the first of many ways to go through them. */
void world_plan(struct world *, uint64_t seed, uint64_t order);
/* Plays what was planned, to its end or to the first property that does not hold. True: all hold. */
bool world_run(struct world *);

instant_t world_wall(const struct world *, const struct controller *);
/* Nothing is on its way, and nobody has anything to do now. */
bool world_is_idle(const struct world *);
/* A property does not hold: the first one is kept. */
void world_break(struct world *, char property, const char *format, ...) __attribute__((format(printf, 3, 4)));
void world_say(const struct world *, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define world_trace(w, ...) ((w)->trace ? world_say((w), __VA_ARGS__) : (void)0)

/* ---- faults.c ---- */

/* Carries out or arms a fault. */
void fault_strike(struct world *, enum fault, struct chance *);
/* The answer that misfortune gives to a request in the server's place; false: none. */
bool fault_answers(struct world *, struct call *);
/* It was applied, and the answer is an error all the same. */
void fault_hides(struct world *, struct call *);
/* True, and one fewer, if that fault is armed and chance has it strike here. */
bool fault_takes(struct world *, enum fault);
/* Whatever was wrong is put right. */
void faults_end(struct world *);

/* ---- controller.c ---- */

#define LEASE_NAMESPACE "tollgate-system"
#define LEASE_NAME "tollgate"

void controller_start(struct controller *);
/* Its turn: what main.c does when something happened or is due. */
void controller_drain(struct controller *);
bool controller_leads(const struct controller *);
/* Stops between two steps: what it sent may arrive or not, what it knew is gone. */
void controller_crash(struct controller *);

/* ---- users.c ---- */

/* What there is before anybody does anything. */
void users_settle(struct world *, struct chance *);
/* One person does one thing. */
void users_act(struct world *, struct chance *);
/* Objects that cannot be read are repaired. */
void users_repair(struct world *);

/* ---- properties.c ---- */

/* A write of a controller has been judged by the server. */
void property_write(struct world *, const struct controller *, const struct call *);
/* Everything, of a world that is idle. Returns the next moment of the wall clock at which a decision changes; 0 = none. */
instant_t property_rest(struct world *, const struct controller *);

#endif
