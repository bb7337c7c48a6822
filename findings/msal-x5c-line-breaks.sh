#!/usr/bin/env bash
# msal 1.39.0 (Python) writes the line breaks of a PEM file into `x5c` of the client assertions that it signs.
#
# RFC 7515, section 4.1.6, wants each element of `x5c` to be the Base64 of the DER certificate, and RFC 4648, section 3.1, no line
# breaks in Base64. With a certificate of more than one line, as all are,
#
#     client_credential={"private_key": …, "public_certificate": "-----BEGIN CERTIFICATE-----\n…"}
#
# the elements have a line break every 64 characters. A verifier that decodes strictly refuses the header, as Python's own
# `b64decode(validate=True)` does and decoders of Rust and Java do by default; one that skips white space takes it. With
# `thumbprint` and without `public_certificate` there is no `x5c`.
#
# Exit code 0: the behaviour is as described. 1: it has changed. 2: the packages could not be installed.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" && "$work/venv/bin/pip" install --quiet msal==1.39.0 || exit 2

found="$("$work/venv/bin/python" - <<'PYTHON'
import base64
import datetime
import json

import msal
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "app")])
start = datetime.datetime(2026, 1, 1)
builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
builder = builder.serial_number(1).not_valid_before(start).not_valid_after(start.replace(year=2036))
certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
private = key.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
tenant = "https://login.microsoftonline.com/6a98b5da-7b3c-4486-bb0b-66a048c6da62"


class Answer:
    def __init__(self, body):
        self.status_code, self.text, self.headers = 200, json.dumps(body), {}

    def raise_for_status(self):
        pass


class Http:
    form = None

    def get(self, url, **_):
        return Answer({"authorization_endpoint": tenant, "token_endpoint": tenant, "issuer": tenant})

    def post(self, url, data=None, **_):
        self.form = data
        return Answer({"access_token": "a", "expires_in": 60, "token_type": "Bearer"})

    def close(self):
        pass


http = Http()
msal.ConfidentialClientApplication(
    "11111111-2222-4333-8444-555555555555",
    authority=tenant,
    client_credential={"private_key": private, "public_certificate": certificate},
    http_client=http,
    instance_discovery=False,
).acquire_token_for_client(["https://manage.office.com/.default"])
assertion = http.form["client_assertion"]
assertion = assertion if isinstance(assertion, str) else assertion.decode()
element = json.loads(base64.urlsafe_b64decode(assertion.split(".")[0] + "=="))["x5c"][0]
try:
    base64.b64decode(element, validate=True)
    strict = "accepted"
except ValueError:
    strict = "refused"
print(f"line breaks: {'yes' if chr(10) in element else 'no'}, first line: {len(element.splitlines()[0])} characters, strict: {strict}")
PYTHON
)"
seen="line breaks: yes, first line: 64 characters, strict: refused"
echo "found: $found"
[ "$found" = "$seen" ] || { echo "seen:  $seen" >&2; exit 1; }
