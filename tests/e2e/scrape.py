"""Asks for metrics over TLS as Prometheus does that is told to skip the verification of certificates (insecure_skip_verify)."""

import collections
import http.client
import ssl

Answer = collections.namedtuple("Answer", "status text challenge")


def trusting():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def connect(port):
    """A connection of one's own; longer than Tollgate may take to find out who one is."""
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=trusting())


def scrape(port, token=None, path="/metrics", method="GET", authorization=None):
    """The answer to one request; challenge is None where nobody wants to know who asks."""
    connection = connect(port)
    try:
        field = authorization if authorization is not None else token and f"Bearer {token}"
        connection.request(method, path, headers={"Authorization": field} if field else {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.read().decode(), answer.getheader("WWW-Authenticate"))
    finally:
        connection.close()
