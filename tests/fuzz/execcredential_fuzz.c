/*
 * What a credential plugin prints. Input: 1 or b for the version that it was asked for, and what it printed. It is a whole
 * credential or none, and no message but the one about versions repeats a part of it.
 */
#include "execcredential.h"
#include "fuzz.h"

static void check_words(const char *message)
{
	static const char *const words[] = { "it printed ", "what it printed is not ", "status.", "the kubeconfig says " };
	bool ours = false;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		ours |= strncmp(message, words[i], strlen(words[i])) == 0;
	check(ours);
}

/* A plugin is told what it was configured with, whatever that is. */
static void check_info(const char *version, const struct execcredential *credential)
{
	const struct execinfo info = { .api_version = version, .server = credential->token, .ca_base64 = credential->cert_pem };
	cleanup_free char *text = execcredential_info(&info);
	json_t *tree = json_of(text, strlen(text));
	const char *server = json_string_value(json_object_get(json_at(tree, "spec", "cluster"), "server"));

	check(!server == !info.server && (!server || strcmp(server, info.server) == 0));
	json_decref(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *version = size && data[0] == 'b' ? "client.authentication.k8s.io/v1beta1" : "client.authentication.k8s.io/v1";
	struct fuzz_codec fuzz = codec_open();
	cleanup_free char *text = rest_of(data, size, 1);
	struct execcredential credential;
	struct error err = { 0 };

	if (execcredential_decode(text, size ? size - 1 : 0, version, &credential, &err) == 0) {
		check(credential.token || credential.cert_pem);
		check(!credential.cert_pem == !credential.key_pem);
		check_info(version, &credential);
		execcredential_close(&credential);
	} else {
		check_error(&err);
		check_words(err.message);
	}
	check(!credential.token && !credential.cert_pem && !credential.key_pem);
	codec_close(&fuzz);
	return 0;
}
