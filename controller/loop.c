/*
 * The loop over libuv. The drain runs in a uv_prepare_t, the last thing before the poll; a uv_idle_t keeps the poll from sleeping
 * while work remains, a uv_timer_t ends the sleep when the drain's next moment has come. libuv's timers stand still while the
 * machine is suspended and loop_monotonic_ms() does not, so after a suspension the drain runs at the next wake-up, whatever caused
 * it. Knows nothing of what is drained. Invariant: at most one of the idle handle and the timer is active.
 */
#include "loop.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "memory.h"

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
	uv_timer_t timer;
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

struct loop *loop_new(void)
{
	struct loop *loop = memory_alloc(sizeof(*loop));

	must(uv_loop_init(&loop->uv));
	must(uv_prepare_init(&loop->uv, &loop->prepare));
	must(uv_idle_init(&loop->uv, &loop->idle));
	must(uv_timer_init(&loop->uv, &loop->timer));
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
	for (struct loop_signal *one = loop->signals; one; one = one->next)
		uv_close((uv_handle_t *)&one->handle, NULL);

	/* Close callbacks may close more, so a few rounds; what is then still open was never closed by its owner. */
	for (int rounds = 0; rounds < 16 && uv_loop_alive(&loop->uv); rounds++)
		uv_run(&loop->uv, UV_RUN_NOWAIT);
	int result = uv_loop_close(&loop->uv);

	assert(result == 0);
	(void)result;
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
