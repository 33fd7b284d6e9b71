/*
 * The loop over libuv. The drain runs in a uv_prepare_t, the last thing before the poll; a uv_idle_t keeps the poll from sleeping
 * while work remains, a uv_timer_t ends the sleep when the drain's next moment has come. libuv's timers stand still while the
 * machine is suspended and loop_monotonic_ms() does not; moments of the wall clock have a timerfd, which the kernel also makes
 * readable when the clock is set and after a suspension (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET), so that both run the drain.
 * A second uv_timer_t beats once a second, to see how late it is. Knows nothing of what is drained. Invariants: at most one of the
 * idle handle and the timer is active; the timerfd and the beat always are.
 */
#include "loop.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "memory.h"

enum { BEAT_MS = 1000, LATE_MS = 1000, LATE_BEATS = 5 };

struct loop_signal {
	struct loop_signal *next;
	uv_signal_t handle;
	void (*handler)(void *context, int signum);
	void *context;
};

struct loop {
	uv_loop_t uv;
	uv_prepare_t prepare;
	uv_idle_t idle;
	uv_timer_t timer, beat;
	uint64_t beat_due; /* uv_hrtime: nanoseconds of CLOCK_MONOTONIC, which a suspension does not move */
	unsigned late_beats; /* in a row, to the last */
	struct histogram lag;
	uv_poll_t wall;
	int wall_fd;
	instant_t wake_at; /* as the timerfd has it */
	int64_t (*drain)(void *context);
	void *drain_context;
	struct loop_signal *signals;
};

static void nothing_idle(uv_idle_t *idle)
{
	(void)idle;
}

static void nothing_timer(uv_timer_t *timer)
{
	(void)timer;
}

static void run_drain(uv_prepare_t *prepare)
{
	struct loop *loop = prepare->data;

	if (!loop->drain)
		return;
	int64_t due_ms = loop->drain(loop->drain_context);

	if (due_ms == 0) {
		uv_timer_stop(&loop->timer);
		uv_idle_start(&loop->idle, nothing_idle);
		return;
	}
	uv_idle_stop(&loop->idle);
	if (due_ms < 0) {
		uv_timer_stop(&loop->timer);
		return;
	}
	uv_timer_start(&loop->timer, nothing_timer, (uint64_t)due_ms, 0);
}

/* libuv's set-up calls fail on out of memory or out of descriptors, before there is anything to save. */
static void must(int result)
{
	if (result == 0)
		return;
	fprintf(stderr, "tollgate: event loop: %s\n", uv_strerror(result));
	abort();
}

/* Where nothing is due it waits for the year 2200: it must be armed to hear of the clock being set. */
static void arm(struct loop *loop, instant_t at)
{
	static const instant_t far = 7258118400000;
	instant_t due = at ? at : far;
	const struct itimerspec when = { .it_value = { .tv_sec = due / 1000, .tv_nsec = due % 1000 * 1000000 } };

	loop->wake_at = at;
	must(timerfd_settime(loop->wall_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, NULL) < 0 ? UV_EINVAL : 0);
}

/* Nothing but the wake-up is wanted: the drain follows, and asks for the next moment. */
static void wall_came(uv_poll_t *poll, int status, int events)
{
	struct loop *loop = poll->data;
	uint64_t expirations;
	ssize_t ignored = read(loop->wall_fd, &expirations, sizeof(expirations)); /* ECANCELED: the clock was set */

	(void)status;
	(void)events;
	(void)ignored;
	arm(loop, 0);
}

static void beat_came(uv_timer_t *beat);

static void await_beat(struct loop *loop)
{
	uv_update_time(&loop->uv); /* else this turn of the loop, as far as it has got, would count as the beat's own time */
	loop->beat_due = uv_hrtime() + (uint64_t)BEAT_MS * 1000000;
	must(uv_timer_start(&loop->beat, beat_came, BEAT_MS, 0));
}

static void beat_came(uv_timer_t *beat)
{
	struct loop *loop = beat->data;
	uint64_t now = uv_hrtime();
	/* libuv counts whole milliseconds, and may be early by one. */
	uint64_t late = now > loop->beat_due ? now - loop->beat_due : 0;

	histogram_observe(&loop->lag, (double)late / 1e9);
	loop->late_beats = late > (uint64_t)LATE_MS * 1000000 ? loop->late_beats + 1 : 0;
	await_beat(loop);
}

struct loop *loop_new(void)
{
	struct loop *loop = memory_alloc(sizeof(*loop));

	must(uv_loop_init(&loop->uv));
	must(uv_prepare_init(&loop->uv, &loop->prepare));
	must(uv_idle_init(&loop->uv, &loop->idle));
	must(uv_timer_init(&loop->uv, &loop->timer));
	loop->wall_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	must(loop->wall_fd < 0 ? UV_EMFILE : uv_poll_init(&loop->uv, &loop->wall, loop->wall_fd));
	loop->wall.data = loop;
	arm(loop, 0);
	must(uv_poll_start(&loop->wall, UV_READABLE, wall_came));
	must(uv_timer_init(&loop->uv, &loop->beat));
	loop->beat.data = loop;
	loop->lag.buckets = &buckets_short;
	await_beat(loop);
	loop->prepare.data = loop;
	/* Always active, so that loop_run lasts until loop_stop. */
	must(uv_prepare_start(&loop->prepare, run_drain));
	return loop;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	loop->drain = NULL;
	uv_close((uv_handle_t *)&loop->prepare, NULL);
	uv_close((uv_handle_t *)&loop->idle, NULL);
	uv_close((uv_handle_t *)&loop->timer, NULL);
	uv_close((uv_handle_t *)&loop->beat, NULL);
	uv_close((uv_handle_t *)&loop->wall, NULL);
	for (struct loop_signal *one = loop->signals; one; one = one->next)
		uv_close((uv_handle_t *)&one->handle, NULL);

	/* Close callbacks may close more, so a few rounds; what is then still open was never closed by its owner. */
	for (int rounds = 0; rounds < 16 && uv_loop_alive(&loop->uv); rounds++)
		uv_run(&loop->uv, UV_RUN_NOWAIT);
	int result = uv_loop_close(&loop->uv);

	assert(result == 0);
	(void)result;
	close(loop->wall_fd);
	while (loop->signals) {
		struct loop_signal *one = loop->signals;

		loop->signals = one->next;
		free(one);
	}
	free(loop);
}

void loop_run(struct loop *loop)
{
	uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
	uv_stop(&loop->uv);
}

void loop_on_drain(struct loop *loop, int64_t (*drain)(void *context), void *context)
{
	loop->drain = drain;
	loop->drain_context = context;
}

void loop_wake_at(struct loop *loop, instant_t at)
{
	if (at != loop->wake_at)
		arm(loop, at);
}

static void signal_came(uv_signal_t *handle, int signum)
{
	struct loop_signal *one = handle->data;

	one->handler(one->context, signum);
}

void loop_on_signal(struct loop *loop, int signum, void (*handle)(void *context, int signum), void *context)
{
	struct loop_signal *one = memory_alloc(sizeof(*one));

	one->handler = handle;
	one->context = context;
	one->handle.data = one;
	one->next = loop->signals;
	loop->signals = one;
	must(uv_signal_init(&loop->uv, &one->handle));
	must(uv_signal_start(&one->handle, signal_came, signum));
}

const struct histogram *loop_lag(const struct loop *loop)
{
	return &loop->lag;
}

bool loop_is_sluggish(const struct loop *loop)
{
	return loop->late_beats >= LATE_BEATS;
}

static int64_t clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t loop_monotonic_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME);
}

instant_t loop_now(void)
{
	return clock_ms(CLOCK_REALTIME);
}

struct uv_loop_s *loop_uv(struct loop *loop)
{
	return &loop->uv;
}
