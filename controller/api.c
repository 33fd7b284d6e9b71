/*
 * Owns: how a kind, a key and a watch command become a path (Kubernetes "API Concepts": resource URIs, query parameters).
 * Must not know: who asks, what comes back.
 */
#include "api.h"

#include <string.h>

/* Unreserved characters of RFC 3986 stay; continue tokens and label values may hold any other. */
static const char *escape(const char *text, struct arena *arena)
{
	static const char hex[] = "0123456789ABCDEF";
	char *out = arena_alloc(arena, strlen(text) * 3 + 1), *to = out;

	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr("-._~", *p)) {
			*to++ = (char)*p;
		} else {
			*to++ = '%';
			*to++ = hex[*p >> 4];
			*to++ = hex[*p & 15];
		}
	}
	return out;
}

static const char *collection(const struct resource *r, const char *ns, struct arena *arena)
{
	const char *root = r->group[0] ? arena_printf(arena, "/apis/%s/%s", r->group, r->version) :
					 arena_printf(arena, "/api/%s", r->version);

	if (r->namespaced && ns)
		return arena_printf(arena, "%s/namespaces/%s/%s", root, escape(ns, arena), r->plural);
	return arena_printf(arena, "%s/%s", root, r->plural);
}

char *api_object_path(const struct resource *r, struct key key, const char *subresource, struct arena *arena)
{
	return arena_printf(arena, "%s/%s%s%s", collection(r, key.ns ? key.ns->text : NULL, arena),
			    escape(key.name->text, arena), subresource ? "/" : "", subresource ? subresource : "");
}

char *api_collection_path(const struct resource *r, atom_t ns, struct arena *arena)
{
	return arena_printf(arena, "%s", collection(r, ns ? ns->text : NULL, arena));
}

char *api_watch_path(const struct resource *r, const char *ns, const struct watch_cmd *cmd, struct arena *arena)
{
	const char *base = collection(r, ns, arena), *only = "", *version = "";

	if (ns && strcmp(r->plural, "namespaces") == 0)
		only = arena_printf(arena, "&fieldSelector=metadata.name%%3D%s", escape(ns, arena));
	if (cmd->resource_version)
		version = arena_printf(arena, "&resourceVersion=%s%s", escape(cmd->resource_version, arena),
				       cmd->exact ? "&resourceVersionMatch=Exact" : "");
	if (cmd->type == WATCH_DO_WATCH)
		return arena_printf(arena, "%s?watch=true&allowWatchBookmarks=true&timeoutSeconds=%d%s%s", base, cmd->timeout_s,
				    version, only);
	if (cmd->continue_token)
		return arena_printf(arena, "%s?limit=%d&continue=%s%s", base, cmd->limit, escape(cmd->continue_token, arena), only);
	if (cmd->limit)
		return arena_printf(arena, "%s?limit=%d%s%s", base, cmd->limit, version, only);
	return arena_printf(arena, "%s?%s%s", base, version[0] ? version + 1 : "", only);
}
