/*
 * One process of a credential plugin at a time. Owns the process, its pipes and its time limit. Must not know what a credential is, nor why
 * one is wanted. Invariants: a run is over when its process has been reaped and nobody can write into its stdout any more, or has been
 * killed; its memory lives until libuv has let go of all its handles, which may be after the plugin is gone.
 */
#include "plugin.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uv.h>

#include "execcredential.h"
#include "memory.h"

enum {
	SAID_LINE_MAX = 1024, /* of stderr; longer ones are cut into several */
	SAID_MAX = 16 << 10,  /* of stderr a run: a plugin that babbles must not fill the log */
	SAID_LINES_MAX = 20,  /* likewise */
	HINT_MAX = 120,       /* of installHint: the rest of a message must stay */
};

struct run {
	struct plugin *plugin; /* NULL: the plugin is gone, or has heard of the end */
	uv_process_t process;
	uv_pipe_t out, said;
	uv_timer_t timer;
	int open_handles;
	bool spawned, exited, drained; /* the process is there; has ended; stdout is at its end */
	int64_t status;
	int signal;
	char *text; /* stdout so far */
	size_t len;
	char line[SAID_LINE_MAX + 1]; /* of stderr, not yet complete */
	size_t line_len, said_bytes, said_lines;
	char buffer[4096];
	struct error failure; /* class 0 = none */
};

struct plugin {
	struct plugin_config config;
	bool interactive;
	struct run *run; /* NULL: none */
};

/* ---- the end of a run ---- */

static void handle_closed(uv_handle_t *handle)
{
	struct run *run = handle->data;

	if (--run->open_handles)
		return;
	explicit_bzero(run->text, run->len);
	free(run->text);
	free(run);
}

/* Whatever it started goes too. */
static void kill_group(const struct run *run)
{
	kill(-run->process.pid, SIGKILL);
}

static void let_go(struct run *run)
{
	uv_handle_t *const handles[] = { (uv_handle_t *)&run->process, (uv_handle_t *)&run->out, (uv_handle_t *)&run->said,
					 (uv_handle_t *)&run->timer };

	run->plugin->run = NULL;
	run->plugin = NULL;
	for (size_t i = 0; i < sizeof(handles) / sizeof(*handles); i++)
		uv_close(handles[i], handle_closed);
}

static void describe_end(struct run *run)
{
	if (run->failure.class)
		return;
	if (run->signal)
		error_set(&run->failure, ERROR_RETRY, "killed by signal %d", run->signal);
	else if (run->status)
		error_set(&run->failure, ERROR_RETRY, "failed with exit code %d", (int)run->status);
}

static void say_line(struct run *run);

static void end(struct run *run)
{
	struct plugin *plugin = run->plugin;

	say_line(run);
	describe_end(run);
	if (run->failure.class)
		plugin_blame(plugin, &run->failure);
	let_go(run); /* its memory stays until libuv closes the handles, which is not now */
	plugin->config.done(plugin->config.context, run->text, run->len, run->failure.class ? &run->failure : NULL);
}

/* Somebody whom it left behind may hold its stdout; once it has failed that does not matter any more. */
static void end_if_over(struct run *run)
{
	if (!run->spawned || (run->exited && (run->drained || run->failure.class)))
		end(run);
}

/* As long as the process is there, it is waited for: nobody else would reap it. */
static void give_up(struct run *run)
{
	if (run->spawned)
		kill_group(run);
	end_if_over(run);
}

static void process_exited(uv_process_t *process, int64_t status, int signal)
{
	struct run *run = process->data;

	run->exited = true;
	run->status = status;
	run->signal = signal;
	end_if_over(run);
}

static void timer_fired(uv_timer_t *timer)
{
	struct run *run = timer->data;

	if (!run->failure.class)
		error_set(&run->failure, ERROR_RETRY, "did not end within %g s", run->plugin->config.timeout_ms / 1000.0);
	give_up(run);
}

/* ---- what it writes ---- */

static void give_buffer(uv_handle_t *pipe, size_t wanted, uv_buf_t *buffer)
{
	struct run *run = pipe->data;

	(void)wanted;
	*buffer = uv_buf_init(run->buffer, sizeof(run->buffer));
}

static void stdout_read(uv_stream_t *pipe, ssize_t got, const uv_buf_t *buffer)
{
	struct run *run = pipe->data;

	if (got < 0) {
		run->drained = true;
		end_if_over(run);
		return;
	}
	if (run->len + (size_t)got > EXECCREDENTIAL_BYTES_MAX) {
		error_set(&run->failure, ERROR_RETRY, "printed more than %d bytes", EXECCREDENTIAL_BYTES_MAX);
		uv_read_stop(pipe);
		give_up(run);
		return;
	}
	memcpy(run->text + run->len, buffer->base, (size_t)got);
	run->len += (size_t)got;
	explicit_bzero(buffer->base, (size_t)got);
}

static void say_line(struct run *run)
{
	const struct plugin *plugin = run->plugin;

	run->line[run->line_len] = '\0';
	if (run->line_len && ++run->said_lines == SAID_LINES_MAX + 1)
		log_info(plugin->config.log, "credential plugin says more, which is left out", "command", plugin->config.exec->command);
	else if (run->line_len && run->said_lines <= SAID_LINES_MAX)
		log_info(plugin->config.log, "credential plugin says", "command", plugin->config.exec->command, "text", run->line);
	run->line_len = 0;
}

static void take_said(struct run *run, char c)
{
	if (++run->said_bytes > SAID_MAX)
		return;
	if (c == '\n' || run->line_len == SAID_LINE_MAX)
		say_line(run);
	if (c != '\n' && c != '\r')
		run->line[run->line_len++] = c;
	if (run->said_bytes == SAID_MAX)
		say_line(run);
}

static void stderr_read(uv_stream_t *pipe, ssize_t got, const uv_buf_t *buffer)
{
	struct run *run = pipe->data;

	for (ssize_t i = 0; i < got; i++)
		take_said(run, buffer->base[i]);
	if (got < 0)
		uv_read_stop(pipe);
}

/* ---- the beginning ---- */

/* Of one name the last entry counts, as in Go. */
static void set_variable(char **env, char *entry)
{
	size_t len = strcspn(entry, "=") + 1;

	while (*env && strncmp(*env, entry, len) != 0)
		env++;
	*env = entry;
}

/* Ours, the kubeconfig's, and info. Entries are borrowed. */
static char **make_environment(const struct exec_config *exec, char *info)
{
	size_t n = 0, more = 0;

	while (environ[n])
		n++;
	while (exec->env && exec->env[more])
		more++;
	char **env = memory_alloc((n + more + 2) * sizeof(char *));

	memcpy(env, environ, n * sizeof(char *));
	for (size_t i = 0; i < more; i++)
		set_variable(env, exec->env[i]);
	set_variable(env, info);
	return env;
}

static char **make_command(const struct exec_config *exec)
{
	size_t n = 0;

	while (exec->args && exec->args[n])
		n++;
	char **argv = memory_alloc((n + 2) * sizeof(char *));

	argv[0] = exec->command;
	if (n)
		memcpy(argv + 1, exec->args, n * sizeof(char *));
	return argv;
}

static int spawn(struct plugin *plugin, struct run *run, const char *exec_info)
{
	const struct exec_config *exec = plugin->config.exec;
	cleanup_free char *info = memory_printf("KUBERNETES_EXEC_INFO=%s", exec_info);
	cleanup_free char **env = make_environment(exec, info);
	cleanup_free char **argv = make_command(exec);
	uv_stdio_container_t stdio[] = {
		{ .flags = plugin->interactive ? UV_INHERIT_FD : UV_IGNORE, .data.fd = STDIN_FILENO },
		{ .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&run->out },
		{ .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&run->said },
	};
	/* Detached: a session of its own, so that all that it starts can be killed by one number. */
	const uv_process_options_t options = { .exit_cb = process_exited,
					       .file = exec->command,
					       .args = argv,
					       .env = env,
					       .flags = UV_PROCESS_DETACHED,
					       .stdio_count = 3,
					       .stdio = stdio };

	return uv_spawn(loop_uv(plugin->config.loop), &run->process, &options);
}

static struct run *open_run(struct plugin *plugin)
{
	struct run *run = memory_alloc(sizeof(*run));
	uv_loop_t *loop = loop_uv(plugin->config.loop);

	run->plugin = plugin;
	run->text = memory_alloc(EXECCREDENTIAL_BYTES_MAX);
	uv_pipe_init(loop, &run->out, 0);
	uv_pipe_init(loop, &run->said, 0);
	uv_timer_init(loop, &run->timer);
	run->process.data = run->out.data = run->said.data = run->timer.data = run;
	run->open_handles = 4;
	return run;
}

void plugin_run(struct plugin *plugin, const char *exec_info)
{
	assert(!plugin->run);
	struct run *run = plugin->run = open_run(plugin);
	int result = spawn(plugin, run, exec_info);

	run->process.data = run; /* also when it could not be started: the handle wants to be closed all the same */
	uv_update_time(loop_uv(plugin->config.loop));
	if (result < 0) {
		error_set(&run->failure, ERROR_RETRY, "cannot be run: %s", result == UV_ENOENT ? "executable not found" : uv_strerror(result));
		uv_timer_start(&run->timer, timer_fired, 0, 0);
		return;
	}
	run->spawned = true;
	uv_timer_start(&run->timer, timer_fired, (uint64_t)plugin->config.timeout_ms, 0);
	uv_read_start((uv_stream_t *)&run->out, give_buffer, stdout_read);
	uv_read_start((uv_stream_t *)&run->said, give_buffer, stderr_read);
}

bool plugin_runs(const struct plugin *plugin)
{
	return plugin->run;
}

bool plugin_interactive(const struct plugin *plugin)
{
	return plugin->interactive;
}

int plugin_blame(const struct plugin *plugin, struct error *err)
{
	const char *hint = plugin->config.exec->install_hint;
	struct error what = *err;

	return error_set(err, ERROR_RETRY, "exec plugin %s: %s%s%.*s", plugin->config.exec->command, what.message, hint ? ": " : "", HINT_MAX,
			 hint ? hint : "");
}

struct plugin *plugin_new(const struct plugin_config *config, struct error *err)
{
	const bool terminal = isatty(STDIN_FILENO);

	if (config->exec->interactive == INTERACTIVE_ALWAYS && !terminal) {
		error_set(err, ERROR_INVALID, "exec plugin %s: interactiveMode is Always, but standard input is not a terminal",
			  config->exec->command);
		return NULL;
	}
	struct plugin *plugin = memory_alloc(sizeof(*plugin));

	plugin->config = *config;
	plugin->interactive = terminal && config->exec->interactive != INTERACTIVE_NEVER;
	return plugin;
}

void plugin_free(struct plugin *plugin)
{
	if (!plugin)
		return;
	if (plugin->run) {
		if (plugin->run->spawned)
			kill_group(plugin->run);
		if (plugin->run->spawned && !plugin->run->exited)
			waitpid(plugin->run->process.pid, NULL, 0); /* it is dead already */
		let_go(plugin->run);
	}
	free(plugin);
}
