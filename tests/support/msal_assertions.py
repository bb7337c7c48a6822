"""Prints the client assertions that Microsoft's msal signs with a certificate, as JSON: by PS256, and by RS256.

Arguments: the PEM files of the certificate and of its key, the SHA-1 thumbprint in hexadecimal digits. Nothing is sent.
"""

import json
import sys

import msal

CLIENT = "11111111-2222-4333-8444-555555555555"
TENANT = "6a98b5da-7b3c-4486-bb0b-66a048c6da62"
AUTHORITY = f"https://login.microsoftonline.com/{TENANT}"


class Answer:
    def __init__(self, body):
        self.status_code, self.text, self.headers = 200, json.dumps(body), {}

    def raise_for_status(self):
        pass


class Http:
    """Answers as Entra would, and keeps the form."""

    def __init__(self):
        self.form = None

    def get(self, url, **_):
        return Answer(
            {
                "authorization_endpoint": f"{AUTHORITY}/oauth2/v2.0/authorize",
                "token_endpoint": f"{AUTHORITY}/oauth2/v2.0/token",
                "issuer": f"{AUTHORITY}/v2.0",
            }
        )

    def post(self, url, data=None, **_):
        self.form = data
        return Answer({"access_token": "a.b.c", "expires_in": 3599, "token_type": "Bearer"})

    def close(self):
        pass


def assertion(credential):
    http = Http()
    application = msal.ConfidentialClientApplication(
        CLIENT, authority=AUTHORITY, client_credential=credential, http_client=http, instance_discovery=False
    )
    application.acquire_token_for_client(["https://manage.office.com/.default"])
    value = http.form["client_assertion"]
    return value.decode() if isinstance(value, bytes) else value


certificate, key, thumbprint = sys.argv[1:4]
private_key = open(key).read()
print(
    json.dumps(
        {
            "version": msal.__version__,
            "PS256": assertion({"private_key": private_key, "public_certificate": open(certificate).read()}),
            "RS256": assertion({"private_key": private_key, "thumbprint": thumbprint}),
        }
    )
)
