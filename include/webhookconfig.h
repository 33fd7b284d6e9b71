/* Webhook configurations (admissionregistration.k8s.io/v1, mutating or validating), of which one thing is ours: whom the API server calls. */
#ifndef TOLLGATE_WEBHOOKCONFIG_H
#define TOLLGATE_WEBHOOKCONFIG_H

#include <stddef.h>

#include "error.h"

/*
 * The JSON Patch (RFC 6902) that puts ca_bundle (base64) into each of the configuration's webhooks, guarded by its resourceVersion and their
 * names. With url (without a slash at its end), clientConfig becomes url and the path that it has now, as a Service's or a URL's; one that
 * begins with url stays. malloc'ed into *patch; NULL if there is nothing to do. 0, or -1 with ERROR_INVALID when the text is no configuration.
 */
int webhookconfig_patch(const char *text, size_t len, const char *ca_bundle, const char *url, char **patch, struct error *) must_check;

#endif
