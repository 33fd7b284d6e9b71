/*
 * certs.c: each rule as a row, and the promise behind them over simulated time: replicas that read late and whose clocks differ, and
 * clients that still have an old bundle; nobody is ever refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "certs.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW ((instant_t)1795428380000)
#define HOUR ((int64_t)3600 * 1000)
#define SECOND ((int64_t)1000)

/* ---- the rules ---- */

/* Leaves of 12 h: overlap and clocks at their most, five minutes and one; so a wait of 361 s. CAs of 48 h, renewed at 32 h; a leaf at 8 h. */
#define LEAF (12 * HOUR)
#define WAIT (361 * SECOND)
#define BACK (60 * SECOND)

struct row {
	const char *rule;
	int64_t ca_ages[CERTS_CAS_MAX + 1]; /* since notBefore; 0 ends the list */
	bool keyless;
	int leaf_ca; /* from 1; 0 = no leaf */
	int64_t leaf_age;
	bool misnamed;
	bool new_ca, new_leaf;
	const char *drops; /* one character a CA: x = out */
	int64_t next;      /* from now; 0 = not asked */
};

#define BETWEEN (12 * HOUR + BACK) /* an age at which nothing is due */

static const struct row rows[] = {
	{ "nothing makes everything", { 0 }, .new_ca = true, .new_leaf = true },
	{ "all well waits for the leaf's renewal", { BETWEEN }, .leaf_ca = 1, .leaf_age = 2 * HOUR, .next = 6 * HOUR },
	{ "a leaf is renewed at two thirds", { BETWEEN }, .leaf_ca = 1, .leaf_age = 8 * HOUR, .new_leaf = true },
	{ "and not before", { BETWEEN }, .leaf_ca = 1, .leaf_age = 8 * HOUR - SECOND, .next = SECOND },
	{ "a CA is renewed at two thirds, alone", { 32 * HOUR }, .leaf_ca = 1, .leaf_age = HOUR, .new_ca = true },
	{ "and not before", { 32 * HOUR - SECOND }, .leaf_ca = 1, .leaf_age = HOUR, .next = SECOND },
	{ "a new CA signs nothing before its wait is over", { BACK + WAIT - SECOND, 32 * HOUR }, .leaf_ca = 2, .leaf_age = 8 * HOUR + WAIT,
	  .next = SECOND },
	{ "then it does", { BACK + WAIT, 32 * HOUR }, .leaf_ca = 2, .leaf_age = HOUR, .new_leaf = true },
	{ "the old CA stays for a wait after its last leaf", { HOUR, 33 * HOUR }, .leaf_ca = 1, .leaf_age = BACK + WAIT - SECOND, .next = SECOND },
	{ "then it goes", { HOUR, 33 * HOUR }, .leaf_ca = 1, .leaf_age = BACK + WAIT, .drops = "-x" },
	{ "all older ones go with it", { HOUR, 33 * HOUR, 34 * HOUR }, .leaf_ca = 1, .leaf_age = BACK + WAIT, .drops = "-xx" },
	{ "a CA whose time is over goes, wherever it stands", { HOUR, 48 * HOUR }, .leaf_ca = 1, .leaf_age = BACK, .drops = "-x" },
	{ "the only CA's time is over", { 48 * HOUR }, .leaf_ca = 1, .leaf_age = HOUR, .new_ca = true, .new_leaf = true, .drops = "x" },
	{ "the leaf's time is over", { BETWEEN }, .leaf_ca = 1, .leaf_age = 12 * HOUR, .new_leaf = true },
	{ "no leaf is nothing to wait for", { BACK, 32 * HOUR }, .new_leaf = true },
	{ "a leaf with wrong names is none", { BETWEEN }, .leaf_ca = 1, .leaf_age = HOUR, .misnamed = true, .new_leaf = true },
	{ "a lost key makes a CA and spares the leaf", { BETWEEN }, .keyless = true, .leaf_ca = 1, .leaf_age = HOUR, .new_ca = true },
	{ "a lost key without a leaf makes both", { BETWEEN }, .keyless = true, .new_ca = true, .new_leaf = true },
	{ "times that a fast clock wrote are borne", { -WAIT }, .leaf_ca = 1, .leaf_age = -WAIT },
	{ "times that are wrong are not", { -WAIT - SECOND }, .leaf_ca = 1, .leaf_age = -WAIT - SECOND, .new_ca = true, .new_leaf = true },
	{ "a full bundle makes room", { 32 * HOUR, 33 * HOUR, 34 * HOUR, 35 * HOUR }, .leaf_ca = 2, .leaf_age = HOUR, .new_ca = true,
	  .new_leaf = false, .drops = "---x" },
	{ "but not where the leaf hangs", { 32 * HOUR, 33 * HOUR, 34 * HOUR, 35 * HOUR }, .leaf_ca = 4, .leaf_age = HOUR, .new_ca = true,
	  .drops = "--x-" },
};

static struct certs certs_of(const struct row *row)
{
	struct certs certs = { .keyed = !row->keyless, .leaf_ca = row->leaf_ca - 1, .leaf_named = !row->misnamed };

	for (; row->ca_ages[certs.n_cas]; certs.n_cas++)
		certs.cas[certs.n_cas] =
			(struct cert_span){ .from = NOW - row->ca_ages[certs.n_cas], .until = NOW - row->ca_ages[certs.n_cas] + 4 * LEAF };
	certs.leaf = (struct cert_span){ .from = NOW - row->leaf_age, .until = NOW - row->leaf_age + LEAF };
	return certs;
}

static void each_rule(void **state)
{
	const struct certs_times times = certs_times_of(LEAF);

	(void)state;
	assert_int_equal(times.back_ms, BACK);
	assert_int_equal(times.wait_ms, WAIT);
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct row *row = &rows[i];
		const struct certs certs = certs_of(row);
		const struct certs_step step = certs_decide(&certs, &times, NOW);
		char drops[CERTS_CAS_MAX + 1] = "";

		for (size_t c = 0; c < certs.n_cas; c++)
			drops[c] = step.drop[c] ? 'x' : '-';
		if (step.new_ca != row->new_ca || step.new_leaf != row->new_leaf ||
		    (row->drops ? strcmp(drops, row->drops) != 0 : strchr(drops, 'x') != NULL))
			fail_msg("%s: new CA %d, new leaf %d, drops %s", row->rule, step.new_ca, step.new_leaf, drops);
		if (certs_step_any(&step) != (row->new_ca || row->new_leaf || row->drops))
			fail_msg("%s: is that a step?", row->rule);
		if (row->next && step.next - NOW != row->next)
			fail_msg("%s: asks again after %lld ms", row->rule, (long long)(step.next - NOW));
		if (!certs_step_any(&step) && step.next <= NOW)
			fail_msg("%s: nothing to do, and asks again at once", row->rule);
	}
}

static void times_follow_from_the_leafs_life(void **state)
{
	const struct certs_times quick = certs_times_of(30 * SECOND), slow = certs_times_of(90 * 24 * HOUR);
	const struct cert_span span = certs_span(&quick, quick.leaf_ms, NOW + 700);

	(void)state;
	assert_int_equal(quick.ca_ms, 120 * SECOND);
	assert_int_equal(quick.overlap_ms, 2500);
	assert_int_equal(quick.back_ms, 1500);
	assert_int_equal(slow.overlap_ms, 300 * SECOND);
	assert_int_equal(slow.back_ms, 60 * SECOND);
	assert_int_equal(span.from, NOW - SECOND);
	assert_int_equal(span.until, NOW + 29 * SECOND);
}

/* ---- the promise ---- */

enum { REPLICAS_MAX = 4, STEP_MS = 100, HISTORY = 64 };

/* A CA in the story: when it was in the bundle, by the one true clock. */
struct ca {
	struct cert_span span;
	int64_t joined, left; /* left 0: not yet */
};

struct leaf {
	int ca; /* in the story; -1 = none */
	struct cert_span span;
};

struct secret {
	int cas[CERTS_CAS_MAX];
	size_t n_cas;
	struct leaf leaf;
	unsigned version;
};

struct replica {
	int64_t skew, reads_at, writes_at;
	bool writes;
	unsigned read_version;
	struct certs_step step;
	struct leaf serves;
	instant_t decided_at; /* on its own clock */
};

struct story {
	struct certs_times times;
	int64_t late; /* how late readers and clients may be */
	int64_t write_ms; /* and how long a write may take */
	uint64_t dice;
	int64_t t;
	struct ca cas[HISTORY];
	int n_cas;
	struct secret secret;
	struct replica replicas[REPLICAS_MAX];
	unsigned n_replicas, leaves, most_cas;
};

static int64_t roll(struct story *s, int64_t below)
{
	s->dice ^= s->dice << 13;
	s->dice ^= s->dice >> 7;
	s->dice ^= s->dice << 17;
	return (int64_t)(s->dice % (uint64_t)below);
}

static struct certs seen(const struct story *s)
{
	struct certs certs = { .n_cas = s->secret.n_cas, .keyed = s->secret.n_cas, .leaf_ca = -1, .leaf_named = true, .leaf = s->secret.leaf.span };

	for (size_t i = 0; i < s->secret.n_cas; i++) {
		certs.cas[i] = s->cas[s->secret.cas[i]].span;
		if (s->secret.cas[i] == s->secret.leaf.ca)
			certs.leaf_ca = (int)i;
	}
	return certs;
}

static void replica_reads(struct story *s, struct replica *r)
{
	const struct certs certs = seen(s);

	r->serves = s->secret.leaf;
	r->decided_at = s->t + r->skew;
	r->step = certs_decide(&certs, &s->times, r->decided_at);
	r->writes = certs_step_any(&r->step);
	r->writes_at = s->t + roll(s, s->write_ms);
	r->read_version = s->secret.version;
	r->reads_at = s->t + 1 + roll(s, s->late);
}

static void replica_writes(struct story *s, struct replica *r)
{
	struct secret next = { .leaf = s->secret.leaf, .version = s->secret.version + 1 };

	r->writes = false;
	if (r->read_version != s->secret.version)
		return; /* a conflict */
	if (r->step.new_ca) {
		assert_true(s->n_cas < HISTORY);
		s->cas[s->n_cas] = (struct ca){ .span = certs_span(&s->times, s->times.ca_ms, r->decided_at), .joined = s->t };
		next.cas[next.n_cas++] = s->n_cas++;
	}
	for (size_t i = 0; i < s->secret.n_cas; i++) {
		if (r->step.drop[i]) {
			s->cas[s->secret.cas[i]].left = s->t;
			continue;
		}
		assert_true(next.n_cas < CERTS_CAS_MAX);
		next.cas[next.n_cas++] = s->secret.cas[i];
	}
	if (r->step.new_leaf) {
		next.leaf = (struct leaf){ .ca = next.cas[0], .span = certs_span(&s->times, s->times.leaf_ms, r->decided_at) };
		s->leaves++;
	}
	if (next.n_cas > s->most_cas)
		s->most_cas = (unsigned)next.n_cas;
	s->secret = next;
	r->serves = next.leaf;
}

/* Whoever trusts a bundle that was the right one at some moment of the last `late` milliseconds accepts what each replica serves. */
static void nobody_is_refused(const struct story *s)
{
	for (unsigned i = 0; i < s->n_replicas; i++) {
		const struct leaf *leaf = &s->replicas[i].serves;
		const struct ca *ca = &s->cas[leaf->ca < 0 ? 0 : leaf->ca];

		if (leaf->ca < 0)
			continue;
		if (s->t < leaf->span.from || s->t >= leaf->span.until || s->t >= ca->span.until)
			fail_msg("at %lld ms: a leaf is served out of its time", (long long)(s->t - NOW));
		if (ca->left)
			fail_msg("at %lld ms: a leaf is served whose CA has left", (long long)(s->t - NOW));
		if (leaf->ca > 0 && ca->joined > s->t - s->late)
			fail_msg("at %lld ms: a leaf is served whose CA is not known everywhere", (long long)(s->t - NOW));
	}
}

static void play(struct story *s, int64_t duration)
{
	const instant_t end = NOW + duration;

	for (s->t = NOW; s->t < end; s->t += STEP_MS) {
		for (unsigned i = 0; i < s->n_replicas; i++) {
			struct replica *r = &s->replicas[i];

			if (roll(s, 50) == 0) /* no two clocks differ by more than certificates allow for */
				r->skew = roll(s, s->times.back_ms + 1) - s->times.back_ms / 2;
			if (r->writes && s->t >= r->writes_at)
				replica_writes(s, r);
			if (!r->writes && s->t + STEP_MS > r->reads_at)
				replica_reads(s, r);
		}
		nobody_is_refused(s);
	}
}

static void nobody_is_refused_while_certificates_rotate(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 300; seed++) {
		struct story s = { .times = certs_times_of(30 * SECOND), .dice = seed * 0x9E3779B97F4A7C15u, .secret.leaf.ca = -1 };

		s.n_replicas = 1 + seed % REPLICAS_MAX;
		s.write_ms = s.times.overlap_ms / 5;
		s.late = s.times.overlap_ms - s.write_ms;
		for (unsigned i = 0; i < s.n_replicas; i++)
			s.replicas[i] = (struct replica){ .serves.ca = -1, .reads_at = NOW + roll(&s, 3000) };
		play(&s, 600 * SECOND);
		/* 600 s are seven and a half lives of a CA up to its renewal, and thirty of a leaf. */
		assert_in_range(s.n_cas, 7, 9);
		assert_in_range(s.leaves, 25, 45);
		assert_int_equal(s.most_cas, 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule),
		cmocka_unit_test(times_follow_from_the_leafs_life),
		cmocka_unit_test(nobody_is_refused_while_certificates_rotate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
