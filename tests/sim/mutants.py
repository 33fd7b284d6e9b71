#!/usr/bin/env python3
"""Puts known bugs into a copy of the sources, one by one: the simulator must find each within a minute.

    tests/sim/mutants.py [NAME_PART ...]      make sim-mutants, or ARGS="'tie-break' 'back-off'" for those alone

Before that the sources as they are must be clean, else what is found might be something else.
Each is a file, a text that stands there exactly once, and what it is replaced by; a text that is no longer there is a failure, so the
list cannot rot unseen. What a second guard makes up for is no bug that anybody could find (a leader whose time never ends still has each
write's own end), and is not in the list. Prints a table; exit code 1 if any bug was not found.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECONDS = 60

MUTANTS = [
    ("old owner is not woken", "reconcilers/wake.c",
     "		wake_account_projects(view, sink, old->meta.ns, old->spec.account);\n", "		(void)old;\n"),
    ("account that lost a binding is not woken", "reconcilers/billingaccount.c",
     "	else if (was != is || elsewhere)", "	else if ((!was && is) || elsewhere)"),
    ("timestamps compared the wrong way", "reconcilers/contest.c",
     "a->meta.created > b->meta.created", "a->meta.created < b->meta.created"),
    ("equal timestamps: no tie-break", "reconcilers/contest.c",
     ": strcmp(a->meta.name->text, b->meta.name->text) > 0;", ": false;"),
    ("winner does not wait for the loser", "reconcilers/billingaccountbinding.c",
     " && !others_settled(&in->contest, winner))", " && !winner)"),
    ("UID forgotten on recreation: the successor goes with the old one", "controller/cache.c",
     "	if (record && !compact_has_uid(record, uid))\n		return;", "	if (record && !uid)\n		return;"),
    ("transition time moves with every write", "reconcilers/condition.c", 
     "steady ? before->last_transition : instant_second(now);", "steady && !now ? before->last_transition : instant_second(now);"),
    ("own write not awaited: decides on a stale cache", "controller/cache.c",
     "		await(cache, a, new->resource_version);\n	a->listed[0]", "		a->unseen = true;\n	a->listed[0]"),
    ("awaited version forgotten by the next request", "controller/cache.c",
     "	a->behind = a->flight == AWAITING;\n	cache->awaiting -= a->behind;",
     "	cache->awaiting -= a->flight == AWAITING;\n	a->behind = false;"),
    ("versions seen while writing not noted", "controller/cache.c",
     "		memcpy(a->noted[a->n_noted++], version, strlen(version) + 1);", "		(void)version;"),
    ("list does not delete what it does not name", "controller/cache.c",
     "		else\n			remove_object(cache, kind, number);\n	}\n}", "	}\n}"),
    ("key added while processing is lost", "controller/queue.c", "		item->dirty = true;\n", "		item->dirty = false;\n"),
    ("back-off not cleared on success", "controller/queue.c", "	item->failures = 0;\n", "	item->failures += 0;\n"),
    ("a retry is forgotten", "controller/queue.c",
     "	delay_item(queue, item, add_saturating(now_mono_ms, delay_ms), (enum priority)item->priority);", "	(void)delay_ms;"),
    ("wake_at dropped", "controller/dispatch.c", "	queue_add_at(d->queue, key, outcome.wake_at);\n", ""),
    ("those who wait for a request are not told of its end", "controller/dispatch.c", "	tell_watchers(d, key, err);\n	queue_done", "	(void)tell_watchers;\n	queue_done"),
    ("doubtful object not read", "controller/dispatch.c", "	if (cache_is_doubtful(d->cache, key)) {", "	if (cache_is_doubtful(d->cache, key) && !d->open) {"),
    ("clock set back goes unnoticed", "controller/manager.c", "	sweep_everything(m);\n}\n\nstatic int64_t sooner", "}\n\nstatic int64_t sooner"),
    ("stream resumes from the list, not from the last event", "controller/watch.c",
     "		move_to(w, event->resource_version, now);\n		w->heard = true;", "		w->heard = true;"),
    ("410 taken for a passing failure", "controller/informer.c", "		return FAILURE_EXPIRED;\n	/* storage", "		return FAILURE_PASSING;\n	/* storage"),
    ("version advances past an unreadable event", "controller/informer.c",
     "	if (event_decode(inf->codec, r, text, len, &event, &inf->error) < 0)\n		return -1;",
     "	if (event_decode(inf->codec, r, text, len, &event, &inf->error) < 0)\n		return inf->error = (struct error){ 0 }, 0;"),
    ("deletions not taken in", "controller/informer.c",
     "			cache_delete(inf->cache, object_key(inf->kind, event.record), ((const struct object *)event.record)->uid);",
     "			(void)object_key;"),
    ("lost answer taken for a write that failed", "controller/writer.c",
     "	if (transport) { /* it may have been applied: look before it is repeated */\n		cache_write_lost(w->cache, job->key);",
     "	if (transport) {\n		cache_write_end(w->cache, job->key, NULL);"),
    ("status written without a version", "crds/codec.c",
     '	print_member(&out, "resourceVersion");\n	print_string(&out, meta->resource_version);\n	print_member(&out, "uid");',
     '	print_member(&out, "resourceName");\n	print_string(&out, meta->resource_version);\n	print_member(&out, "uidOf");'),
    ("record foreseen without its status", "crds/written.c",
     "	memcpy((char *)made + resource->status_offset, desired, resource->status->size);", "	(void)desired;"),
    ("finalizer stays while anything is bound", "reconcilers/billingaccount.c",
     "FINALIZER_REMOVE : FINALIZER_KEEP };", "FINALIZER_KEEP : FINALIZER_KEEP };"),
    ("gate does not look at suspension", "reconcilers/gate.c",
     "account_missing,   account_deleting, account_suspended,\n				      account_not_ready,", "account_missing,   account_deleting,\n				     "),
    ("a read that was overtaken is believed", "controller/cache.c",
     "	return (strcmp(a->held, version) == 0 && !a->held_unseen) ||", "	return !version[0] ||"),
    ("body of a write may go out at any time", "controller/elector.c",
     "			in_time.body_until_ms = until;", "			in_time.body_until_ms = until + 100000;"),
    ("another's lease is taken at once", "controller/election.c", 
     "	if (!e->held || released)\n		return e->changed_at;", "	if (!e->held || released || e->exists)\n		return e->changed_at;"),
    ("transition time never moves", "reconcilers/condition.c", "steady ? before->last_transition", "before ? before->last_transition"),
    ("card's expiry is not waited for", "reconcilers/paymentmethod.c",
     "		outcome.wake_at = expires_at(status->details);", "		(void)expires_at;"),
    ("gate does not look at a method that is refused", "reconcilers/gate.c", "method_required,  method_not_usable };", "method_required };"),
    ("namespace's new project is not woken", "reconcilers/projectbilling.c", "new ? new->project : NULL);\n}", "NULL);\n	(void)new;\n}"),
    ("one more write under way than allowed", "controller/writer.c",
     "w->stats.in_flight < w->max_in_flight", "w->stats.in_flight <= w->max_in_flight"),
    ("any version is taken for the known one", "controller/cache.c",
     "	if (!e || !holds(e, version))\n", "	if (!e || !entry_record(e) || !version)\n"),
    ("any answer is taken for a known one", "controller/cache.c",
     "	if (!was_noted(aside(e), version) && !holds(e, version))\n", "	if (!version)\n"),
    ("a list's known objects are not marked as named", "controller/cache.c",
     "	named(&cache->view.stores[key.kind], e);\n	repeated", "	repeated"),
    ("known news does not end the wait", "controller/cache.c",
     "	repeated(cache, e, version);\n	tidy(cache, key.kind, number);\n	return true;", "	tidy(cache, key.kind, number);\n	return true;"),
    ("stream does not move on past known news", "controller/informer.c",
     "	step(inf, &(struct watch_event){ .type = WATCH_EVENT, .resource_version = version });\n	return true;", "	return true;"),
    ("a record is not freed", "controller/cache.c",
     "	if (old)\n		compact_free(cache->codec, k->resource, old);", "	if (old && new)\n		compact_free(cache->codec, k->resource, old);"),
]


def build(folder):
    done = subprocess.run(["make", "-s", "EXTRA_CFLAGS=-Wno-error", "build/release/tests/sim/sim"], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"does not build:\n{done.stdout}{done.stderr}")


def copy(folder):
    for name in ("include", "reconcilers", "crds", "controller", "tests/sim"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("Makefile", "VERSION"):
        shutil.copy2(ROOT / name, folder / name)
    built = ROOT / "build/release"
    for room in ("include", "reconcilers", "crds", "controller", "tests/sim"):
        if (built / room).is_dir():
            shutil.copytree(built / room, folder / "build/release" / room)


def mutate(folder, path, old, new):
    text = (folder / path).read_text()
    if text.count(old) != 1:
        return f"the text to replace stands {text.count(old)} times in {path}"
    (folder / path).write_text(text.replace(old, new))
    return None


def hunt(folder):
    """(property, seed, schedules, seconds) or None."""
    began = time.monotonic()
    try:
        done = subprocess.run([folder / "build/release/tests/sim/sim", "--seeds", "100000000", "--quiet"], capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return None
    took = time.monotonic() - began
    found = re.search(r"found after (\d+) schedules.*\nFAILED seed (\d+): property (\(.\))", done.stdout)
    if found:
        return found[3], int(found[2]), int(found[1]), took
    crashed = re.search(r"^CRASHED seed (\d+)", done.stdout, re.M)
    if crashed:
        return "crash", int(crashed[1]), int(crashed[1]), took
    sys.exit(f"the simulator ended with exit code {done.returncode} and names no seed:\n{done.stdout}{done.stderr}")


def main():
    if any(part.startswith("-") for part in sys.argv[1:]):
        sys.exit(__doc__)
    wanted = [m for m in MUTANTS if not sys.argv[1:] or any(part in m[0] for part in sys.argv[1:])]
    missed = 0
    if not wanted:
        sys.exit("no bug is called that; these are known:\n  " + "\n  ".join(m[0] for m in MUTANTS))
    subprocess.run(["make", "-s", "-j2", "build/release/tests/sim/sim"], cwd=ROOT, check=True)
    if subprocess.run([ROOT / "build/release/tests/sim/sim", "--seeds", "5000", "--quiet"], stdout=subprocess.DEVNULL).returncode:
        sys.exit("the sources as they are already fail: make sim says where")
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        folder = pathlib.Path(scratch)
        copy(folder)
        print(f"{'bug':<56} {'property':<9} {'seed':>7} {'schedules':>9} {'seconds':>8}", flush=True)
        for name, path, old, new in wanted:
            original = (folder / path).read_text()
            wrong = mutate(folder, path, old, new)
            found = None
            if not wrong:
                build(folder)
                found = hunt(folder)
            (folder / path).write_text(original)
            missed += not found
            if found:
                print(f"{name:<56} {found[0]:<9} {found[1]:>7} {found[2]:>9} {found[3]:>8.1f}", flush=True)
            else:
                print(f"{name:<56} {wrong or f'NOT FOUND in {SECONDS} s'}", flush=True)
    print(f"{len(wanted) - missed} of {len(wanted)} bugs found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
